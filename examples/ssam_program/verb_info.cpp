#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <ssam/sam/peft_adapter.hpp>
#include <ssam/sam/sam_checkpoint.hpp>

#include "console.hpp"
#include "model_options.hpp"

namespace ssam::cli {

namespace {

struct InfoOptions {
  std::filesystem::path file;
  bool tensors = false, json = false;
};

using Json = nlohmann::ordered_json;

const char* container_name(Container container) {
  switch (container) {
    case Container::safetensors:
      return "safetensors";
    case Container::torch_zip:
      return "PyTorch (zip)";
    case Container::torch_legacy:
      break;
  }
  return "PyTorch (legacy)";
}

Json shape_json(const Shape& shape) {
  Json list = Json::array();
  for (int axis = 0; axis < shape.rank(); ++axis) list.push_back(shape[axis]);
  return list;
}

/// `other`: what the file is where it is no SAM checkpoint. `adapters`: tensors of adapters in it.
Json describe_json(const CheckpointDescription& found, const std::string& other, std::size_t adapters) {
  Json json{{"backbone", found.backbone()}};
  if (!found.is_sam()) {
    json["found"] = other;
    return json;
  }
  json["embed_dim"] = found.embed_dim;
  json["depth"] = found.depth;
  json["patch_size"] = found.patch_size;
  json["image_size"] = found.grid * found.patch_size;
  json["out_channels"] = found.out_channels;
  json["decoder_mlp"] = found.decoder_mlp;
  json["iou_hidden"] = found.iou_hidden;
  json["mask_channels"] = found.mask_channels;
  json["text_dim"] = found.text_dim;
  json["window"] = found.window;
  if (adapters > 0) json["adapters"] = std::to_string(adapters) + " tensors of adapters, as S-SAM's authors name them";
  return json;
}

int info_of_peft(const InfoOptions& options) {
  const PeftAdapter adapter = read_peft_adapter(options.file);
  const std::vector<std::string> layers = detail::low_rank_layers(adapter.state, options.file.string());
  std::size_t others = 0;
  for (const auto& [name, tensor] : adapter.state.tensors) {
    others += name.find(".trainable_lora_") == name.npos && name.find(".lora_") == name.npos ? 1 : 0;
  }
  const Json json{{"file", printable(options.file.string())},
                  {"adapter", adapter.is_dora() ? "DoRA of PEFT" : "LoRA of PEFT"},
                  {"rank", adapter.rank},
                  {"layers", layers},
                  {"replaced_tensors", others},
                  {"labels", adapter.text.labels},
                  {"text_source", adapter.text.source}};
  if (options.json) {
    print_json(json);
    return 0;
  }
  std::printf("%s\n  adapter       %s, rank up to %s, of %zu layers\n", options.file.string().c_str(),
              json["adapter"].get<std::string>().c_str(), with_commas(adapter.rank).c_str(), layers.size());
  std::printf("  replaces      %zu tensors beside them\n", others);
  if (!adapter.text.labels.empty()) std::printf("  labels        %s\n", json["labels"].dump().c_str());
  for (const std::string& layer : layers) {
    if (options.tensors) std::printf("  %s\n", layer.c_str());
  }
  if (!options.tensors) std::printf("  (--tensors lists the layers)\n");
  return 0;
}

int info(const InfoOptions& options) {
  if (is_peft_adapter(options.file)) return info_of_peft(options);
  detail::refuse_folder_as_checkpoint(options.file);
  const std::string name = options.file.string();
  const Container container = sniff_container(ByteSource::file(options.file));
  const StateDict state = load_checkpoint(options.file);
  std::map<std::string, std::pair<Index, Index>> types;  // tensors and elements of each
  Index elements = 0, bytes = 0;
  for (const auto& [key, tensor] : state.tensors) {
    auto& entry = types[dtype_name(tensor.dtype)];
    ++entry.first;
    entry.second += tensor.shape.elements();
    elements += tensor.shape.elements();
    bytes += static_cast<Index>(tensor.bytes.size());
  }
  const auto nonfinite = state.nonfinite();
  StateDict normal = state;
  std::string other;
  try {
    normal = normalize_names(std::move(normal));
    other = describe_other(normal).what;
  } catch (const MismatchError& error) {  // no model can be opened from it; its tensors can be listed
    normal = state;
    other = error.what();
  }
  const std::string hash = content_hash(normal);
  const CheckpointDescription found = describe_checkpoint(normal);
  const auto adapters =
      static_cast<std::size_t>(std::count_if(normal.tensors.begin(), normal.tensors.end(), [](const auto& entry) {
        return entry.first.find(".trainable_") != std::string::npos;
      }));

  if (options.json) {
    Json json{{"file", printable(name)}, {"container", container_name(container)}, {"content_hash", hash}};
    json["tensors"] = Json::object();
    for (const auto& [key, tensor] : state.tensors) {
      json["tensors"][key] = {{"dtype", dtype_name(tensor.dtype)}, {"shape", shape_json(tensor.shape)}};
    }
    json["elements"] = elements;
    json["bytes"] = bytes;
    json["model"] = describe_json(found, other, adapters);
    json["metadata"] = state.metadata;
    json["notes"] = normal.notes;
    json["skipped"] = normal.skipped;
    json["nonfinite"] = nonfinite;
    print_json(json);
    return 0;
  }

  std::printf("%s\n  container     %s\n  tensors       %s, %s elements, %s\n", name.c_str(), container_name(container),
              with_commas(static_cast<Index>(state.tensors.size())).c_str(), with_commas(elements).c_str(),
              as_bytes(bytes).c_str());
  for (const auto& [type, count] : types) {
    std::printf("  %-13s %s tensors, %s elements\n", type.c_str(), with_commas(count.first).c_str(),
                with_commas(count.second).c_str());
  }
  std::printf("  content hash  %s\n  model         %s\n", hash.c_str(), found.backbone().c_str());
  const Json described = describe_json(found, other, adapters);
  for (const auto& [key, value] : described.items()) {
    if (key != "backbone") std::printf("    %-12s  %s\n", key.c_str(), value.dump().c_str());
  }
  for (const auto& [key, value] : state.metadata) std::printf("  metadata %s: %s\n", key.c_str(), value.c_str());
  for (const std::string& entry : normal.notes) std::printf("  note %s\n", entry.c_str());
  for (const std::string& entry : normal.skipped) std::printf("  skipped %s\n", entry.c_str());
  for (const auto& [key, count] : nonfinite) {
    std::printf("  WARNING: %s has %zu values that are NaN or infinite\n", shown(key).c_str(), count);
  }
  if (options.tensors) {
    Table table({"tensor", "type", "shape"}, true);
    for (const auto& [key, tensor] : state.tensors) table.add({key, dtype_name(tensor.dtype), tensor.shape.str()});
    std::printf("\n%s", table.text().c_str());
  } else {
    std::printf("  (--tensors lists them)\n");
  }
  return 0;
}

}  // namespace

void add_info(Program& program) {
  auto* verb = program.app.add_subcommand("info", "Say what a checkpoint holds: container, model, tensors, damage");
  auto options = std::make_shared<InfoOptions>();
  verb->add_option("FILE", options->file,
                   "A checkpoint: .pth (zip or legacy) or .safetensors; the folder of an adapter of PEFT")
      ->required();
  verb->add_flag("--tensors", options->tensors, "List every tensor with its type and shape; the layers of an adapter");
  add_json(*verb, options->json);
  verb->footer("The content decides what a file is, not its name. Example:\n  ssam info sam_vit_b_01ec64.pth");
  verb->callback([&program, options] { program.run = [options] { return info(*options); }; });
}

}  // namespace ssam::cli
