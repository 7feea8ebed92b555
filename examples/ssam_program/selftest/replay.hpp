#pragma once

#include <filesystem>
#include <ssam/io/state_dict.hpp>
#include <ssam/sam/config.hpp>
#include <string>
#include <vector>

namespace ssam::selftest {

/// One line of the self test: how far our result is from the recorded one, and where the largest difference is.
struct CaseResult {
  std::string name;
  double error = 0;  ///< the largest relative error of a tensor, |ours - recorded| / |recorded|
  std::string worst;
};

/// The model that a golden folder's metadata describes.
SamConfig golden_config(const std::map<std::string, std::string>& metadata);

/// Replays of `sam*` : containers, embedding, gradients, positions, every prompt kind, pre- and postprocessing, half
/// size.
template <class Scalar, class Device>
std::vector<CaseResult> replay_sam(const std::filesystem::path& folder);

/// Replays `<run>_weights` and `<run>_train`: first probability, gradients, losses, end weights, evaluation.
template <class Scalar, class Device, class Recipe>
std::vector<CaseResult> replay_training(const std::filesystem::path& folder, const std::string& run, bool release);

}  // namespace ssam::selftest
