// golden/u_net.safetensors: a U-Net of width 2 with two labels, as PyTorch computed it in double precision (its own
// convolutions, batch norm, pooling and transposed convolutions): logits with the running statistics, then a training
// pass over three images of two prompts each, every gradient of sum(dprobability * probability), and the statistics
// after it.

#include <doctest/doctest.h>

#include <ssam/adapt/model_state.hpp>
#include <ssam/io/safetensors.hpp>
#include <ssam/nets/u_net.hpp>

using namespace ssam;

namespace {

/// The part of a record whose names start with `prefix`, without it.
StateDict part(const StateDict& record, const std::string& prefix) {
  StateDict found;
  for (const auto& [name, tensor] : record.tensors) {
    if (name.starts_with(prefix)) found.tensors.emplace(name.substr(prefix.size()), tensor);
  }
  return found;
}

/// |ours - recorded| / |recorded|, both in the Euclidean norm, the latter at least 0.1: the bias of a convolution
/// before a norm has a gradient of 0, recorded as rounding noise.
double error_of(const std::vector<double>& ours, const HostTensor& recorded) {
  const std::vector<double> theirs = recorded.to<double>();
  REQUIRE(ours.size() == theirs.size());
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    difference += (ours[i] - theirs[i]) * (ours[i] - theirs[i]);
    norm += theirs[i] * theirs[i];
  }
  return std::sqrt(difference) / std::max(std::sqrt(norm), 0.1);
}

}  // namespace

TEST_CASE_TEMPLATE("a U-Net computes what PyTorch computes, forward, backward and in its statistics", Scalar, float,
                   double) {
  const double tolerance = std::is_same_v<Scalar, double> ? 2e-7 : 2e-5;  // the record is rounded to fp32
  const StateDict record = load_safetensors(SSAM_TEST_DIR "/golden/u_net.safetensors");
  UNet<Scalar, Cpu> model(UNetConfig{.image_size = 32, .labels = 2, .width = 2});
  load_state(model, part(record, "weights."), "u_net.safetensors");
  Context<Cpu> context(2);
  WorkspaceScope<Cpu> scope(context);
  const Tensor<Scalar, Cpu> images({3, 32, 32, 3}, record.at("images").to<Scalar>());
  const auto host = [&](auto view) {
    const std::vector<Scalar> values(view.data(), view.data() + view.size());
    return std::vector<double>(values.begin(), values.end());
  };
  CHECK(error_of(host(model.encode_image(context, images)), record.at("eval_logits")) < tolerance);

  context.training = true;
  const std::vector<Index> labels{0, 1, 1, 0, 0, 0};
  typename decltype(model)::Record pass;
  const auto probability = model.forward(context, images, {{}, labels}, pass);
  CHECK(error_of(host(probability), record.at("probability")) < tolerance);
  model.backward(context, pass,
                 Tensor<Scalar, Cpu>(probability.shape(), record.at("dprobability").to<Scalar>()).view());
  const StateDict after = export_state(model, [](const Path&, const auto&, Group group) { return is_buffer(group); });
  for (const auto& [name, recorded] : part(record, "after.").tensors) {
    CAPTURE(name);
    CHECK(error_of(after.at(name).template to<double>(), recorded) < tolerance);
  }

  walk(model, [](const Path&, auto& parameter, Group, Layout) {  // in a checkpoint's layout
    if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
      parameter.value = parameter.grad;
    }
  });
  const StateDict gradients =
      export_state(model, [](const Path&, const auto&, Group group) { return !is_buffer(group); });
  const StateDict expected = part(record, "gradient.");
  CHECK(gradients.tensors.size() == expected.tensors.size());
  for (const auto& [name, recorded] : expected.tensors) {
    CAPTURE(name);
    CHECK(error_of(gradients.at(name).template to<double>(), recorded) < 20 * tolerance);
  }
}
