#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <ssam/io/checkpoint_file.hpp>

#include "fixtures.hpp"

using namespace ssam;
using namespace fixtures;

namespace {

StateDict parse(std::string_view bytes) { return parse_safetensors(bytes, "the file"); }

/// The header must be refused with a message that holds all parts.
std::string bad(const std::string& header, std::initializer_list<const char*> parts, const std::string& data = "") {
  INFO(header.substr(0, 200));
  return refused_bytes(parse, safetensors(header, data), parts);
}
/// One F32 tensor 'w' of this shape text and these offsets.
std::string entry(const std::string& shape, const std::string& offsets, const std::string& dtype = "\"F32\"") {
  return R"({"w":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

}  // namespace

TEST_CASE("safetensors: a file of every type loads and is written again byte for byte") {
  StateDict state;
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16,
                            DType::i8, DType::u8, DType::boolean}) {
    const HostTensor ones = HostTensor::from({2, 3}, std::vector<std::int64_t>{1, 0, 1, 1, 0, 1});
    state.tensors[std::string("layer.") + dtype_name(dtype)] = ones.converted(dtype);
  }
  state.tensors["scalar"] = HostTensor::from({}, std::vector<float>{-0.0f});
  state.tensors["empty"] = HostTensor::from({2, 0}, std::vector<float>{});
  state.tensors["\xc3\xbc \"quoted\\\""] = HostTensor::from({1}, std::vector<double>{3});
  state.metadata = {{"format", "pt"}, {"note", "a \"text\"\n"}};
  const std::string bytes = safetensors_bytes(state);
  const StateDict again = parse(bytes);
  CHECK(again.tensors == state.tensors);
  CHECK(again.metadata == state.metadata);
  CHECK(safetensors_bytes(again) == bytes);
  CHECK((8 + bytes[0] + 256 * bytes[1]) % 8 == 0);

  TemporaryFolder folder;
  save_safetensors(folder / "all.safetensors", state);
  CHECK(read(folder / "all.safetensors") == bytes);
  CHECK(load_safetensors(folder / "all.safetensors").tensors == state.tensors);
}

TEST_CASE("safetensors: golden files survive load, write, load") {
  for (const char* name : {"sam.safetensors", "train_inputs.safetensors", "ssam_release_train.safetensors"}) {
    const StateDict state = load_safetensors(golden(name));
    const StateDict again = parse(safetensors_bytes(state));
    CHECK(again.tensors == state.tensors);
    CHECK(again.metadata == state.metadata);
  }
}

TEST_CASE("safetensors: nothing is written that could not be read") {
  StateDict state;
  const HostTensor one = HostTensor::from({1}, std::vector<float>{1});
  for (const std::string& name : {std::string("__metadata__"), std::string(), std::string("a\xff"),
                                  std::string("a\0b", 3), std::string(2000, 'x')}) {
    state.tensors = {{name, one}};
    refused([&] { safetensors_bytes(state); }, {"name"});
  }
  state.tensors = {{"w", one}};
  state.tensors["w"].bytes.pop_back();
  refused<ShapeError>([&] { safetensors_bytes(state); }, {"wrong number of bytes", "3 bytes"});
  state.tensors["w"] = one;
  state.metadata["key"] = "\xff";
  refused([&] { safetensors_bytes(state); }, {"metadata is not UTF-8"});
}

TEST_CASE("S1: an empty file and files of 1 to 7 bytes") {
  for (std::size_t size = 0; size < 8; ++size)
    refused_bytes(parse, std::string(size, '\0'), {"ends too early", "offset 0"});
}

TEST_CASE("S2: header lengths that are zero, one, too large or wrap around") {
  const std::string rest = "{}      ";
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{9}, std::uint64_t{100'000'001},
                                     std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{7}}) {
    refused_bytes(parse, little(length, 8) + rest, {"offset 0", "a header length", std::to_string(length).c_str()});
  }
  refused_bytes(parse, little(1, 8) + "{", {"header length"});
  refused_bytes(parse, little(1, 8) + "\xff", {"header length"});

  // A file that could hold such a header: sparse, so it costs nothing.
  TemporaryFolder folder;
  write(folder / "large", little(150'000'000, 8) + "{");
  std::filesystem::resize_file(folder / "large", 200'000'000);
  largest_allocation = 0;
  refused([&] { load_safetensors(folder / "large"); }, {"header length", "150000000"});
  CHECK(largest_allocation < 10'000);
}

