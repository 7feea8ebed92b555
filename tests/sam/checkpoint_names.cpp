#include <doctest/doctest.h>

#include <ssam/io/safetensors.hpp>
#include <ssam/sam/checkpoint_names.hpp>

using namespace ssam;

namespace {

StateDict golden(const std::string& name) { return load_safetensors(std::string(SSAM_TEST_DIR) + "/golden/" + name); }

void replace(std::string& name, const std::string& from, const std::string& to) {
  const auto at = name.find(from);
  if (at != std::string::npos) name.replace(at, from.size(), to);
}

/// Hugging Face's name for SAM's, written as rules on substrings, another way round than the table under test.
std::string hugging_face(std::string name) {
  if (name.starts_with("image_encoder.")) {
    replace(name, "image_encoder", "vision_encoder");
    replace(name, "blocks", "layers");
    replace(name, "patch_embed.proj", "patch_embed.projection");
    replace(name, "neck.0", "neck.conv1");
    replace(name, "neck.1", "neck.layer_norm1");
    replace(name, "neck.2", "neck.conv2");
    replace(name, "neck.3", "neck.layer_norm2");
  }
  replace(name, ".norm", ".layer_norm");
  if (name.find("_head") != std::string::npos || name.find("hypernetworks") != std::string::npos) {
    const auto layers = name.rfind("layers.");
    const char number = name[layers + 7];
    name.replace(layers, 8, number == '0' ? "proj_in" : number == '1' ? "layers.0" : "proj_out");
  }
  replace(name, "output_upscaling.0", "upscale_conv1");
  replace(name, "output_upscaling.1", "upscale_layer_norm");
  replace(name, "output_upscaling.3", "upscale_conv2");
  replace(name, "mask_downscaling.0", "mask_embed.conv1");
  replace(name, "mask_downscaling.1", "mask_embed.layer_norm1");
  replace(name, "mask_downscaling.3", "mask_embed.conv2");
  replace(name, "mask_downscaling.4", "mask_embed.layer_norm2");
  replace(name, "mask_downscaling.6", "mask_embed.conv3");
  replace(name, "point_embeddings", "point_embed");
  replace(name, "pe_layer.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding");
  return name;
}

template <class Rename>
StateDict renamed(const StateDict& state, const Rename& rename) {
  StateDict out;
  for (const auto& [name, tensor] : state.tensors) out.tensors[rename(name)] = tensor;
  return out;
}

const std::string pe = "prompt_encoder.shared_embedding.positional_embedding";
const std::string pe_copy = "shared_image_embedding.positional_embedding";

}  // namespace

TEST_CASE("SAM's own names stay, and normalising twice changes nothing") {
  for (const char* file : {"sam.safetensors", "ssam_release_weights.safetensors", "lora_paper_weights.safetensors"}) {
    const StateDict once = normalize_names(golden(file));
    CHECK(normalize_names(once).tensors == once.tensors);
    CHECK(normalize_names(once).skipped == once.skipped);
  }
  const StateDict sam = golden("sam.safetensors");
  CHECK(normalize_names(sam).tensors == sam.tensors);
  CHECK(normalize_names(sam).metadata == sam.metadata);
}

TEST_CASE("distributed training's prefix is stripped, however often") {
  const StateDict sam = golden("sam.safetensors");
  CHECK(normalize_names(renamed(sam, [](const std::string& name) { return "module." + name; })).tensors == sam.tensors);
  CHECK(normalize_names(renamed(sam, [](const std::string& name) { return "module.module." + name; })).tensors ==
        sam.tensors);
  StateDict clash;
  clash.tensors["w"] = clash.tensors["module.w"] = HostTensor::from({1}, std::vector<float>{1});
  CHECK_THROWS_WITH_AS(normalize_names(clash), doctest::Contains("would have one name"), MismatchError);
}

TEST_CASE("whatever stands in front of SAM's names is taken off and said") {
  const StateDict sam = golden("sam.safetensors");
  const auto with = [&](const std::string& prefix) {
    return renamed(sam, [&](const std::string& name) { return prefix + name; });
  };
  for (const char* prefix : {"model.", "net.", "sam.", "model.sam.", "sam_model.", "base_model.model.", "a.b.c.d."}) {
    const StateDict normal = normalize_names(with(prefix));
    CHECK(normal.tensors == sam.tensors);
    CHECK(normal.skipped.empty());
    REQUIRE(normal.notes.size() == 1);
    CHECK(normal.notes[0] == "'" + std::string(prefix) + "' was taken off 202 names");
    CHECK(normalize_names(normal).notes == normal.notes);
  }
  for (const char* prefix : {"_orig_mod.", "module._orig_mod.", "model._orig_mod.module.sam.", "_orig_mod.model."}) {
    CHECK(normalize_names(with(prefix)).tensors == sam.tensors);
  }
  // Parts may be wrapped by themselves, and blocks in them.
  CHECK(normalize_names(renamed(sam, [](std::string name) {
          replace(name, "image_encoder.", "image_encoder._orig_mod.");
          replace(name, "mask_decoder.", "mask_decoder.module.");
          replace(name, "blocks.1.", "blocks.1._checkpoint_wrapped_module.");
          return "model." + name;
        })).tensors == sam.tensors);
  CHECK(normalize_names(renamed(sam, [](const std::string& name) { return "model." + hugging_face(name); })).tensors ==
        sam.tensors);
}

