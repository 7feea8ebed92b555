#pragma once

#include <algorithm>
#include <cmath>
#include <ssam/io/json_file.hpp>
#include <ssam/ops/ops.hpp>
#include <ssam/train/schedule.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// What the best epoch is chosen by.
enum class BestBy {
  loss,  ///< the lowest validation loss (the training loss where there is no validation set)
  dice,  ///< the highest mean DSC of the validation
};

/// `best_by` as "loss" or "dice".
inline const char* to_string(BestBy best_by) { return best_by == BestBy::loss ? "loss" : "dice"; }

/// A training run. The defaults of the optimiser are S-SAM's.
struct TrainOptions {
  Index epochs = 20;  ///< passes over the training set
  Index batch = 8;    ///< (image, label) samples of one forward pass
  /// Batches of one optimiser step. Not the same as one large batch: the dice term and batch norm are of each batch.
  Index accumulate = 1;
  /// An image comes with all its labels and is encoded once for them (`batch` is then a multiple of their number). Off:
  /// the published way, every (image, label) pair is a sample of its own.
  bool labels_together = false;
  double lr = 1e-4;                ///< learning rate before the schedule
  double weight_decay = 1e-2;      ///< per step, times the learning rate
  double clip_norm = 0;            ///< longest gradient; 0: any
  ScheduleOptions schedule = {};   ///< of the learning rate
  ops::MaskLossOptions loss = {};  ///< of a batch
  std::uint64_t seed = 0;          ///< of dropout, augmentation and the order of samples
  Index validate_every = 1;        ///< epochs; the last one is always validated
  /// S-SAM's authors choose by the loss, but as a mean over batches of the loss of a whole batch, which depends on the
  /// size of the batches; here it is a mean over samples (evaluation_loss_definition).
  BestBy best_by = BestBy::loss;
  Index checkpoint_every = 0;  ///< optimiser steps between saves of the run's state inside an epoch; 0: at its end only
  /// Memory for the features of pictures, in bytes, where the model trains nothing in front of them
  /// (TrainsBehindFeatures): an image is then encoded once for all epochs and validations, and an augmented one again
  /// only where it comes out as before. The results have the same bits with any memory.
  std::size_t embedding_bytes = std::size_t{1} << 30;
  /// Settings (keys of to_json) that a resumed run may have otherwise than it was saved with, out of `rate_settings`.
  std::vector<std::string> changed = {};

  /// How far a step goes: what may be changed where a run has diverged.
  static const std::vector<std::string>& rate_settings() {
    static const std::vector<std::string> keys{"lr", "clip_norm", "step_epochs", "step_factor", "warmup_steps"};
    return keys;
  }

  /// Pairs that stay together in a set of this many labels.
  Index together(Index labels) const { return labels_together ? labels : 1; }

  /// Throws ConfigError. `labels`: how many the data set has.
  void check(Index labels) const {
    const auto need = [](bool condition, const char* key, const std::string& expected, const std::string& found) {
      if (condition) return;
      throw ConfigError(ErrorText{
          .what = std::string("unusable training option '") + key + "'", .expected = expected, .found = found});
    };
    const auto count = [&](Index value, Index least, const char* key) {
      constexpr Index most = Index{1} << 30;  // products of two of them do not overflow
      need(value >= least && value <= most, key, std::to_string(least) + " to " + std::to_string(most),
           std::to_string(value));
    };
    const auto number = [&](double value, bool positive, const char* key) {
      need(std::isfinite(value) && (positive ? value > 0 : value >= 0), key,
           positive ? "a positive number" : "a number that is not negative", std::to_string(value));
    };
    count(epochs, 1, "epochs");
    count(accumulate, 1, "accumulate");
    count(validate_every, 1, "validate_every");
    count(checkpoint_every, 0, "checkpoint_every");
    number(lr, true, "lr");
    number(weight_decay, false, "weight_decay");
    number(clip_norm, false, "clip_norm");
    number(loss.dice_weight, false, "loss.dice_weight");
    number(loss.focal_weight, false, "loss.focal_weight");
    number(loss.gamma, false, "loss.gamma");
    need(loss.alpha >= 0 && loss.alpha <= 1, "loss.alpha", "a number in [0, 1]", std::to_string(loss.alpha));
    count(batch, 1, "batch");
    need(batch % together(labels) == 0, "batch",
         "a multiple of the " + std::to_string(labels) + " labels, which stay together", std::to_string(batch));
    schedule.check();
    for (const std::string& key : changed) {
      const std::vector<std::string>& known = rate_settings();
      need(std::find(known.begin(), known.end(), key) != known.end(), "changed", "settings of the learning rate", key);
    }
  }

  /// Everything that decides what a step does, so that a run is not resumed as another one.
  nlohmann::json to_json() const {
    nlohmann::json json{{"batch", batch},
                        {"accumulate", accumulate},
                        {"labels_together", labels_together},
                        {"lr", lr},
                        {"weight_decay", weight_decay},
                        {"clip_norm", clip_norm},
                        {"seed", seed},
                        {"schedule", static_cast<int>(schedule.kind)},
                        {"step_epochs", schedule.step_epochs},
                        {"step_factor", schedule.step_factor},
                        {"warmup_steps", schedule.warmup_steps},
                        {"dice_weight", loss.dice_weight},
                        {"focal_weight", loss.focal_weight},
                        {"alpha", loss.alpha},
                        {"gamma", loss.gamma},
                        {"focal_form", static_cast<int>(loss.form)},
                        {"best_by", to_string(best_by)}};
    if (schedule.kind == Schedule::cosine) json["epochs"] = epochs;  // other schedules may be continued for longer
    return json;
  }
};

/// How the samples (or images, where their labels stay together) of an epoch are cut into batches: all of `batch` but
/// the last, which takes the rest; a rest of one joins the batch before it where batch norm could not use it alone.
class BatchPlan {
 public:
  /// `samples` in batches of `batch`. `batch_norm`: whether the model normalises over a batch.
  BatchPlan(Index samples, Index batch, bool batch_norm) : samples_(samples), batch_(std::min(batch, samples)) {
    const Index rest = samples_ % batch_;
    joins_ = batch_norm && batch_ > 1 && rest == 1;
    batches_ = samples_ / batch_ + (rest > 0 && !joins_ ? 1 : 0);
  }

  Index batches() const { return batches_; }  ///< of an epoch
  /// The first sample of batch number `batch`.
  Index begin(Index batch) const { return batch * batch_; }
  /// The one behind the last of batch number `batch`.
  Index end(Index batch) const { return batch + 1 == batches_ ? samples_ : (batch + 1) * batch_; }
  /// Samples of the largest batch.
  Index largest() const { return std::min(samples_, batch_ + (joins_ ? 1 : 0)); }
  /// Whether the last batch has one sample more.
  bool joins() const { return joins_; }

  /// The samples of an epoch in its order: a shuffle that depends on `seed` and `epoch` only.
  static std::vector<Index> order(Index samples, std::uint64_t seed, Index epoch) {
    constexpr std::uint64_t purpose = 0x73687566666c65ull;  // apart from the streams of the augmentation
    Random random(seed ^ purpose, static_cast<std::uint64_t>(epoch));
    std::vector<Index> order(static_cast<std::size_t>(samples));
    for (Index i = 0; i < samples; ++i) order[static_cast<std::size_t>(i)] = i;
    for (Index i = samples - 1; i > 0; --i) {
      std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(random.below(i + 1))]);
    }
    return order;
  }

 private:
  Index samples_, batch_, batches_ = 0;
  bool joins_ = false;
};

}  // namespace ssam::inline SSAM_ABI
