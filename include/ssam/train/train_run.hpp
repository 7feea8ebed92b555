#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <ssam/text/features.hpp>
#include <ssam/train/options.hpp>
#include <string>

namespace ssam::inline SSAM_ABI {

/// Told after every optimiser step.
struct TrainProgress {
  Index epoch = 0;           ///< the current one, from 1
  Index epochs = 0;          ///< of the whole run
  Index step = 0;            ///< optimiser steps so far, of the whole run
  Index steps = 0;           ///< of the whole run
  double loss = 0;           ///< of this step
  double gradient_norm = 0;  ///< before clipping
  double lr = 0;             ///< learning rate of this step
  double seconds = 0;        ///< of the whole run
  double eta = 0;            ///< seconds to its end
};

/// One training: everything but the model and its training set.
template <class Data>
struct TrainRun {
  const Data* validation = nullptr;                              ///< evaluated after epochs; may be none
  std::optional<TextFeatures> features = {};                     ///< of the labels; none: hashed label names
  TrainOptions options = {};                                     ///< how it is trained
  std::filesystem::path out = "run";                             ///< folder of the run
  bool resume = false;                                           ///< go on with the run that is there
  std::function<void(const TrainProgress&)> progress = nullptr;  ///< after every optimiser step; what it throws ends it
};

/// What a training came to.
struct TrainResult {
  Index epochs = 0;       ///< finished
  Index steps = 0;        ///< of the optimiser
  double train_loss = 0;  ///< of the last epoch
  Index best_epoch = 0;   ///< counted from 1
  double best_loss = 0;   ///< validation loss of the best epoch; training loss where there is no validation set
  double best_dice = 0;   ///< mean DSC of the best epoch; NaN without a validation set
  double seconds = 0;     ///< of the whole run
  /// Mean of an optimiser step of this call, without validation and saving; NaN where it took none.
  double seconds_per_step = 0;
  std::size_t activation_bytes = 0;  ///< most that activations and scratch took of the device's memory at a time
  Index reused_embeddings = 0;       ///< times that an image was not encoded because its features were kept
  bool resumed = false;              ///< whether it went on with a run that was there
  std::string note = {};             ///< what was done differently from what one might expect
};

}  // namespace ssam::inline SSAM_ABI
