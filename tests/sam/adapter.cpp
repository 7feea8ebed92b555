#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>

#include "../small_model.hpp"

using namespace ssam;
using test::contains;
using Recipe = recipes::SSam<>;

namespace {

/// An adapter of a trained small model in a folder.
struct Saved {
  test::Folder folder;
  SamConfig config = test::small_config();
  TextPromptedSam<float, Cpu, Recipe> model = test::prepared_model<Recipe>(config);
  AdapterInfo info = test::small_info<Recipe>(config);

  Saved() {
    test::disturb(model);
    save_adapter(folder / "a", model, info);
  }
  std::filesystem::path path() const { return folder / "a"; }
  std::filesystem::path weights() const { return path() / adapter_weights_file; }
  std::filesystem::path json() const { return path() / adapter_info_file; }
};

/// Loads into `model` and expects a MismatchError that says `part`, and a model that is as it was.
template <class R>
void check_refused(TextPromptedSam<float, Cpu, R>& model, const std::filesystem::path& path, const std::string& part) {
  const StateDict before = test::everything(model);
  const std::string message = test::message_of<MismatchError>([&] { load_adapter(model, path); });
  CAPTURE(message);
  CAPTURE(part);
  CHECK(contains(message, part));
  CHECK(test::everything(model).tensors == before.tensors);
}

/// The adapter's tensors, changed by `change` and sealed again.
template <class Change>
void rewrite(const Saved& saved, const Change& change) {
  StateDict state = load_safetensors(saved.weights());
  change(state);
  save_sealed(saved.weights(), std::move(state));
}

}  // namespace

TEST_CASE("an adapter brings a model to where it was saved") {
  Saved saved;
  auto other = test::prepared_model<Recipe>(saved.config);
  CHECK(test::everything(other).tensors != test::everything(saved.model).tensors);
  const AdapterInfo info = read_adapter_info(saved.path());
  load_adapter(other, saved.path());
  CHECK(test::everything(other).tensors == test::everything(saved.model).tensors);

  CHECK(info.to_json().dump() == saved.info.to_json().dump());
  CHECK(info.count.trained == parameter_count<Recipe>(saved.config).trained);
  CHECK(info.labels == std::vector<std::string>{"Liver", "Gall Bladder"});
  CHECK(std::isnan(info.best_dice));
  CHECK(info.library_version == version);

  const StateDict state = load_safetensors(saved.weights());
  CHECK(state.contains("image_encoder.blocks.0.attn.qkv.trainable_scale"));
  CHECK(state.contains("text_affine.Text_Embedding_Affine.2.running_var"));
  CHECK_FALSE(state.contains("image_encoder.blocks.0.attn.qkv.weight"));
  CHECK_FALSE(state.contains("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"));
  Index values = 0;
  for (const auto& [name, tensor] : state.tensors) values += static_cast<Index>(tensor.elements());
  CHECK(values == info.count.trained + 2 * saved.config.out_channels + 1);  // and the statistics of TAL
}

TEST_CASE("a prepared model is asked for; a merged one cannot be saved") {
  Saved saved;
  auto unprepared = test::random_model<Recipe>(saved.config);
  CHECK_THROWS_AS(load_adapter(unprepared, saved.path()), Error);
  Context<Cpu> context(1);
  merge(context, saved.model);
  CHECK_THROWS_AS(save_adapter(saved.folder / "merged", saved.model, saved.info), Error);
}

