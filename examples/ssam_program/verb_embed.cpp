#include <cstdio>
#include <ssam/data/image.hpp>
#include <ssam/io/npy.hpp>
#include <ssam/io/state_dict.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "open_model.hpp"
#include "runner.hpp"
#include "slice_options.hpp"

namespace ssam::cli {

namespace {

struct EmbedOptions {
  ModelOptions model;
  SliceOptions slices;
  std::filesystem::path image, out;
  DeviceKind device = DeviceKind::cpu;
  int threads = 0;
};

/// The array of a .npy file as floats [B, 3, S, S]. Throws MismatchError for another shape or type.
HostTensor load_batch(const std::filesystem::path& path) {
  const HostTensor stored = load_npy(path);
  const Shape& shape = stored.shape;
  if (shape.rank() != 4 || shape[1] != 3 || shape[2] != shape[3] || shape.elements() == 0 ||
      !is_floating(stored.dtype)) {
    throw MismatchError(ErrorText{.what = "this array is no batch of normalised images",
                                  .where = path.string(),
                                  .expected = "floating point [B, 3, S, S]",
                                  .found = std::string(dtype_name(stored.dtype)) + " " + shape.str()});
  }
  HostTensor batch = stored.converted(DType::f32);
  check_finite(batch, path.string());
  return batch;
}

/// Image `index` of a batch [B, 3, S, S], channels last.
std::vector<float> channels_last(std::span<const float> batch, Index index, Index size) {
  const Index pixels = size * size;
  std::vector<float> image(static_cast<std::size_t>(3 * pixels));
  for (Index c = 0; c < 3; ++c) {
    for (Index i = 0; i < pixels; ++i) {
      image[static_cast<std::size_t>(3 * i + c)] = batch[static_cast<std::size_t>((3 * index + c) * pixels + i)];
    }
  }
  return image;
}

int embed(EmbedOptions options) {
  require_built_for(options.device);
  require_extension("--out", options.out, ".npy", "an array");
  check_files(
      {{"--out", options.out}},
      {{"--checkpoint", options.model.checkpoint}, {"--config", options.model.config}, {"--image", options.image}});
  const bool array = options.image.extension() == ".npy";
  if (array && options.slices.any()) throw UsageError("an array has no --axis, --slice, --volume or --series");
  HostTensor batch;
  if (array) {
    batch = load_batch(options.image);
    const Index size = batch.shape[2];
    if (options.model.image_size > 0 && options.model.image_size != size) {
      throw MismatchError(ErrorText{.what = "the array has not the size of --image-size",
                                    .where = options.image.string(),
                                    .expected = std::to_string(options.model.image_size),
                                    .found = std::to_string(size)});
    }
    options.model.image_size = size;
  }
  const std::optional<Intensity> intensity = take_intensity(options.model, options.image);
  SamCheckpoint checkpoint = open_checkpoint(options.model);
  const SamConfig config = checkpoint.config;
  const auto runner = find_recipe("zero_shot").make(find_rule("paper"), config, options.threads, options.device);
  runner->load(std::move(checkpoint.weights), options.model.checkpoint.string(), 0);

  std::vector<float> values;
  Shape each;
  const Index count = array ? batch.shape[0] : 1;
  const std::vector<float> arrays = array ? batch.to<float>() : std::vector<float>{};
  Progress progress("embedding");
  for (Index i = 0; i < count; ++i) {
    progress.update(i, count);
    const HostTensor embedding = runner->embed(
        array ? channels_last(arrays, i, config.image_size)
              : preprocess(
                    open_picture(options.image, options.slices.as_picture(
                                                    options.image, intensity.value_or(config.preparation.intensity))),
                    config.image_size, config.preparation));
    const std::vector<float> one = embedding.to<float>();
    values.insert(values.end(), one.begin(), one.end());
    each = embedding.shape;
  }
  progress.clear();
  const Shape shape{count, each[1], each[2], each[3]};
  save_npy(options.out, HostTensor::from(shape, values));
  std::printf("%s: float32 %s\n", options.out.string().c_str(), shape.str().c_str());
  return 0;
}

}  // namespace

void add_embed(Program& program) {
  auto* verb = program.app.add_subcommand("embed", "Write SAM's embedding of an image as a NumPy array");
  auto options = std::make_shared<EmbedOptions>();
  add_model_options(*verb, options->model);
  verb->add_option(
          "--image", options->image,
          "An image file, a slice of a volume (NIfTI, DICOM), or a float .npy [B, 3, S, S] that is already normalised")
      ->required()
      ->type_name("X");
  add_slice_options(*verb, options->slices);
  verb->add_option("--out", options->out, "The .npy file to write: float32 [B, C, h, w]")
      ->required()
      ->type_name("E.npy");
  add_device(*verb, options->device);
  add_threads(*verb, options->threads);
  verb->footer(
      "An image file is brought to the model's size, normalised and padded. Example:\n"
      "  ssam embed --checkpoint sam_vit_b.pth --image photo.jpg --out photo.npy");
  verb->callback([&program, options] { program.run = [options] { return embed(*options); }; });
}

}  // namespace ssam::cli
