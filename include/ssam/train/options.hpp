#pragma once

#include <cmath>
#include <ssam/io/json_file.hpp>
#include <ssam/ops/ops.hpp>
#include <ssam/train/schedule.hpp>
#include <vector>

namespace ssam {

/// A training run. The defaults of the optimiser are S-SAM's.
struct TrainOptions {
  Index epochs = 20;
  Index batch = 8;       ///< (image, label) samples of one forward pass
  Index accumulate = 1;  ///< batches of one optimiser step
  /// An image comes with all its labels and is encoded once for them (`batch` is then a multiple of their number). Off:
  /// the published way, every (image, label) pair is a sample of its own.
  bool labels_together = false;
  double lr = 1e-4;
  double weight_decay = 1e-2;
  double clip_norm = 0;  ///< longest gradient; 0: any
  ScheduleOptions schedule = {};
  ops::MaskLossOptions loss = {};
  std::uint64_t seed = 0;
  Index validate_every = 1;    ///< epochs; the last one is always validated
  Index checkpoint_every = 0;  ///< optimiser steps between saves of the run's state inside an epoch; 0: at its end only

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
      need(value >= least, key, "at least " + std::to_string(least), std::to_string(value));
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
                        {"focal_form", static_cast<int>(loss.form)}};
    if (schedule.kind == Schedule::cosine) json["epochs"] = epochs;  // other schedules may be continued for longer
    return json;
  }
};

/// How the samples (or images, where their labels stay together) of an epoch are cut into batches: all of `batch` but
/// the last, which takes the rest; a rest of one joins the batch before it where batch norm could not use it alone.
class BatchPlan {
 public:
  BatchPlan(Index samples, Index batch, bool batch_norm) : samples_(samples), batch_(batch) {
    const Index rest = samples % batch;
    joins_ = batch_norm && batch > 1 && rest == 1 && samples > batch;
    batches_ = samples / batch + (rest > 0 && !joins_ ? 1 : 0);
  }

  Index batches() const { return batches_; }
  Index begin(Index batch) const { return batch * batch_; }
  Index end(Index batch) const { return batch + 1 == batches_ ? samples_ : (batch + 1) * batch_; }
  /// Samples of the largest batch.
  Index largest() const { return std::min(samples_, batch_ + (joins_ ? 1 : 0)); }
  /// Whether the last batch has one sample more.
  bool joins() const { return joins_; }

  /// The samples of an epoch in its order: a shuffle that depends on the two seeds only.
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

}  // namespace ssam
