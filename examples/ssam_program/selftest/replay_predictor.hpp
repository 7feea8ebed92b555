#pragma once

#include <ssam/io/safetensors.hpp>
#include <ssam/sam/predictor.hpp>

#include "compare.hpp"

namespace ssam::selftest {

namespace detail {

/// segment-anything's predictor on one recorded picture: the whole way from its pixels to logits of its size.
template <class Predictor>
void replay_picture(Predictor& predictor, const StateDict& golden, Comparison& comparison, const std::string& number) {
  const HostTensor& stored = golden.at("image." + number);
  predictor.set_image(stored.to<std::uint8_t>().data(), stored.shape[0], stored.shape[1]);
  const std::vector<double> points = golden.at("points." + number).template to<double>();
  const std::vector<std::int64_t> labels = golden.at("point_labels." + number).template to<std::int64_t>();
  const std::vector<double> box = golden.at("box." + number).template to<double>();
  const auto ask = [&](const std::string& kind, const SamPrompt& prompt) {
    const Prediction answer = predictor.predict(prompt);
    const std::string name = kind + "." + number;
    comparison.add(name + ".low_res", answer.low_res, golden.at(name + ".low_res"));
    comparison.add(name + ".iou", answer.iou, golden.at(name + ".iou"));
    comparison.add(name + ".logits", answer.logits, golden.at(name + ".logits"));
  };
  SamPrompt all{.point_labels = {labels.begin(), labels.end()}};
  for (std::size_t i = 0; i + 1 < points.size(); i += 2) all.points.push_back({points[i], points[i + 1]});
  SamPrompt both = all;
  both.box = {box[0], box[1], box[2], box[3]};
  ask("point", {.points = {all.points[0]}, .point_labels = {all.point_labels[0]}, .multimask_output = true});
  ask("points", all);
  ask("box", {.box = both.box, .multimask_output = true});
  ask("both", both);
  both.mask_input = golden.at("both." + number + ".low_res").template to<float>();
  ask("again", both);
}

/// Pictures of odd sizes, prompted by a point, points, a box, both, and both with the first answer's mask.
template <class Scalar, class Device>
CaseResult replay_predictor(std::shared_ptr<Context<Device>> context,
                            std::shared_ptr<const TextPromptedSam<Scalar, Device, recipes::FullFineTuning<>>> model,
                            const StateDict& golden) {
  Comparison comparison("sam predictor, from pictures to their masks");
  SamPredictor<recipes::FullFineTuning<>, Device, Scalar> predictor(std::move(model), std::move(context));
  for (int i = 0; golden.contains("image." + std::to_string(i)); ++i) {
    replay_picture(predictor, golden, comparison, std::to_string(i));
  }
  return comparison.result();
}

}  // namespace detail

}  // namespace ssam::selftest
