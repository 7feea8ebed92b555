#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <ssam/ops/ops.hpp>
#include <sstream>

#include "replay.hpp"

namespace ssam::selftest {

/// Collects the largest relative error over the tensors of one case.
class Comparison {
 public:
  explicit Comparison(std::string name) : result_{std::move(name), 0, {}} {}

  /// The error of one tensor: |ours - recorded| / |recorded| in the Euclidean norm. Its root mean square counts as at
  /// least `floor`. (Where the true value is 0, such as the gradient of a key bias, the record is rounding noise.)
  template <class A>
  void add(const std::string& tensor, const std::vector<A>& ours, const HostTensor& recorded, double floor = 0) {
    const std::vector<double> theirs = recorded.to<double>();
    if (ours.size() != theirs.size()) return fail(tensor + " has another size than recorded");
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      difference += std::pow(static_cast<double>(ours[i]) - theirs[i], 2);
      norm += theirs[i] * theirs[i];
    }
    norm = std::max(std::sqrt(norm), floor * std::sqrt(static_cast<double>(theirs.size())));
    const double error = difference == 0 ? 0 : std::sqrt(difference) / norm;
    if (std::isnan(error)) return fail(tensor + " is not a number");
    if (error >= result_.error) result_ = {result_.name, error, tensor};
  }

  /// A tensor that we should have produced and did not.
  void fail(const std::string& why) { result_ = {result_.name, INFINITY, why}; }

  const CaseResult& result() const { return result_; }

 private:
  CaseResult result_;
};

/// Host values as a tensor in the context's workspace.
template <class Scalar, class Device>
TensorView<Scalar, Device> to_device(Context<Device>& context, const Shape& shape, std::span<const Scalar> values) {
  const TensorView<Scalar, Device> copy = allocate<Scalar>(context, shape);
  ops::upload<Scalar>(context, values.data(), copy);
  context.synchronize();  // the caller may drop the values
  return copy;
}

template <class Scalar, class Device>
std::vector<Scalar> to_host(Context<Device>& context, TensorView<const Scalar, Device> view) {
  std::vector<Scalar> values(static_cast<std::size_t>(view.size()));
  ops::download<Scalar>(context, view, values.data());
  return values;
}

/// Largest magnitude among the recorded tensors whose name starts with `prefix`.
inline double largest_with_prefix(const StateDict& state, const std::string& prefix) {
  double largest = 0;
  for (const auto& [name, tensor] : state.tensors) {
    if (!name.starts_with(prefix)) continue;
    for (const double value : tensor.to<double>()) largest = std::max(largest, std::abs(value));
  }
  return largest;
}

/// The entries under `prefix`, without it.
inline StateDict without_prefix(const StateDict& state, const std::string& prefix) {
  StateDict result;
  for (const auto& [name, tensor] : state.tensors) {
    if (name.starts_with(prefix)) result.tensors.emplace(name.substr(prefix.size()), tensor);
  }
  return result;
}

inline SamConfig golden_config(const std::map<std::string, std::string>& metadata) {
  const auto number = [&](const std::string& key) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) {
      throw FormatError(ErrorText{.what = "the metadata of a golden file lacks an entry", .expected = key});
    }
    return static_cast<Index>(std::stoll(found->second));
  };
  SamConfig config;
  config.image_size = number("img");
  config.patch_size = number("patch");
  config.embed_dim = number("dim");
  config.depth = number("depth");
  config.heads = number("heads");
  config.window = number("window");
  config.out_channels = number("out");
  config.decoder_heads = number("dheads");
  config.decoder_mlp = number("mlp");
  config.iou_hidden = number("iou");
  config.mask_channels = number("maskch");
  config.text_dim = number("text");
  config.global_blocks = 0;
  std::string blocks = metadata.contains("glob") ? metadata.at("glob") : "";
  for (char& c : blocks) c = c >= '0' && c <= '9' ? c : ' ';
  std::istringstream stream(blocks);
  for (Index block; stream >> block;) {
    if (block < 64) config.global_blocks |= std::uint64_t{1} << block;
  }
  return config;
}

}  // namespace ssam::selftest
