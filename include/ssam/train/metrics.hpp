#pragma once

#include <optional>
#include <ssam/train/evaluate.hpp>
#include <ssam/train/options.hpp>
#include <ssam/train/run_state.hpp>

namespace ssam::inline SSAM_ABI::detail {

/// The line of a finished epoch in metrics.jsonl. `lr`: of its last step.
inline nlohmann::ordered_json epoch_metrics(const RunPosition& at, const TrainOptions& options, double lr,
                                            double seconds, const std::optional<Evaluation>& scores) {
  nlohmann::ordered_json line{{"epoch", at.epoch},
                              {"step", at.step},
                              {"train_loss", at.train_loss},
                              {"lr", lr},
                              {"rate", nlohmann::ordered_json::object()},
                              {"best_by", to_string(options.best_by)},
                              {"best_epoch", at.best_epoch},
                              {"seconds", seconds}};
  const nlohmann::json settings = options.to_json();
  for (const std::string& key : TrainOptions::rate_settings()) line["rate"][key] = settings[key];
  if (!scores) return line;
  const Report& report = scores->report;
  const LabelScores all = report.total();
  line["val_loss"] = scores->loss();
  line["val_dsc"] = nlohmann::ordered_json::object();
  line["val_dsc_nonblank"] = nlohmann::ordered_json::object();
  for (std::size_t k = 0; k < report.labels().size(); ++k) {
    line["val_dsc"][report.labels()[k]] = report.scores()[k].mean_dice();
    line["val_dsc_nonblank"][report.labels()[k]] = report.scores()[k].mean_nonblank_dice();
  }
  line["val_dsc_mean"] = report.mean_dice();
  line["val_dsc_nonblank_mean"] = report.mean_nonblank_dice();
  line["val_samples"] = all.n;
  line["val_blank"] = all.n_blank;
  line["val_false_blank"] = all.n_false_blank;
  line["val_false_alarm"] = all.n_false_alarm();
  return line;
}

}  // namespace ssam::inline SSAM_ABI::detail