TEST_CASE("a header's length may look like the beginning of another file") {
  for (const std::size_t length : {0x280u, 0x380u, 0x480u, 0x580u, 0x8b1fu}) {  // a pickle's PROTO, gzip
    std::string header = R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
    header.resize(length, ' ');
    CHECK(parse_checkpoint(safetensors(header, "x"), "the file").contains("w"));
  }
}

TEST_CASE("what else is given as a checkpoint is named") {
  const auto said = [](const std::string& bytes, const char* what) {
    refused([&] { parse_checkpoint(bytes, "the file"); }, {"this is not a checkpoint", what});
  };
  said("\x89PNG\r\n\x1a\n and so on", "a PNG picture");
  said("\xff\xd8\xff\xe0 and so on", "a JPEG picture");
  said("{\n  \"labels\": [\"liver\"]\n}\n", "a JSON text");
}

TEST_CASE("S3: what stands around and inside the header's braces") {
  bad(" {}", {"does not begin with '{'", "offset 8"});
  bad("\n{}", {"does not begin"});
  bad("\xef\xbb\xbf{}", {"does not begin"});
  bad(std::string("{\0}", 3), {"not JSON", "offset"});
  bad("{}x", {"not JSON"});
  bad("{}{}", {"not JSON"});
  bad("{\"\xc0\xaf\":{}}", {"not JSON"});        // overlong
  bad("{\"\xed\xa0\x80\":{}}", {"not JSON"});    // a surrogate
  bad("{\"\\ud800\":{}}", {"not JSON"});         // a lone one, escaped
  bad("{\"\xff\":{}}", {"not JSON"});            // never in UTF-8
  bad("{\"a\\u0000b\":{}}", {"unusable name"});  // NUL by escape
  bad("{\"\":{}}", {"unusable name"});
  CHECK(parse(safetensors("{} \t\r\n")).tensors.empty());
}