TEST_CASE("an adapter of something else is refused (A1)") {
  Saved saved;
  auto model = test::prepared_model<Recipe>(saved.config);
  SUBCASE("another base checkpoint") {
    model.set_base_hash("another hash");
    check_refused(model, saved.path(), "another base checkpoint");
  }
  SUBCASE("another model") {
    auto release = test::prepared_model<Recipe>(svdsam_release(saved.config));
    check_refused(release, saved.path(), "trained in another model");
  }
  SUBCASE("another size") {
    SamConfig config = saved.config;
    config.image_size = 64;
    auto larger = test::prepared_model<Recipe>(config);
    check_refused(larger, saved.path(), "another image_size");
  }
  SUBCASE("another recipe") {
    auto norms = test::prepared_model<recipes::LayerNormTuning<>>(saved.config);
    check_refused(norms, saved.path(), "another recipe");
  }
  SUBCASE("the release rule") {
    auto release = test::prepared_model<recipes::SSam<Rule::release>>(saved.config);
    check_refused(release, saved.path(), "missing: mask_decoder.transformer");
  }
  SUBCASE("other singular values under the same hash") {
    auto other = test::prepared_model<Recipe>(saved.config, 8);
    check_refused(other, saved.path(), "other singular values");
  }
  SUBCASE("no record of the singular values") {
    rewrite(saved, [](StateDict& state) { state.metadata.erase("sum_of_singular_values.image_encoder.neck.0"); });
    check_refused(model, saved.path(), "image_encoder.neck.0");
  }
  SUBCASE("the files of two runs") {
    rewrite(saved, [](StateDict& state) { state.metadata["base_hash"] = "another"; });
    check_refused(model, saved.path(), "different runs");
  }
  SUBCASE("missing tensors") {
    rewrite(saved, [](StateDict& state) { state.tensors.erase("image_encoder.pos_embed"); });
    check_refused(model, saved.path(), "missing: image_encoder.pos_embed");
    load_adapter(model, saved.path(), true);
    StateDict ours = test::everything(model), theirs = test::everything(saved.model);
    CHECK(ours.tensors != theirs.tensors);
    for (StateDict* state : {&ours, &theirs}) state->tensors.erase("image_encoder.pos_embed");
    CHECK(ours.tensors == theirs.tensors);
  }
  SUBCASE("unexpected tensors") {
    rewrite(saved, [](StateDict& state) { state.tensors["extra"] = state.at("image_encoder.pos_embed"); });
    check_refused(model, saved.path(), "unexpected: extra");
  }
  SUBCASE("a positional table of another size is not resized") {
    rewrite(saved, [](StateDict& state) {
      state.tensors["image_encoder.pos_embed"] = HostTensor::from(Shape{1, 2, 2, 16}, std::vector<float>(64));
    });
    check_refused(model, saved.path(), "pos_embed is [1, 2, 2, 16], not [1, 4, 4, 16]");
  }
}

TEST_CASE("damaged adapters") {
  Saved saved;
  auto model = test::prepared_model<Recipe>(saved.config);
  const std::string good = test::read_text(saved.weights());
  const auto load = [&] { load_adapter(model, saved.path()); };
  for (const std::size_t at : {good.size() - 1, good.size() - 2000}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    test::write_text(saved.weights(), bad);
    CHECK_THROWS_AS(load(), FormatError);
  }
  test::write_text(saved.weights(), good.substr(0, good.size() - 4));
  CHECK_THROWS_AS(load(), FormatError);
  std::filesystem::remove(saved.weights());
  CHECK_THROWS_AS(load(), IoError);
  CHECK_THROWS_AS(read_adapter_info(saved.folder / "nowhere"), IoError);
  test::write_text(saved.weights(), good);
  rewrite(saved, [](StateDict& state) {
    state.tensors["image_encoder.pos_embed"] =
        HostTensor::from(Shape{1, 4, 4, 16}, std::vector<float>(256, std::nanf("")));
  });
  CHECK_THROWS_AS(load(), FormatError);
}

TEST_CASE("what is wrong with adapter_config.json is said (A2, A6)") {
  Saved saved;
  const std::string good = test::read_text(saved.json());
  const auto message = [&](const std::string& from, const std::string& to) {
    test::write_text(saved.json(), test::replaced(good, from, to));
    return test::message_of<Error>([&] { read_adapter_info(saved.path()); });
  };
  const std::string newer = message("\"format_version\": 3", "\"format_version\": 4");
  CHECK(contains(newer, "newer version"));
  CHECK(contains(newer, "update the library"));
  CHECK(contains(message("\"recipe\"", "\"recipes\""), "did you mean 'recipe'"));
  CHECK(contains(message("\"rule\": \"paper\"", "\"rule\": \"papers\""), "did you mean 'paper'"));
  CHECK(contains(message("\"epoch\": 0", "\"epoch\": \"0\""), "key 'epoch'"));
  CHECK(contains(message("\"format_version\": 3,", ""), "'format_version' is missing"));
  CHECK(contains(message("\"format_version\": 3,", "\"format_version\": 3, \"format_version\": 3,"), "given twice"));
  CHECK(contains(message("\"depth\": 2", "\"depth\": 0"), "depth in 1..64"));
  CHECK(contains(message("{", "("), "not JSON"));
}

