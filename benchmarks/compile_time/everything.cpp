// Two recipes trained, a predictor asked, and everything in an image segmented.
#include <ssam/ssam.hpp>

template <class Recipe>
double adapt(const char* checkpoint, const char* folder) {
  ssam::SamCheckpoint opened = ssam::open_sam_checkpoint(checkpoint);
  ssam::TextPromptedSam<float, ssam::Cpu, Recipe> model(opened.config);
  ssam::load_weights(model, std::move(opened.weights), checkpoint);
  ssam::Context<ssam::Cpu> context;
  ssam::prepare(context, model);
  ssam::MemorySamples samples({"label"}, model.image_size(), model.preparation());
  ssam::train(context, model, samples, {.options = {.epochs = 1}, .out = folder});
  return ssam::evaluate(context, model, samples).report.mean_dice();
}

int main(int, char** argv) {
  ssam::SamPredictor sam(argv[1]);
  sam.set_image("picture.png");
  const bool found = !ssam::generate_masks(sam).empty();
  return found &&
         adapt<ssam::recipes::SSam<>>(argv[1], argv[2]) > adapt<ssam::recipes::FullFineTuning<>>(argv[1], argv[2]);
}