TEST_CASE("S4: no JSON, other JSON, too deep, too many, too long") {
  bad("{not json}", {"not JSON"});
  bad("{", {"header length"}, "");
  bad("{ ", {"not JSON"});
  bad("{\"w\":[]}", {"malformed", "an array"});
  bad("{\"w\":1}", {"malformed", "a number"});
  bad("{\"w\":null}", {"malformed", "null"});
  bad("{\"w\":true}", {"malformed", "a boolean"});
  bad("{\"w\":\"text\"}", {"malformed", "the text 'text'"});
  refused_bytes(parse, safetensors("[]"), {"does not begin"});
  refused_bytes(parse, safetensors("12"), {"does not begin"});
  bad("{\"w\":" + std::string(100'000, '['), {"malformed", "an array"});
  bad("{\"w\":{\"shape\":" + std::string(100'000, '['), {"malformed", "an array"});
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "{\"w\":";
  bad(nested, {"malformed", "unknown field 'w'"});
  std::string many = "{";
  for (int i = 0; i <= 100'000; ++i) {
    many += (i ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  bad(many + "}", {"more than 100000 tensors"});
  bad("{\"" + std::string(10'000'000, 'n') + "\":{}}", {"unusable name", "10000000 bytes"});
}

TEST_CASE("S5: duplicates, also those an escape hides") {
  const std::string w = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  bad(R"({"w":)" + w + R"(,"w":)" + w + "}", {"'w' a second time"}, floats(1));
  bad(R"({"w":)" + w + R"(,"\u0077":)" + w + "}", {"'w' a second time"}, floats(1));
  bad(R"({"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", {"'dtype' a second time", "'w'"});
  bad(R"({"w":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})", {"'shape' a second time"});
  bad(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}})", {"'data_offsets' a second"});
  bad(R"({"__metadata__":{"a":"1","a":"2"}})", {"metadata key 'a' a second time"});
}

TEST_CASE("S6: metadata that is no object of texts, or there twice") {
  for (const char* value :
       {"1", "\"text\"", "[]", "null", R"({"a":1})", R"({"a":null})", R"({"a":{}})", R"({"a":["b"]})"}) {
    bad(std::string("{\"__metadata__\":") + value + "}", {"malformed"});
  }
  bad(R"({"__metadata__":{},"__metadata__":{}})", {"'__metadata__' a second time"});
}

TEST_CASE("S7: missing and unknown fields, unknown types") {
  bad(R"({"w":{}})", {"without dtype, shape or data_offsets", "'w'"});
  bad(R"({"w":{"dtype":"F32","shape":[1]}})", {"without"});
  bad(R"({"w":{"dtype":"F32","data_offsets":[0,4]}})", {"without"});
  bad(R"({"w":{"shape":[1],"data_offsets":[0,4]}})", {"without"});
  bad(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}})", {"unknown field 'extra'"});
  for (const char* dtype : {"F33", "f32", "float32", "", "F32 "}) {
    // Before any use of the offsets: these would be out of range.
    bad(entry("[1]", "[9000000000000,9000000000004]", '"' + std::string(dtype) + '"'),
        {"unsupported element type", "'w'", "F64, F32"});
  }
  bad(entry("[1]", "[0,4]", "32"), {"malformed", "a number"}, floats(1));
  bad(entry("[1]", "[0,4]", "null"), {"malformed", "null"}, floats(1));
}

TEST_CASE("S8: shapes that are no shapes, and products that wrap around") {
  for (const char* shape : {"3", "null", "\"3\"", "{}", "[-1]", "[1.5]", "[1e3]", "[\"3\"]", "[[3]]", "[null]",
                            "[true]", "[9223372036854775808]", "[18446744073709551616]", "[1,1,1,1,1,1,1,1,1]"}) {
    bad(entry(shape, "[0,4]"), {"malformed", "'w'"}, floats(1));
  }
  for (const char* shape : {"[2,18446744073709551614]", "[2,9223372036854775807]", "[4294967296,4294967296]",
                            "[4194305,4194305,211106198978564]", "[2305843009213693952]"}) {
    bad(entry(shape, "[0,4]"), {"'w'"}, floats(1));
    bad(entry(shape, "[0,0]"), {"'w'"});
  }
}

TEST_CASE("S9: offsets that are no pair or lie outside the file") {
  for (const char* offsets :
       {"[]", "[0]", "[0,4,4]", "4", "[-4,0]", "[0,4.0]", "[0,4e0]", "[\"0\",\"4\"]", "[null,4]"}) {
    bad(entry("[1]", offsets), {"malformed", "'w'"}, floats(1));
  }
  for (const char* offsets : {"[4,0]", "[0,8]", "[0,18446744073709551615]",
                              "[18446744073709551608,18446744073709551612]", "[18446744073709551615,3]", "[72,76]"}) {
    bad(entry("[1]", offsets), {"outside the file", "'w'"}, floats(1));
  }
}

TEST_CASE("S10: overlaps, holes, rests; order is free") {
  const auto tensor = [](const std::string& name, int begin, int end) {
    return '"' + name + R"(":{"dtype":"F32","shape":[)" + std::to_string((end - begin) / 4) + R"(],"data_offsets":[)" +
           std::to_string(begin) + ',' + std::to_string(end) + "]}";
  };
  bad('{' + tensor("a", 0, 8) + ',' + tensor("b", 4, 12) + '}', {"overlap", "'b'"}, floats(3));
  bad('{' + tensor("a", 0, 4) + ',' + tensor("b", 0, 4) + '}', {"overlap"}, floats(1));
  std::string ten = "{";
  for (int i = 0; i < 10; ++i) ten += (i ? "," : "") + tensor(std::to_string(i), 0, 4);
  bad(ten + '}', {"overlap"}, floats(1));
  bad('{' + tensor("a", 0, 4) + ',' + tensor("b", 8, 12) + '}', {"no tensor", "'b'"}, floats(3));
  bad('{' + tensor("a", 4, 8) + '}', {"no tensor"}, floats(2));
  bad('{' + tensor("a", 0, 4) + '}', {"bytes follow"}, floats(1) + "x");
  bad("{}", {"bytes follow"}, "x");
  const std::string unordered = safetensors('{' + tensor("a", 4, 8) + ',' + tensor("b", 0, 4) + '}', floats(2));
  CHECK(parse(unordered).at("a").to<float>()[0] == 1);

  std::string header = '{' + tensor("a", 0, 8192) + '}';
  const std::string whole = safetensors(header, floats(2048));
  CHECK(parse(whole).tensors.size() == 1);
  for (const std::size_t missing : {1u, 2u, 4096u}) {
    refused_bytes(parse, whole.substr(0, whole.size() - missing), {"outside the file", "'a'", "truncated"});
  }
}

TEST_CASE("S11: a size that is not the shape's") {
  bad(entry("[2]", "[0,4]"), {"do not match its shape", "'w'", "8 bytes for F32 [2]"}, floats(1));
  bad(entry("[1]", "[0,8]"), {"do not match its shape"}, floats(2));
  bad(entry("[]", "[0,0]"), {"do not match its shape"});
  bad(entry("[1]", "[0,4]", "\"F16\""), {"do not match its shape"}, floats(1));
}

TEST_CASE("S12: tensors without elements") {
  CHECK(parse(safetensors(entry("[2,0]", "[0,0]"))).at("w").shape == Shape{2, 0});
  CHECK(parse(safetensors(entry("[]", "[0,4]"), floats(1))).at("w").shape == Shape{});
  const auto with_empty = [](const std::string& at) {
    return R"({"e":{"dtype":"F32","shape":[0],"data_offsets":)" + at +
           R"(},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  };
  CHECK(parse(safetensors(with_empty("[0,0]"), floats(2))).tensors.size() == 2);
  CHECK(parse(safetensors(with_empty("[8,8]"), floats(2))).tensors.size() == 2);
  bad(with_empty("[4,4]"), {"overlap", "'e'"}, floats(2));
  bad(with_empty("[12,12]"), {"outside the file", "'e'"}, floats(2));
  bad(entry("[0,9223372036854775808]", "[0,0]"), {"63 bits", "'w'"});
  bad(entry("[0,9223372036854775807]", "[0,0]"), {"impossible shape", "'w'"});
}

TEST_CASE("S13: types of less than a byte and of eight bits float are refused by name") {
  for (const char* dtype : {"F4", "F6_E2M3", "F6_E3M2", "F8_E4M3", "F8_E5M2", "F8_E8M0", "I4"}) {
    bad(entry("[1]", "[0,1]", '"' + std::string(dtype) + '"'), {"unsupported element type", dtype, "'w'"}, "x");
  }
  // Types that no weights have are left out and said; their place in the file is checked all the same.
  for (const auto& [dtype, size] : {std::pair{"U16", 2}, {"U32", 4}, {"U64", 8}, {"C64", 8}}) {
    const std::string quoted = '"' + std::string(dtype) + '"';
    const StateDict state =
        parse(safetensors(entry("[3]", "[0," + std::to_string(3 * size) + "]", quoted), std::string(3u * size, 'x')));
    CHECK(state.tensors.empty());
    CHECK(state.skipped == std::vector<std::string>{"'w': its type is " + std::string(dtype)});
    bad(entry("[3]", "[0,3]", quoted), {"do not match its shape", "'w'"}, "xxx");
  }
}

TEST_CASE("S14: halves and whole numbers from a file") {
  const std::string halves = little(0x7e01, 2) + little(0xfc00, 2) + little(0x0001, 2) + little(0x8000, 2);
  const auto f16 = parse(safetensors(entry("[4]", "[0,8]", "\"F16\""), halves)).at("w").to<float>();
  CHECK(std::isnan(f16[0]));
  CHECK(f16[1] == -INFINITY);
  CHECK(f16[2] == std::ldexp(1.0f, -24));
  CHECK((f16[3] == 0 && std::signbit(f16[3])));
  const auto bf16 = parse(safetensors(entry("[4]", "[0,8]", "\"BF16\""), halves)).at("w").to<double>();
  CHECK(bf16[2] == std::ldexp(1.0, -133));
  CHECK((bf16[3] == 0 && std::signbit(bf16[3])));
  const auto count = parse(safetensors(entry("[]", "[0,8]", "\"I64\""), little(~std::uint64_t{0}, 8))).at("w");
  CHECK(count.to<std::int64_t>() == std::vector<std::int64_t>{-1});
}

TEST_CASE("S15: weights that are not finite are counted; strict_finite refuses them") {
  StateDict state;
  state.tensors["good"] = HostTensor::from({2}, std::vector<float>{1, -3.4e38f});
  state.tensors["half"] = HostTensor::from({3}, std::vector<float>{INFINITY, 1, 1}).converted(DType::f16);
  state.tensors["worse"] = HostTensor::from({3}, std::vector<float>{NAN, 1, -INFINITY});
  const std::string bytes = safetensors_bytes(state);
  CHECK(parse(bytes).nonfinite() == std::map<std::string, std::size_t>{{"half", 1}, {"worse", 2}});
  refused([&] { parse_safetensors(bytes, "the file", {.strict_finite = true}); },
          {"NaN or infinite", "the file, tensor 'half'", "2 tensor(s)"});
}

TEST_CASE("S16: a file that is cut while it is read gives an error, not a signal") {
  TemporaryFolder folder;
  write(folder / "cut", std::string(100'000, 'x'));
  const ByteSource source = ByteSource::file(folder / "cut");
  std::filesystem::resize_file(folder / "cut", 10);
  std::string target(100'000, '\0');
  refused<IoError>([&] { source.read(0, target.data(), target.size()); }, {"shorter while it was read", "offset 10"});
}

TEST_CASE("S17: what is no regular file") {
  TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  std::filesystem::create_symlink("loop", folder / "loop");
  refused<IoError>([&] { load_safetensors(folder.path()); }, {"a directory", folder.path().c_str()});
  refused<IoError>([&] { load_safetensors(folder / "fifo"); }, {"a FIFO"});
  refused<IoError>([&] { load_safetensors("/dev/zero"); }, {"a device"});
  refused<IoError>([&] { load_safetensors(folder / "loop"); }, {"cannot open", "symbolic links"});
  refused<IoError>([&] { load_safetensors(folder / "absent"); }, {"cannot open", "No such file"});
  write(folder / "secret", safetensors("{}"));
  REQUIRE(::chmod((folder / "secret").c_str(), 0) == 0);
  const bool root = ::geteuid() == 0;  // root may read everything: try as nobody
  if (root) REQUIRE(::seteuid(65534) == 0);
  refused<IoError>([&] { ssam::read_file(folder / "secret", 100); }, {"cannot open", "ermission"});
  if (root) REQUIRE(::seteuid(0) == 0);
}

TEST_CASE("S18: unusual paths, and files of more than 4 GiB") {
  TemporaryFolder folder;
  StateDict state;
  state.tensors["w"] = HostTensor::from({1}, std::vector<float>{7});
  const auto path = folder / "with space \xc3\xa4\xe6\xbc\xa2.safetensors";
  save_safetensors(path, state);
  CHECK(load_safetensors(path).tensors == state.tensors);
  // Sparse: 5 GiB that nothing is stored of. Offsets must not be cut to 32 bits.
  std::filesystem::resize_file(path, std::uintmax_t{5} << 30);
  largest_allocation = 0;
  refused([&] { load_safetensors(path); }, {"bytes follow the last tensor", "53687"});
  CHECK(largest_allocation < 10'000);
  write(folder / "far", "");
  std::filesystem::resize_file(folder / "far", (std::uintmax_t{5} << 30) + 4);
  {
    std::fstream file(folder / "far", std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(std::streamoff{5} << 30);
    file << "tail";
  }
  CHECK(ByteSource::file(folder / "far").read_string(std::uint64_t{5} << 30, 4) == "tail");
}
