// SAM with one recipe's adapters, trained and evaluated on samples in memory.
#include <ssam/ssam.hpp>

int main(int, char** argv) {
  ssam::SamCheckpoint opened = ssam::open_sam_checkpoint(argv[1]);
  ssam::TextPromptedSam<float, ssam::Cpu, ssam::recipes::SSam<>> model(opened.config);
  ssam::load_weights(model, std::move(opened.weights), argv[1]);
  ssam::Context<ssam::Cpu> context;
  ssam::prepare(context, model);
  ssam::MemorySamples samples({"label"}, model.image_size(), model.preparation());
  ssam::train(context, model, samples, {.options = {.epochs = 1}, .out = argv[2]});
  return ssam::evaluate(context, model, samples).report.mean_dice() > 0.5 ? 0 : 1;
}
