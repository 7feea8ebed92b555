#include <ssam/io/checkpoint_file.hpp>

#include "fixtures.hpp"

using namespace ssam;
using namespace fixtures;

namespace {

StateDict parse(std::string_view bytes) { return parse_checkpoint(bytes, "the file"); }

std::string one(const TensorSpec& spec) { return torch_zip(pickle(dict(text("w") + tensor(spec)))); }

void bad(const std::string& bytes, std::initializer_list<const char*> parts) { refused_bytes(parse, bytes, parts); }

/// A legacy file: the object's pickle, storages as (key, bytes of 4 byte elements).
std::string legacy(const std::string& object, const std::vector<std::pair<std::string, std::string>>& storages,
                   const std::string& system = dict(text("little_endian") + "\x88"), int version = 1001) {
  std::string keys = "](";
  std::string data;
  for (const auto& [key, bytes] : storages) {
    keys += text(key);
    data += little(bytes.size() / 4, 8) + bytes;
  }
  return std::string(detail::torch_legacy_magic) + pickle(integer(version)) + pickle(system) + object +
         pickle(keys + "e") + data;
}

std::string other_tensor(const std::string& key, std::int64_t elements) {
  return tensor({.key = key, .storage_elements = elements, .offset = 0, .size = {elements}, .stride = {1}});
}

}  // namespace

TEST_CASE("one SAM in three containers gives the same tensors and the same hash") {
  const StateDict reference = load_checkpoint(golden("sam.safetensors"));
  CHECK(reference.tensors.size() == 202);
  for (const char* name : {"sam.pth", "sam_legacy.pth"}) {
    const StateDict state = load_checkpoint(golden(name));
    CHECK(state.tensors == reference.tensors);
    CHECK(state.skipped.empty());
    CHECK(content_hash(state) == content_hash(reference));
    CHECK(load_torch_checkpoint(golden(name)).tensors == reference.tensors);
  }
}

TEST_CASE("a TorchScript program gives the parameters and buffers of its modules") {
  // Traced and saved by PyTorch 2 in half precision, as OpenAI's ViT-B-32.pt; beside it its state_dict().
  const StateDict state = load_checkpoint(golden("clip_torchscript.pt"));
  CHECK(state.tensors.size() == 35);
  CHECK(state.tensors == load_checkpoint(golden("clip_torchscript.safetensors")).tensors);
  CHECK(state.skipped.empty());
}

TEST_CASE("modules of a TorchScript program: only what is a tensor or a module has a name") {
  const std::string make = "c__torch__.Net\nNet\n)\x81";
  const std::string inner = make + "}(" + text("weight") + tensor({}) + text("training") + "\x89" + "ub";
  const std::string root = make + "}(" + text("model") + inner + text("optimizer") + inner + text("size") + integer(3) +
                           text("hook") + "Nub";
  const StateDict state = parse(torch_zip(pickle(root)));
  // Under its full name, as torch.jit.load(path).state_dict() has it: "model" is a module here, no wrapper.
  CHECK(state.tensors.size() == 2);
  CHECK(state.contains("model.weight"));
  CHECK(state.contains("optimizer.weight"));
  CHECK(state.skipped.empty());
  bad(torch_zip(pickle(make)), {"holds no tensor"});
  bad(torch_zip(pickle(make + integer(3) + "b")), {"attributes for what is no OrderedDict"});
  // A module that is its own part: endless names.
  bad(torch_zip(pickle(make + "q\x01}(" + text("again") + "h\x01ub")), {"no tensor"});
}