TEST_CASE("a description that was changed by hand is refused, key by key") {
  Saved saved;
  saved.info.best_loss = 0.25;
  saved.info.best_dice = 0.5;
  save_adapter(saved.path(), saved.model, saved.info);
  const std::string good = test::read_text(saved.json());
  const nlohmann::json whole = parse_json(good, "good");
  test::write_text(saved.json(), whole.dump());  // laid out otherwise
  CHECK(read_adapter_info(saved.path()).best_dice == 0.5);
  const auto refused = [&](const nlohmann::json& changed) {
    test::write_text(saved.json(), changed.dump());
    return contains(test::message_of<MismatchError>([&] { read_adapter_info(saved.path()); }), "description");
  };
  for (const auto& [key, value] : whole.items()) {
    CAPTURE(key);
    nlohmann::json changed = whole;
    if (key == "rule")
      changed[key] = "release";
    else if (key == "model")
      changed[key] = "svdsam_release";
    else if (key == "best_by")
      changed[key] = "dice";
    else if (key == "preparation")
      changed[key]["form"] = "release_range";
    else if (key == "config")
      changed[key]["text_dim"] = 13;
    else if (key == "groups")
      changed[key]["norms"] = 1;
    else if (key == "labels")
      changed[key] = {"Gall Bladder", "Liver"};
    else if (key == "format_version")
      changed[key] = 1;
    else if (value.is_string())
      changed[key] = "changed";
    else
      changed[key] = 7;
    CHECK(refused(changed));
    if (key == "text_hash" || key == "best_by" || key == "preparation") {
      changed.erase(key);
      CHECK(refused(changed));
    }
  }
  test::write_text(saved.json(), good);
  CHECK(read_adapter_info(saved.path()).labels == saved.info.labels);
}

TEST_CASE("groups of counts that are not known are left out, missing ones are 0; what format 1 lacks has its default") {
  const std::filesystem::path file =
      std::filesystem::path(SSAM_TEST_DIR) / "data_files/adapter_format_1" / adapter_info_file;
  nlohmann::json json = load_json(file);
  json["groups"] = {{"norms", 3}, {"wavelets", 4}};
  const AdapterInfo info = AdapterInfo::from_json(json, "here");
  CHECK(info.count.group(CountGroup::norms) == 3);
  CHECK(info.count.group(CountGroup::decoder) == 0);
  CHECK(info.format_version == 1);
  CHECK(info.text_hash.empty());
  CHECK(info.best_by == "loss");
  json["groups"]["wavelets"] = "four";
  CHECK_THROWS_AS(AdapterInfo::from_json(json, "here"), ConfigError);
  json["groups"] = nlohmann::json::array();
  CHECK_THROWS_AS(AdapterInfo::from_json(json, "here"), ConfigError);
}

TEST_CASE("an adapter of format 1, as its first version wrote it, is still read (A2)") {
  const std::filesystem::path path = SSAM_TEST_DIR "/data_files/adapter_format_1";
  auto model = test::prepared_model<Recipe>(test::small_config());
  const StateDict before = test::everything(model);
  load_adapter(model, path);
  const StateDict after = test::everything(model), stored = load_safetensors(path / adapter_weights_file);
  CHECK(stored.tensors.size() == 40);
  for (const auto& entry : after.tensors) {
    const std::string& name = entry.first;
    CAPTURE(name);
    const bool adapted = stored.contains(name);
    const HostTensor& expected = (adapted ? stored : before).at(name);
    CHECK(entry.second.shape == expected.shape);
    CHECK(entry.second.bytes == expected.bytes);
    if (adapted && entry.second.dtype == DType::f32) CHECK(entry.second.bytes != before.at(name).bytes);
  }
}

TEST_CASE("a save that fails leaves the old adapter (A3)") {
  Saved saved;
  const std::string weights = test::read_text(saved.weights()), json = test::read_text(saved.json());
  test::disturb(saved.model, 11);
  // The system refuses to write more than 1000 bytes: the same path as a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{}, small{};
  getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 1000;
  setrlimit(RLIMIT_FSIZE, &small);
  std::string message;
  try {
    save_adapter(saved.path(), saved.model, saved.info);
  } catch (const IoError& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  CHECK(contains(message, "cannot write"));
  CHECK(test::read_text(saved.weights()) == weights);
  CHECK(test::read_text(saved.json()) == json);
  Index files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(saved.path())) ++files;
  CHECK(files == 2);

  test::write_text(saved.folder / "file", "");
  CHECK_THROWS_AS(save_adapter(saved.folder / "file", saved.model, saved.info), IoError);
  CHECK_THROWS_AS(save_adapter("/proc/adapter", saved.model, saved.info), IoError);  // nobody can write there
}

TEST_CASE("S-SAM's adapter at ViT-B and 256 pixels is about 1.8 MB") {
  // From shapes alone: every tensor's bytes, and at most 200 bytes of header for each.
  const TextPromptedSam<float, Meta, Recipe> model(vit_b(256));
  Index bytes = 0, tensors = 0;
  walk(model, [&](const Path&, const auto& parameter, Group, Layout) {
    if (!changes_in_training<decltype(parameter)>) return;
    bytes += 4 * parameter.value.size();
    ++tensors;
  });
  CHECK(bytes + 200 * tensors < 1'850'000);
  CHECK(bytes > 1'700'000);
}
