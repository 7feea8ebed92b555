#include <ssam/io/pickle.hpp>

#include "fixtures.hpp"

using namespace ssam;
using namespace fixtures;

namespace {

Pickle run(std::string_view bytes) { return Pickle(bytes, "the file", 1000); }

void bad(const std::string& bytes, std::initializer_list<const char*> parts) {
  INFO(shown(bytes));
  const std::string message = refused_bytes(run, bytes, parts);
  CHECK(message.find("offset 1") != std::string::npos);  // 1000 + the place in the pickle
}
void bad_body(const std::string& body, std::initializer_list<const char*> parts) { bad(pickle(body), parts); }

using Kind = PickleValue::Kind;

}  // namespace

TEST_CASE("a pickle gives its numbers, texts and containers") {
  const std::string bytes =
      pickle("(K\x07M\x01\x02J\xff\xff\xff\xff" + integer(-5) + "\x8a\x01\xfe\x8a" + std::string(1, '\0') +
             "N\x88\x89G" + std::string(8, '\0') + "U\x02hi" + text("ho") + ")]}\x85t");
  const Pickle result = run(bytes);
  CHECK(result.size() == bytes.size());
  const auto& items = result.items(result.root());
  REQUIRE(items.size() == 15);
  const std::int64_t numbers[] = {7, 513, -1, -5, -2, 0};
  for (std::size_t i = 0; i < 6; ++i) CHECK((items[i].kind == Kind::integer && items[i].integer == numbers[i]));
  CHECK(items[6].kind == Kind::none);
  CHECK((items[7].kind == Kind::boolean && items[7].integer == 1));
  CHECK((items[8].kind == Kind::boolean && items[8].integer == 0));
  CHECK(items[9].kind == Kind::real);
  CHECK(result.text(items[10]) == "hi");
  CHECK(result.text(items[11]) == "ho");
  CHECK(items[12].kind == Kind::tuple);
  CHECK((items[14].kind == Kind::tuple && result.items(items[14])[0].kind == Kind::dict));
}

TEST_CASE("a pickle's memo refers to objects, not to copies") {
  const std::string bytes = pickle("]q\x01h\x01h\x01K\x05\x61\x86\x86");
  const Pickle result = run(bytes);
  const auto& outer = result.items(result.root());
  CHECK(result.items(outer[0]).size() == 1);
  CHECK(result.items(outer[0])[0].integer == 5);
}

TEST_CASE("P1: every opcode that state dictionaries do not need is refused") {
  const std::string known = "(.N\x88\x89KMJ\x8aGXU)\x81\x85\x86\x87t]}aesucRbQqrhj\x80";
  int others = 0;
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (known.find(static_cast<char>(opcode)) != std::string::npos) continue;
    ++others;
    bad("\x80\x02" + std::string(1, static_cast<char>(opcode)) + std::string(20, '\0'),
        {("opcode " + std::to_string(opcode) + ",").c_str(), "offset 1002"});
  }
  CHECK(others == 256 - 33);
  bad("\x80\x04" + std::string("N."), {"protocol 4"});
  bad(std::string("\x80\x00N.", 4), {"protocol 0"});
  bad_body("\x80\x02N", {"protocol"});
  bad("N.", {"no protocol number first"});
}

TEST_CASE("P2: names that attacks are made of are refused, and those that look like others") {
  for (const auto& [module, name] : std::initializer_list<std::pair<std::string, std::string>>{
           {"posix", "system"},
           {"os", "system"},
           {"os.path", "expanduser"},
           {"nt", "system"},
           {"subprocess", "Popen"},
           {"builtins", "eval"},
           {"builtins", "exec"},
           {"builtins", "open"},
           {"builtins", "__import__"},
           {"__builtin__", "eval"},
           {"importlib", "import_module"},
           {"runpy", "run_path"},
           {"collections", "OrderedDict "},
           {" collections", "OrderedDict"},
           {"collections\r", "OrderedDict"},
           {"collections", "\xd0\x9ErderedDict"},  // a Cyrillic letter
           {"collections.OrderedDict", ""}}) {
    for (const std::string& body : {global(module, name), global(module, name) + tuple(text("echo hacked")) + "R"}) {
      bad_body(body, {"which no checkpoint needs"});
    }
  }
}

