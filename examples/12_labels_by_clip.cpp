// What label names mean, by CLIP: one vector per name, near each other where meanings are. Training, evaluation and
// predictors take them as `features` in place of hashed names, and an adapter keeps those of its labels.
//
//     12_labels_by_clip ViT-B-32.pt bpe_simple_vocab_16e6.txt.gz LABEL LABEL...

#include <cstdio>
#include <ssam/ssam.hpp>

int main(int argc, char** argv) {
  if (argc < 5) return std::printf("usage: 12_labels_by_clip CLIP VOCABULARY LABEL LABEL...\n"), 2;
  const std::vector<std::string> labels(argv + 3, argv + argc);

  const auto encoder = ssam::load_clip_text_encoder<float, ssam::Cpu>(argv[1]);
  const ssam::ClipTokenizer tokenizer = ssam::load_clip_tokenizer(argv[2], encoder.config.context);
  ssam::Context<ssam::Cpu> context;
  const ssam::TextFeatures text = ssam::clip_features(context, encoder, tokenizer, labels, "a photo of a {}");

  for (const std::string& a : labels) {
    for (const std::string& b : labels) {
      double product = 0, square_a = 0, square_b = 0;
      const std::vector<float> of_a = text.at(a), of_b = text.at(b);
      for (std::size_t i = 0; i < of_a.size(); ++i) {
        product += double(of_a[i]) * double(of_b[i]);
        square_a += double(of_a[i]) * double(of_a[i]);
        square_b += double(of_b[i]) * double(of_b[i]);
      }
      std::printf("%7.3f", product / std::sqrt(square_a * square_b));
    }
    std::printf("  %s\n", a.c_str());
  }
  // Next: train(context, model, data, {.features = text, ...}), as in 03_adapt_to_your_images.
}
