#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
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

/// `other`: what the file is where it is no SAM checkpoint.
Json describe_json(const CheckpointDescription& found, const std::string& other) {
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
  return json;
}

int info(const InfoOptions& options) {
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

  if (options.json) {
    Json json{{"file", printable(name)}, {"container", container_name(container)}, {"content_hash", hash}};
    json["tensors"] = Json::object();
    for (const auto& [key, tensor] : state.tensors) {
      json["tensors"][key] = {{"dtype", dtype_name(tensor.dtype)}, {"shape", shape_json(tensor.shape)}};
    }
    json["elements"] = elements;
    json["bytes"] = bytes;
    json["model"] = describe_json(found, other);
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
  const Json described = describe_json(found, other);
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
  verb->add_option("FILE", options->file, "A checkpoint: .pth (zip or legacy) or .safetensors")->required();
  verb->add_flag("--tensors", options->tensors, "List every tensor with its type and shape");
  add_json(*verb, options->json);
  verb->footer("The content decides what a file is, not its name. Example:\n  ssam info sam_vit_b_01ec64.pth");
  verb->callback([&program, options] { program.run = [options] { return info(*options); }; });
}

}  // namespace ssam::cli