TEST_CASE("P2: other names outside the list are only names") {
  for (const auto& [module, name] :
       std::initializer_list<std::pair<std::string, std::string>>{{"builtins", "set"},
                                                                  {"argparse", "Namespace"},
                                                                  {"osprey.models", "Sam"},
                                                                  {"collections", "orderedDict"},
                                                                  {"torch", "_utils._rebuild_tensor_v2"},
                                                                  {"torch._utils", "_rebuild_tensor"},
                                                                  {"torch._utils", "_rebuild_qtensor"},
                                                                  {"torch._utils", "_rebuild_sparse_tensor"},
                                                                  {"torch", "QInt8Storage"},
                                                                  {"torch", "ComplexFloatStorage"},
                                                                  {"torch.storage", "UntypedStorage"},
                                                                  {"torch", "load"},
                                                                  {"numpy.core.multiarray", "scalar"}}) {
    for (const std::string& body :
         {global(module, name), global(module, name) + tuple(text("echo hacked")) + "R", global(module, name) + ")\x81",
          global(module, name) + ")R" + dict(text("x") + "K\x01") + "b",
          global(module, name) + ")R" + text("key") + "Ns", global(module, name) + ")R(NNu",
          global(module, name) + ")RN\x61"}) {
      const std::string bytes = pickle(body);
      const Pickle result = run(bytes);
      CHECK(result.root().kind == Kind::object);
      CHECK(result.object_name(result.root()) == module + "." + name);
    }
  }
  bad_body("c" + std::string(2000, 'x') + "\ny\n", {"too long"});
  bad_body("ctorch\n" + std::string(2000, 'x') + "\n", {"too long"});
  bad("\x80\x02"
      "ctorch",
      {"does not end"});
  bad("\x80\x02"
      "ctorch\nSize",
      {"does not end"});
}

