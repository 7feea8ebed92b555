#pragma once

#include <ssam/data/preprocess.hpp>
#include <ssam/io/safetensors.hpp>
#include <ssam/sam/postprocess.hpp>
#include <ssam/sam/state.hpp>

#include "compare.hpp"

namespace ssam::selftest {

namespace detail {

/// segment-anything's predictor on one recorded picture: the whole way from its pixels to logits of its size.
template <class Scalar, class Device>
class PredictorReplay {
 public:
  using Model = SsamModel<Scalar, Device, recipes::FullFineTuning<Rule::paper>>;

  PredictorReplay(Context<Device>& context, const Model& model, const StateDict& golden, Comparison& comparison,
                  const std::string& number)
      : context_(context), sam_(model.sam), golden_(golden), comparison_(comparison), number_(number) {
    const HostTensor& stored = golden.at("image." + number);
    Image image(stored.shape[0], stored.shape[1]);
    image.rgb = stored.to<std::uint8_t>();
    size_ = {image.height, image.width};
    const Index side = sam_.config.image_size;
    inside_ = prepared_size(image.height, image.width, side, sam_.config.preparation);
    const std::vector<float> input = preprocess(image, side, sam_.config.preparation);
    const std::vector<Scalar> values(input.begin(), input.end());
    embedding_ = sam_.encode(context, to_device<Scalar, Device>(context, {1, side, side, 3}, values));
  }

  void run() {
    const std::vector<double> points = golden_.at("points." + number_).template to<double>();
    const std::vector<std::int64_t> labels = golden_.at("point_labels." + number_).template to<std::int64_t>();
    const std::vector<double> box = golden_.at("box." + number_).template to<double>();
    const Prompts one{1, scaled({points[0], points[1]}), {static_cast<int>(labels[0])}, {}, {}};
    const Prompts all{1, scaled(points), {labels.begin(), labels.end()}, {}, {}};
    const Prompts boxed{1, {}, {}, scaled(box), {}};
    Prompts both{1, all.points, all.labels, boxed.boxes, {}};
    ask("point", one, MaskOutput::multi);
    ask("points", all, MaskOutput::single);
    ask("box", boxed, MaskOutput::multi);
    ask("both", both, MaskOutput::single);
    both.masks = golden_.at("both." + number_ + ".low_res").template to<float>();
    ask("again", both, MaskOutput::single);
  }

 private:
  /// Coordinates of the picture as those of the picture inside the model's input, as the predictor brings them there.
  std::vector<double> scaled(std::vector<double> coordinates) const {
    for (std::size_t i = 0; i < coordinates.size(); ++i) {
      coordinates[i] *= i % 2 == 0 ? static_cast<double>(inside_.width) / static_cast<double>(size_.width)
                                   : static_cast<double>(inside_.height) / static_cast<double>(size_.height);
    }
    return coordinates;
  }

  void ask(const std::string& kind, const Prompts& prompts, MaskOutput output) {
    WorkspaceScope<Device> scope(context_);
    const auto answer = sam_.decode(context_, embedding_, prompts, {}, output);
    const std::string name = kind + "." + number_;
    const auto add = [&](const char* part, TensorView<const Scalar, Device> ours) {
      comparison_.add(name + part, to_host<Scalar, Device>(context_, ours), golden_.at(name + part));
    };
    add(".low_res", answer.low_res);
    add(".iou", answer.iou);
    add(".logits", postprocess_masks<Scalar, Device>(context_, answer.low_res, sam_.config.image_size, inside_.height,
                                                     inside_.width, size_.height, size_.width));
  }

  Context<Device>& context_;
  const decltype(Model::sam)& sam_;
  const StateDict& golden_;
  Comparison& comparison_;
  std::string number_;
  ImageSize size_, inside_;
  TensorView<const Scalar, Device> embedding_;
};

/// Pictures of odd sizes, prompted by a point, points, a box, both, and both with the first answer's mask.
template <class Scalar, class Device, class Model>
CaseResult replay_predictor(Context<Device>& context, const Model& model, const StateDict& golden) {
  Comparison comparison("sam predictor, from pictures to their masks");
  for (int i = 0; golden.contains("image." + std::to_string(i)); ++i) {
    WorkspaceScope<Device> scope(context);
    PredictorReplay<Scalar, Device>(context, model, golden, comparison, std::to_string(i)).run();
  }
  return comparison.result();
}

}  // namespace detail

}  // namespace ssam::selftest
