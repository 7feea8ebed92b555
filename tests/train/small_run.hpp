#pragma once

// A training run of seconds: a very small model, a few images made here.

#include <ssam/data/dataset.hpp>
#include <ssam/train/trainer.hpp>

#include "../small_model.hpp"

namespace test {

/// `train` and 3 validation images of 24 x 32 pixels: a bright and a dark square somewhere on noise; the bright one is
/// "Liver", the dark one "Gall Bladder", which every third image lacks.
inline ssam::Manifest small_data(const Folder& folder, int train = 5) {
  ssam::Random random(5);
  nlohmann::json items = nlohmann::json::array();
  for (int i = 0; i < train + 3; ++i) {
    cv::Mat image(24, 32, CV_8UC3), mask(24, 32, CV_8UC1, cv::Scalar(0));
    for (int p = 0; p < 24 * 32 * 3; ++p) image.data[p] = static_cast<unsigned char>(90 + random.below(60));
    const auto draw = [&](int value, unsigned char grey) {
      const cv::Rect where(static_cast<int>(random.below(20)), static_cast<int>(random.below(14)), 10, 8);
      image(where).setTo(cv::Scalar::all(grey));
      mask(where).setTo(cv::Scalar(value));
    };
    draw(1, 220);
    if (i % 3 != 0) draw(2, 20);
    const std::string name = std::to_string(i) + ".png";
    cv::imwrite((folder / name).string(), image);
    cv::imwrite((folder / ("mask" + name)).string(), mask);
    items.push_back({{"image", name}, {"split", i < train ? "train" : "val"}, {"mask", "mask" + name}});
  }
  const nlohmann::json manifest{
      {"labels", {"Liver", "Gall Bladder"}}, {"values", {{"Liver", 1}, {"Gall Bladder", 2}}}, {"items", items}};
  return ssam::load_manifest(folder.write("manifest.json", manifest.dump()));
}

/// Everything a run needs; `start` gives the model at its beginning, always the same.
template <class Recipe>
struct SmallRun {
  Folder folder;
  ssam::SamConfig config = small_config();
  ssam::Manifest manifest;
  ssam::Dataset data, validation;
  ssam::TextFeatures features = ssam::TextFeatures::hashed(config.text_dim);
  ssam::TrainOptions options;

  explicit SmallRun(int images = 5)
      : manifest(small_data(folder, images)),
        data(manifest, ssam::Split::train, config.image_size, config.preparation),
        validation(manifest, ssam::Split::val, config.image_size, config.preparation) {
    options.epochs = 3;
    options.batch = 3;
    options.lr = 1e-2;
    options.seed = 4;
  }

  ssam::TextPromptedSam<float, ssam::Cpu, Recipe> start() const { return prepared_model<Recipe>(config); }

  ssam::TrainResult run(ssam::TextPromptedSam<float, ssam::Cpu, Recipe>& model, const std::string& out,
                        bool resume = false, int threads = 1,
                        const std::function<void(const ssam::TrainProgress&)>& progress = nullptr) const {
    ssam::Context<ssam::Cpu> context(threads);
    return ssam::train(context, model, data,
                       {.validation = &validation,
                        .features = features,
                        .options = options,
                        .out = folder / out,
                        .resume = resume,
                        .progress = progress});
  }
};

/// The lines of metrics.jsonl without what depends on the clock.
inline std::vector<nlohmann::json> metrics(const std::filesystem::path& out) {
  std::ifstream stream(out / "metrics.jsonl");
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(ssam::parse_json(line, "metrics.jsonl"));
    lines.back().erase("seconds");
  }
  return lines;
}

}  // namespace test