TEST_CASE("what lies beside SAM in one dictionary is left out and said") {
  const StateDict sam = golden("sam.safetensors");
  const HostTensor number = HostTensor::from({1}, std::vector<float>{1});
  for (const char* prefix : {"", "model.sam."}) {
    StateDict state = renamed(sam, [&](const std::string& name) { return prefix + name; });
    for (const char* other : {"criterion.weight", "ema.decay", "discriminator.x", "loss", "model.head.weight"}) {
      state.tensors[other] = number;
    }
    const StateDict normal = normalize_names(state);
    CHECK(normal.tensors == sam.tensors);
    REQUIRE(normal.skipped.size() == 5);
    CHECK(normal.skipped[0].starts_with("'criterion.weight': it lies beside"));
    CHECK(content_hash(normal) == content_hash(sam));
  }
  // Inside SAM nothing is left out: a changed network is no SAM, whatever is in front.
  StateDict changed = renamed(sam, [](const std::string& name) { return "sam." + name; });
  changed.tensors["sam.image_encoder.adapter.weight"] = number;
  CHECK(normalize_names(changed).contains("image_encoder.adapter.weight"));
}

TEST_CASE("of two SAMs in one file the one that was trained is taken, or none") {
  const StateDict sam = golden("sam.safetensors");
  const auto two = [&](const std::string& one, const std::string& other) {
    StateDict state;
    for (const auto& [name, tensor] : sam.tensors) {
      state.tensors[one + name] = tensor;
      HostTensor changed = tensor;
      changed.bytes.assign(changed.bytes.size(), std::byte{0});
      state.tensors[other + name] = changed;
    }
    return normalize_names(state);
  };
  for (const auto& [one, other] : {std::pair{"", "averaged."},
                                   {"model.", "model_ema."},
                                   {"net.", "ema.module."},
                                   {"semantic.", "ema_model."},
                                   {"", "a."}}) {
    CHECK(two(one, other).tensors == sam.tensors);
  }
  CHECK_THROWS_WITH_AS(two("student.", "teacher."), doctest::Contains("'student.' and 'teacher.'"), MismatchError);
}

TEST_CASE("Hugging Face's names make the round trip") {
  const StateDict sam = golden("sam.safetensors");
  StateDict theirs = renamed(sam, hugging_face);
  CHECK(theirs.tensors.size() == sam.tensors.size());
  CHECK(theirs.contains("vision_encoder.layers.3.layer_norm2.bias"));
  CHECK(theirs.contains("mask_decoder.output_hypernetworks_mlps.3.proj_out.weight"));
  CHECK(theirs.contains("mask_decoder.iou_prediction_head.layers.0.weight"));
  CHECK(theirs.contains("mask_decoder.transformer.layer_norm_final_attn.weight"));
  CHECK(theirs.contains("mask_decoder.transformer.layers.1.layer_norm4.bias"));
  CHECK(normalize_names(theirs).tensors == sam.tensors);

  // As saved: with a copy of the positional matrix, which may also be the only one.
  theirs.tensors[pe_copy] = theirs.tensors.at(pe);
  const StateDict both = normalize_names(theirs);
  CHECK(both.tensors == sam.tensors);
  REQUIRE(both.skipped.size() == 1);
  CHECK(both.skipped[0].find(pe_copy) != std::string::npos);
  CHECK(normalize_names(both).skipped == both.skipped);
  theirs.tensors.erase(pe);
  CHECK(normalize_names(theirs).tensors == sam.tensors);
  theirs.tensors[pe] = HostTensor::from({1}, std::vector<float>{1});
  CHECK_THROWS_WITH_AS(normalize_names(theirs), doctest::Contains(pe_copy.c_str()), MismatchError);
}

TEST_CASE("an encoder or a decoder alone is recognised as Hugging Face's") {
  for (const char* part : {"image_encoder.", "prompt_encoder.", "mask_decoder."}) {
    StateDict sam = golden("sam.safetensors");
    std::erase_if(sam.tensors, [&](const auto& entry) { return !entry.first.starts_with(part); });
    CHECK(normalize_names(renamed(sam, hugging_face)).tensors == sam.tensors);
  }
}

TEST_CASE("the neck of S-SAM's published checkpoints gets SAM's names, its adapters with it") {
  const StateDict release = golden("ssam_release_weights.safetensors");
  const StateDict normal = normalize_names(release);
  CHECK(normal.tensors.size() == release.tensors.size());
  for (const auto& [theirs, ours] : {std::pair{"conv1", "0"}, {"ln1", "1"}, {"conv2", "2"}, {"ln2", "3"}}) {
    std::size_t found = 0;
    for (const auto& [name, tensor] : release.tensors) {
      const std::string prefix = std::string("image_encoder.neck.") + theirs + ".";
      if (!name.starts_with(prefix)) continue;
      ++found;
      CHECK(normal.at(std::string("image_encoder.neck.") + ours + "." + name.substr(prefix.size())) == tensor);
    }
    CHECK(found > 0);
  }
}

TEST_CASE("constants of the preprocessing are dropped and listed") {
  StateDict state = golden("sam.safetensors");
  const auto tensors = state.tensors;
  state.tensors["pixel_mean"] = state.tensors["module.pixel_std"] =
      HostTensor::from({3, 1, 1}, std::vector<float>{1, 2, 3});
  const StateDict normal = normalize_names(state);
  CHECK(normal.tensors == tensors);
  CHECK(normal.skipped.size() == 2);
}