TEST_CASE("reading a file takes it into memory once") {
  constexpr std::int64_t elements = 1 << 18;
  const std::string storage_bytes(4 * elements, 'x');
  std::string body;
  std::vector<Member> members = torch_members("");
  members.erase(members.begin() + 2);
  std::vector<std::pair<std::string, std::string>> storages;
  for (int i = 0; i < 8; ++i) {
    const std::string key = std::to_string(i);
    body += text(key) + other_tensor(key, elements);
    members.push_back({"archive/data/" + key, storage_bytes});
    storages.emplace_back(key, storage_bytes);
  }
  members[0].data = pickle(dict(body));
  TemporaryFolder folder;
  write(folder / "zip", zip(members));
  write(folder / "legacy", legacy(pickle(dict(body)), storages));
  save_safetensors(folder / "safetensors", load_checkpoint(folder / "zip"));
  for (const char* name : {"zip", "legacy", "safetensors"}) {
    const std::size_t before = live_bytes;
    peak_bytes = before;
    const StateDict state = load_checkpoint(folder / name);
    CHECK(state.tensors.size() == 8);
    CHECK(peak_bytes - before < 8 * storage_bytes.size() * 11 / 10);
  }
}

TEST_CASE("strides and offsets: every view is copied dense and row-major") {
  CHECK(parse(one({})).at("w").to<float>() == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(parse(one({.size = {3, 2}, .stride = {1, 3}})).at("w").to<float>() == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(parse(one({.offset = 1, .size = {2}, .stride = {4}})).at("w").to<float>() == std::vector<float>{1, 5});
  CHECK(parse(one({.offset = 5, .size = {}, .stride = {}})).at("w").to<float>() == std::vector<float>{5});
  CHECK(parse(one({.size = {0, 3}, .stride = {3, 1}})).at("w").shape == Shape{0, 3});
  CHECK(parse(one({.size = {2, 1, 2}, .stride = {3, INT64_MAX, 1}})).at("w").to<float>() ==
        std::vector<float>{0, 1, 3, 4});
  CHECK(parse(one({.size = {1, 2, 1, 3}, .stride = {99, 3, 77, 1}})).at("w").to<float>()[5] == 5);
}

TEST_CASE("P5: storages and tensors that do not fit each other") {
  for (const std::int64_t elements : {5, 7, 0}) {
    bad(one({.storage_elements = elements, .size = {0}, .stride = {1}}),
        {"a storage has not the size", "'w'", "24 bytes"});
  }
  bad(one({.type = "DoubleStorage"}), {"a storage has not the size"});
  bad(one({.type = "HalfStorage"}), {"a storage has not the size"});
  bad(one({.storage_elements = INT64_MAX}), {"a storage has not the size"});
  bad(one({.key = "1"}), {"no such storage", "'archive/data/1'", "'w'"});
  bad(one({.key = "../data.pkl"}), {"no such storage"});

  for (const TensorSpec& spec :
       {TensorSpec{.offset = 1}, TensorSpec{.size = {7}, .stride = {1}}, TensorSpec{.stride = {4, 1}},
        TensorSpec{.offset = 6, .size = {}, .stride = {}}, TensorSpec{.offset = 7, .size = {0}, .stride = {1}},
        TensorSpec{.offset = INT64_MAX}, TensorSpec{.stride = {INT64_MAX, 1}},
        TensorSpec{.size = {3, 2}, .stride = {INT64_MAX, INT64_MAX}},
        TensorSpec{.size = {INT64_MAX, 2}, .stride = {0, 0}},
        TensorSpec{.size = {std::int64_t{1} << 32, std::int64_t{1} << 32}, .stride = {0, 0}},
        TensorSpec{.size = {0, INT64_MAX}, .stride = {1, 1}}}) {
    bad(one(spec), {"impossible extents", "the file, tensor 'w'"});
  }
  for (const TensorSpec& spec :
       {TensorSpec{.offset = -1}, TensorSpec{.size = {-2, 3}}, TensorSpec{.stride = {-3, 1}}}) {
    bad(one(spec), {"no valid", "offset"});
  }
  bad(one({.size = {6}, .stride = {1, 1}}), {"1 extents with 2 strides"});
  bad(one({.size = std::vector<std::int64_t>(9, 1), .stride = std::vector<std::int64_t>(9, 1)}), {"9 extents"});

  // Stride 0 repeats an element: copied while the sum stays in proportion to the file.
  CHECK(parse(one({.size = {1000}, .stride = {0}})).at("w").to<float>() == std::vector<float>(1000, 0));
  bad(one({.size = {1'000'000}, .stride = {0}}), {"repeat more elements", "'w'"});
  bad(one({.size = {std::int64_t{1} << 40}, .stride = {0}}), {"repeat more elements"});
  std::string many;
  for (int i = 0; i < 400; ++i) many += text(std::to_string(i)) + tensor({.size = {1000}, .stride = {0}});
  bad(torch_zip(pickle(dict(many))), {"repeat more elements"});

  // Two tensors in one storage, as tied weights are saved; but not under two types or sizes.
  const auto two = [](const TensorSpec& second) {
    return torch_zip(pickle(dict(text("a") + tensor() + text("b") + tensor(second))));
  };
  CHECK(parse(two({.offset = 3, .size = {3}, .stride = {1}})).at("b").to<float>() == std::vector<float>{3, 4, 5});
  CHECK(parse(two({})).at("a") == parse(two({})).at("b"));
  bad(two({.type = "IntStorage"}), {"two types or sizes", "'b'"});
  bad(two({.storage_elements = 3, .size = {3}, .stride = {1}}), {"two types or sizes"});

  bad(torch_zip(pickle(dict(text("w") + tensor())) + "x"), {"bytes follow", "pickle"});
}

TEST_CASE("P6: the state dictionary is found, and what is left out is listed") {
  const std::string state = ordered_dict() + "(" + text("a.weight") + tensor() + "u";
  const auto names = [](const std::string& body) {
    const StateDict loaded = parse(torch_zip(pickle(body)));
    std::string all;
    for (const auto& [name, tensor] : loaded.tensors) all += name + " ";
    for (const std::string& skipped : loaded.skipped) all += "- " + skipped + " ";
    return all;
  };
  CHECK(names(state) == "a.weight ");
  for (const char* wrapper : {"model", "state_dict", "model_state_dict", "model_state", "my_segmenter"}) {
    CHECK(names(dict(text(wrapper) + state)) == "a.weight ");
    CHECK(names(dict(text("stage") + dict(text(wrapper) + state))) == "a.weight ");
  }
  const std::string med_sam = names(dict(text("model") + state + text("optimizer") +
                                         dict(text("state") + dict(text("m") + tensor())) + text("epoch") + "K\x05"));
  CHECK(med_sam ==
        "a.weight - 'optimizer': it lies beside the weights in 'model' - 'epoch': it lies beside the weights in "
        "'model' ");
  CHECK(names(dict(text("checkpoint") + "N" + text("state_dict") + dict(text("model") + state)))
            .starts_with("a.weight - 'checkpoint'"));
  // "model" goes before "state_dict", whichever stands first.
  CHECK(names(dict(text("state_dict") + dict(text("x") + tensor()) + text("model") + state))
            .starts_with("a.weight - 'state_dict'"));
  // Names of modules are no wrappers where as many tensors stand beside them, or several of their kind do.
  CHECK(names(dict(text("inner") + dict(text("w") + tensor()) + text("b") + tensor())) == "b inner.w ");
  CHECK(names(dict(text("model") + dict(text("w") + tensor()) + text("a") + tensor() + text("b") + tensor())) ==
        "a b model.w ");
  CHECK(names(dict(text("layer1") + dict(text("w") + tensor()) + text("layer2") + dict(text("w") + tensor()))) ==
        "layer1.w layer2.w ");
  const std::string mixed = names(dict(text("w") + tensor() + text("epoch") + "K\x05" + text("optimizer") +
                                       dict(text("m") + tensor()) + "K\x01" + tensor()));
  CHECK(mixed ==
        "w - 'epoch': it is no tensor - 'optimizer': the state of training, not of the model - 'an entry': its key is "
        "no text ");
  CHECK(names(dict(text("module.w") + tensor())) == "module.w ");

  // Whatever a training leaves beside the weights: tensors of a loss or of random numbers, other objects, averages.
  const std::string beside = "it lies beside the weights in 'model_state_dict' ";
  CHECK(names(dict(text("epoch") + "K\x01" + text("model_state_dict") + state + text("loss") + tensor())) ==
        "a.weight - 'epoch': " + beside + "- 'loss': " + beside);
  const std::string two = ordered_dict() + "(" + text("a.weight") + tensor() + text("b.weight") + tensor() + "u";
  CHECK(names(dict(text("rng_state") + dict(text("cpu") + tensor() + text("cuda") + tensor()) + text("phase2") + two +
                   text("optimizer_state_dict") + dict(text("state") + dict(text("m") + tensor())) + text("best_dice") +
                   tensor({.size = {}, .stride = {}})))
            .starts_with("a.weight b.weight - 'rng_state': it lies beside the weights in 'phase2' - "));
  CHECK(names(dict(text("model") + state + text("model_ema") + state)) ==
        "a.weight - 'model_ema': it lies beside the weights in 'model' ");
  CHECK(names(dict(text("args") + global("argparse", "Namespace") + ")\x81" + dict(text("lr") + "K\x01") + "b" +
                   text("a") + tensor())) == "a - 'args': the Python object 'argparse.Namespace' ");
  // A model that was saved in parts keeps them all.
  CHECK(names(dict(text("encoder") + dict(text("w") + tensor()) + text("decoder") + dict(text("w") + tensor()) +
                   text("lr_scheduler") + dict(text("x") + tensor()))) ==
        "decoder.w encoder.w - 'lr_scheduler': the state of training, not of the model ");

  bad(torch_zip(pickle(tensor())), {"no dictionary of tensors", "a single tensor"});
  bad(torch_zip(pickle("]")), {"no dictionary of tensors", "a list"});
  bad(torch_zip(pickle(global("models", "Sam") + ")\x81" + dict(text("training") + "\x88") + "b")),
      {"no dictionary of tensors", "the Python object 'models.Sam'", "torch.save(model.state_dict(), path)"});
  bad(torch_zip(
          pickle(dict(text("state") + dict("K\x01" + dict(text("exp_avg") + tensor())) + text("param_groups") + "]"))),
      {"the state of an optimizer"});
  bad(torch_zip(pickle("}")), {"holds no tensor", "an empty dictionary"});
  bad(torch_zip(pickle(dict(text("epoch") + "K\x01"))), {"holds no tensor", "1 other entries: 'epoch'"});
  bad(torch_zip(pickle(dict(text("w") + tensor() + text("w") + tensor()))), {"two tensors have one name", "'w'"});
  bad(torch_zip(pickle(dict(text("a.b") + tensor() + text("a") + dict(text("b") + tensor())))),
      {"two tensors", "'a.b'"});
  bad(torch_zip(pickle(dict(text("") + tensor()))), {"unusable name"});
  bad(torch_zip(pickle(dict(text("a\nb") + tensor()))), {"unusable name"});
  bad(torch_zip(pickle(dict(text(std::string(1025, 'n')) + tensor()))), {"unusable name"});

  // Dictionaries that hold themselves, or share their parts over and over.
  bad(torch_zip(pickle("}q\x01" + text("x") + "h\x01s")), {"nested too deeply"});
  bad(torch_zip(pickle("}q\x01" + text("model") + "h\x01s")), {"nested too deeply"});
  for (const auto& [leaf, message] :
       {std::pair<std::string, const char*>{dict(text("w") + tensor()), "too many tensors"},
        std::pair<std::string, const char*>{"}", "too many entries"}}) {
    std::string level = leaf;
    for (char depth = 1; depth < 8; ++depth) {
      const std::string inside = level + "q" + depth;
      level = "}(" + text("0") + inside;
      for (int i = 1; i < 10; ++i) level += text(std::to_string(i)) + "h" + depth;
      level += "u";
    }
    refused([&] { parse(torch_zip(pickle(level))); }, {message, "the file"});
  }
}

TEST_CASE("legacy files: storages behind the pickles, views, and lies about both") {
  const std::string object = pickle(dict(text("w") + tensor() + text("b") + other_tensor("7", 2)));
  const std::string good = legacy(object, {{"0", floats(6)}, {"7", floats(2)}});
  CHECK(parse(good).at("w").to<float>()[5] == 5);
  CHECK(parse(good).at("b").to<float>() == std::vector<float>{0, 1});
  CHECK(parse(legacy(object, {{"7", floats(2)}, {"0", floats(6)}})).tensors == parse(good).tensors);
  for (std::size_t size = detail::torch_legacy_magic.size(); size < good.size(); ++size)
    bad(good.substr(0, size), {"the file"});
  bad(good + "x", {"bytes behind the last storage", "offset"});
  bad(legacy(object, {{"0", floats(6)}}), {"no such storage", "'7'"});
  bad(legacy(object, {{"0", floats(6)}, {"7", floats(2)}, {"8", floats(1)}}), {"a storage no tensor uses"});
  bad(legacy(object, {{"0", floats(6)}, {"0", floats(6)}, {"7", floats(2)}}), {"a storage named twice"});
  bad(legacy(object, {{"0", floats(5)}, {"7", floats(2)}}), {"5 elements in storage '0' that should have 6"});
  bad(legacy(object, {{"0", floats(6)}, {"7", floats(2)}}, dict(text("little_endian") + "\x89")),
      {"not little-endian"});
  bad(legacy(object, {{"0", floats(6)}, {"7", floats(2)}}, "}"), {"not little-endian"});
  bad(legacy(object, {{"0", floats(6)}, {"7", floats(2)}}, "N"), {"not little-endian"});
  bad(legacy(object, {{"0", floats(6)}, {"7", floats(2)}}, dict(text("little_endian") + "\x88"), 1000),
      {"unknown version"});
  const std::string huge = pickle(dict(text("w") + tensor({.storage_elements = INT64_MAX})));
  std::string lie = legacy(huge, {{"0", floats(6)}});
  lie.replace(lie.size() - 32, 8, little(INT64_MAX, 8));
  bad(lie, {"a truncated storage '0'"});

  // A view of a storage, as PyTorch before 0.4 could save it: elements 2 to 5 of storage "0".
  const std::string view = tuple(text("storage") + global("torch", "FloatStorage") + text("0") + text("cpu") +
                                 integer(6) + tuple(text("v") + integer(2) + integer(4))) +
                           "Q";
  const auto viewed = [&](std::int64_t offset, std::int64_t size) {
    return legacy(pickle(dict(text("w") + global("torch._utils", "_rebuild_tensor_v2") +
                              tuple(view + integer(offset) + integers({size}) + integers({1}) + "\x89N") + "R")),
                  {{"0", floats(6)}});
  };
  CHECK(parse(viewed(1, 3)).at("w").to<float>() == std::vector<float>{3, 4, 5});
  bad(viewed(1, 4), {"impossible extents", "at most 4 elements"});
}

TEST_CASE("checkpoints: strict_finite holds for every container") {
  StateDict state = load_checkpoint(golden("sam.pth"), {.strict_finite = true});
  CHECK(state.nonfinite().empty());
  const float bad_values[] = {1, 2, INFINITY, 4, 5, 6};
  const std::string bytes(reinterpret_cast<const char*>(bad_values), sizeof bad_values);
  const std::string file = torch_zip(pickle(dict(text("w") + tensor())), bytes);
  CHECK(parse(file).nonfinite().at("w") == 1);
  refused([&] { parse_checkpoint(file, "the file", {.strict_finite = true}); }, {"NaN or infinite", "'w'"});
}

TEST_CASE("any single damaged byte of a checkpoint is refused or changes nothing that is read") {
  const std::string good = torch_zip(pickle(dict(text("w") + tensor())));
  const StateDict truth = parse(good);
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {1, 128}) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      try {
        if (parse(bytes).tensors != truth.tensors) FAIL_CHECK("byte " << i);
      } catch (const FormatError&) {
      }
    }
  }
}