TEST_CASE("what is made of an unknown object is unknown, what is made beside it is not") {
  // A scalar of NumPy, as a script leaves it in a checkpoint: scalar(dtype('f8', 0, 1), encode('...', 'latin1')).
  const std::string dtype =
      global("numpy", "dtype") + tuple(text("f8") + "K" + std::string(1, '\0') + "K\x01") + "R" +
      tuple("K\x03" + text("<") + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" + std::string(1, '\0')) + "b";
  const std::string bytes = global("_codecs", "encode") + tuple(text("abcdefgh") + text("latin1")) + "R";
  const std::string scalar = global("numpy.core.multiarray", "scalar") + tuple(dtype + bytes) + "R";
  const std::string both = pickle(dict(text("dice") + scalar + text("w") + tensor()));
  const Pickle result = run(both);
  const auto& items = result.items(result.root());
  CHECK(result.object_name(items[1]) == "numpy.core.multiarray.scalar");
  CHECK(items[3].kind == Kind::tensor);
  // Storages of a type that nobody knows, and what is built on them.
  const std::string complex = pickle(tensor({.type = "ComplexFloatStorage"}));
  CHECK(run(complex).object_name(run(complex).root()) == "torch.ComplexFloatStorage");
  const std::string parameter =
      pickle(global("torch._utils", "_rebuild_parameter") + tuple(scalar + "\x88" + ordered_dict()) + "R");
  CHECK(run(parameter).root().kind == Kind::object);
  bad_body("N)\x81", {"what is no type"});
}

TEST_CASE("P3: calls, persistent ids and assignments of the wrong kind") {
  const std::string make = global("torch._utils", "_rebuild_tensor_v2");
  bad_body("K\x01)R", {"a call of what cannot be called"});
  bad_body(global("torch", "FloatStorage") + ")R", {"a call of what cannot be called"});
  bad_body(global("collections", "OrderedDict") + "]R", {"without a tuple"});
  bad_body(global("collections", "OrderedDict") + "K\x01\x85R", {"malformed OrderedDict"});
  bad_body(global("collections", "OrderedDict") + "]K\x01\x61\x85R", {"malformed OrderedDict"});
  bad_body(global("torch", "Size") + ")R", {"malformed torch.Size"});
  bad_body(global("torch", "Size") + "]\x85R", {"malformed torch.Size"});
  bad_body(make + ")R", {"do not make a tensor"});
  const std::string id = storage({});
  const std::string rest = "K" + std::string(1, '\0') + ")" + ")" + "\x89" + ordered_dict();
  CHECK(run(pickle(make + tuple(id + rest) + "R")).root().kind == Kind::tensor);
  CHECK(run(pickle(make + tuple(id + rest + "}") + "R")).root().kind == Kind::tensor);
  CHECK(run(pickle(make + tuple(id + "K" + std::string(1, '\0') + "))\x89N") + "R")).root().kind == Kind::tensor);
  bad_body(make + tuple(id + rest + "}}") + "R", {"do not make a tensor"});
  bad_body(make + tuple("N" + rest) + "R", {"do not make a tensor"});
  bad_body(make + tuple(id + text("0") + "))\x89}") + "R", {"storage offset"});
  bad_body(make + tuple(id + integer(0) + "])\x89}") + "R", {"do not make a tensor"});
  bad_body(make + tuple(id + integer(0) + "))K\x01}") + "R", {"do not make a tensor"});
  bad_body(make + tuple(id + integer(0) + "))\x89K\x01") + "R", {"do not make a tensor"});
  const std::string parameter = global("torch._utils", "_rebuild_parameter");
  CHECK(run(pickle(parameter + tuple(tensor() + "\x88" + ordered_dict()) + "R")).root().kind == Kind::tensor);
  CHECK(run(pickle(global("torch._utils", "_rebuild_parameter_with_state") +
                   tuple(tensor() + "\x88" + ordered_dict() + dict(text("name") + "N")) + "R"))
            .root()
            .kind == Kind::tensor);
  bad_body(parameter + tuple("N\x88" + ordered_dict()) + "R", {"do not make a parameter"});
  bad_body(parameter + tuple(tensor() + "\x88") + "R", {"do not make a parameter"});

  bad_body("K\x01Q", {"no tuple"});
  const std::string type = global("torch", "FloatStorage");
  for (const std::string& parts :
       {std::string(), text("storage") + type + text("0") + text("cpu"),
        text("module") + type + text("0") + text("cpu") + "K\x06",
        text("storage") + "N" + text("0") + text("cpu") + "K\x06",
        text("storage") + type + "K\x01" + text("cpu") + "K\x06", text("storage") + type + text("0") + "NK\x06",
        text("storage") + type + text("0") + text("cpu") + "K\x06NN"}) {
    bad_body(tuple(parts) + "Q", {"a persistent id that is not"});
  }
  const std::string legacy = text("storage") + type + text("0") + text("cpu") + "K\x06";
  CHECK(run(pickle(tuple(legacy + "N") + "Q")).root().kind == Kind::storage);
  CHECK(run(pickle(tuple(legacy + tuple(text("v") + "K\x02K\x04")) + "Q")).root().kind == Kind::storage);
  bad_body(tuple(legacy + "K\x01") + "Q", {"malformed storage view"});
  bad_body(tuple(legacy + tuple(text("v") + "K\x03K\x04")) + "Q", {"view outside its storage"});
  bad_body(tuple(legacy + tuple(text("v") + "K\x03" + integer(INT64_MAX))) + "Q", {"view outside its storage"});
  bad_body(tuple(text("storage") + type + text("0") + text("cpu") + integer(-1)) + "Q", {"storage size"});

  bad_body("}}b", {"what is no OrderedDict"});
  bad_body("]}b", {"what is no OrderedDict"});
  bad_body(tensor() + "}b", {"what is no OrderedDict"});
  bad_body(ordered_dict() + "Nb", {"what is no OrderedDict"});
  CHECK(run(pickle(ordered_dict() + dict(text("_metadata") + ordered_dict()) + "b")).root().kind == Kind::ordered_dict);

  bad_body("]K\x01K\x02s", {"items for what is no dictionary"});
  bad_body("](K\x01K\x02u", {"items for what is no dictionary"});
  bad_body("K\x01(K\x01K\x02u", {"items for what is no dictionary"});
  bad_body(tensor() + "K\x01K\x02s", {"items for what is no dictionary"});  // CVE-2026-24747
  bad_body("}(K\x01K\x02K\x03u", {"a key without a value"});
  bad_body("}K\x01\x61", {"elements for what is no list"});
  bad_body(
      ")(K\x01"
      "e",
      {"elements for what is no list"});
}

TEST_CASE("P4: the stack, the memo, the end of the file") {
  for (const char* body :
       {"\x85", "\x86", "N\x86", "NN\x87", "a", "s", "R", "NR", "b", "Q", "q\x01", "(\x85", "N(\x85", "N(a"}) {
    bad_body(body, {"underflow"});
  }
  for (const char* body : {"t", "Nt", "]e", "}u"}) bad_body(body, {"no mark"});
  bad_body("h\x01", {"memo entry 1"});
  bad_body("j\xff\xff\xff\xff", {"memo entry 4294967295"});
  const std::string far = pickle("Nr\xff\xff\xff\xff");
  CHECK(run(far).root().kind == Kind::none);
  bad_body("", {"a stack of 0"});
  bad_body("NN", {"a stack of 2"});
  bad_body("(", {"a stack of 0"});
  bad_body("N(", {"a stack of 1"});
  for (const std::string& body :
       {std::string("X\xff\xff\xff\xffhello"), std::string("X\x06\0\0\0hello", 10), std::string("U\x05hi"),
        std::string("K"), std::string("M\x01"), std::string("J\x01\x01"), std::string("\x8a"),
        std::string("\x8a\x08xx"), std::string("G1234"), std::string("Nq"), std::string("Nr\x01")}) {
    bad("\x80\x02" + body, {"a truncated operand"});
  }
  bad("\x80", {"a truncated operand"});
  for (const char* body : {"", "N", "}", "(N"}) bad(std::string("\x80\x02") + body, {"no STOP"});
  bad("", {"no STOP"});
  bad_body("U\x02\xc0\xaf", {"not UTF-8"});
  for (const std::size_t width : {9u, 255u}) {  // beyond 63 bits: a number, of no use
    const std::string wide = pickle("\x8a" + std::string(1, static_cast<char>(width)) + std::string(width, '\x01'));
    CHECK(run(wide).root().kind == Kind::real);
  }

  // A list that holds itself, and doublings that would be 2^1000 values if anything walked them.
  const std::string self = pickle("]q\x01h\x01\x61");
  CHECK(run(self).root().kind == Kind::list);
  std::string doublings = ")";
  for (int i = 0; i < 1000; ++i) doublings += "q\x01h\x01\x86";
  const std::string bomb = pickle(doublings);
  CHECK(run(bomb).root().kind == Kind::tuple);
  // One list named by many calls would be copied each time.
  std::string pairs = "](";
  for (int i = 0; i < 5000; ++i) pairs += "NN\x86";
  std::string calls = pairs + "eq\x01" + global("collections", "OrderedDict") + "q\x02";
  for (int i = 0; i < 5000; ++i) calls += "h\x02h\x01\x85R";
  bad_body(calls, {"too many items"});
  // Deep nesting needs no recursion; very many opcodes end.
  CHECK(run(pickle("N" + std::string(1'000'000, '\x85'))).root().kind == Kind::tuple);
  refused_bytes(run, pickle(std::string(10'000'000, 'N')), {"more than 5000000 opcodes"});
}
