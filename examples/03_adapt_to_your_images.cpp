// Adapts SAM to pictures and masks in memory: S-SAM's singular values are trained, and the adapter is saved.
//
//     03_adapt_to_your_images CHECKPOINT FOLDER
//
// The adapter is then in FOLDER/run/best (for 04_label_to_mask), one of the pictures in FOLDER/picture.png.

#include <cstdio>
#include <ssam/ssam.hpp>

using namespace ssam;

/// A bright disc somewhere on noise, and in two of three pictures a dark square: put yours in this place.
void draw(MemorySamples& samples, int count, std::uint64_t seed, const std::filesystem::path& file = {}) {
  Random random(seed);
  for (int i = 0; i < count; ++i) {
    Image image(120, 160);
    Mask disc(120, 160), square(i % 3 == 0 ? Mask{} : Mask(120, 160));  // an empty mask: the label is absent
    const Index left = 20 + random.below(40), right = 80 + random.below(40), y0 = 20 + random.below(60);
    for (Index y = 0; y < image.height; ++y) {
      for (Index x = 0; x < image.width; ++x) {
        const bool in_disc = (x - left) * (x - left) + (y - y0) * (y - y0) < 15 * 15;
        const bool in_square = !square.values.empty() && x >= right && x < right + 26 && y >= y0 && y < y0 + 26;
        const Index grey = (in_disc ? 150 : in_square ? 40 : 95) + random.below(60);
        std::fill_n(image.pixel(y, x), 3, static_cast<std::uint8_t>(grey));
        disc.at(y, x) = in_disc ? 1 : 0;
        if (in_square) square.at(y, x) = 1;
      }
    }
    samples.add(image, {disc, square});
    if (!file.empty()) save_png(file, image);
  }
}

int main(int argc, char** argv) {
  if (argc < 3) return std::printf("usage: 03_adapt_to_your_images CHECKPOINT FOLDER\n"), 2;
  const std::filesystem::path checkpoint = argv[1], folder = argv[2];
  std::filesystem::create_directories(folder);
  SamCheckpoint opened = open_sam_checkpoint(checkpoint);
  TextPromptedSam<float, Cpu, recipes::SSam<>> model(opened.config);
  load_weights(model, std::move(opened.weights), checkpoint.string());
  Context<Cpu> context;
  prepare(context, model);  // factors every weight whose singular values are trained

  MemorySamples training({"disc", "square"}, model.image_size(), model.preparation()), test = training;
  draw(training, 24, 1);
  draw(test, 8, 2, folder / "picture.png");
  const double before = evaluate(context, model, test).report.mean_dice();
  train(context, model, training,
        {.options = {.epochs = 6, .batch = 8, .labels_together = true, .lr = 5e-3}, .out = folder / "run"});
  load_adapter(model, folder / "run" / "best");
  const double after = evaluate(context, model, test).report.mean_dice();
  std::printf("mean DSC on %lld pictures: %.3f before, %.3f after\n", static_cast<long long>(test.items()), before,
              after);
  return after > before ? 0 : 1;
}
