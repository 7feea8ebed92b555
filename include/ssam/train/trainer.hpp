#pragma once

#include <chrono>
#include <fstream>
#include <ssam/io/folder_lock.hpp>
#include <ssam/train/communicator.hpp>
#include <ssam/train/evaluate.hpp>
#include <ssam/train/options.hpp>
#include <ssam/train/run_state.hpp>

namespace ssam {

/// Told after every optimiser step.
struct TrainProgress {
  Index epoch = 0;  ///< the current one, from 1
  Index epochs = 0;
  Index step = 0;  ///< optimiser steps so far, of the whole run
  Index steps = 0;
  double loss = 0;           ///< of this step
  double gradient_norm = 0;  ///< before clipping
  double lr = 0;
  double seconds = 0;  ///< of the whole run
  double eta = 0;      ///< seconds to its end
};

struct TrainResult {
  Index epochs = 0;
  Index steps = 0;
  double train_loss = 0;  ///< of the last epoch
  Index best_epoch = 0;
  double best_loss = 0;  ///< validation loss of the best epoch; training loss where there is no validation set
  double best_dice = 0;  ///< mean DSC of the best epoch; NaN without a validation set
  double seconds = 0;
  bool resumed = false;
  std::string note = {};  ///< what was done differently from what one might expect
};

namespace detail {

template <class Scalar, class Device, class Recipe, class Processes>
class Trainer {
 public:
  using Model = SsamModel<Scalar, Device, Recipe>;
  static constexpr bool batch_norm = Recipe::TextAffine::trained;

  Trainer(Context<Device>& context, Model& model, const Dataset& data, const Dataset* validation,
          const TextFeatures& features, const TrainOptions& options, const AdapterInfo& info,
          const std::filesystem::path& out, const std::function<void(const TrainProgress&)>& progress,
          Processes& processes)
      : context_(context),
        model_(model),
        data_(data),
        validation_(validation),
        features_(features),
        options_((check(model, data, options), options)),
        info_(info),
        out_(out),
        progress_(progress),
        processes_(processes),
        optimizer_({.lr = options.lr, .weight_decay = options.weight_decay}),
        together_(options.together(static_cast<Index>(data.labels().size()))),
        plan_(data.size() / together_, options.batch / together_, batch_norm && together_ == 1),
        batch_(data, features, plan_.largest(), together_) {
    steps_per_epoch_ = (plan_.batches() + options.accumulate - 1) / options.accumulate;
  }

  TrainResult run(bool resume) {
    const TrainingMode<Device> mode(context_, true);
    walk(model_, [](const Path&, auto& parameter, Group, Layout) {
      if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
        parameter.grad = {};
        parameter.reached = false;
      }
    });
    const bool resumed = begin(resume);
    begun_ = std::chrono::steady_clock::now();
    first_step_ = at_.step;
    seconds_before_ = at_.seconds;
    while (at_.epoch < options_.epochs) {
      order_ = BatchPlan::order(data_.size() / together_, options_.seed, at_.epoch);
      while (at_.batch < plan_.batches()) {
        take_step();
        const bool epoch_ends = at_.batch == plan_.batches();
        if (!epoch_ends && options_.checkpoint_every > 0 && at_.step % options_.checkpoint_every == 0) save_state();
      }
      end_epoch();
    }
    TrainResult result{.epochs = at_.epoch,
                       .steps = at_.step,
                       .train_loss = at_.train_loss,
                       .best_epoch = at_.best_epoch,
                       .best_loss = at_.best_loss,
                       .best_dice = at_.best_dice,
                       .seconds = seconds(),
                       .resumed = resumed};
    if (plan_.joins()) {
      result.note = "the last batch of an epoch has " + std::to_string(plan_.largest()) +
                    " samples: a rest of one is too small for batch norm";
    } else if (batch_norm && plan_.largest() * together_ == 1) {
      result.note = "a batch of one has no statistics: the text affine layer's batch norm used its running ones";
    } else if (batch_norm && data_.labels().size() == 1) {
      result.note = "a single label has no statistics: the text affine layer's batch norm used its running ones";
    }
    return result;
  }

 private:
  static void check(const Model& model, const Dataset& data, const TrainOptions& options) {
    if (parameter_count<Recipe>(model.sam.config).trained == 0) {
      throw ConfigError(ErrorText{.what = "the recipe '" + std::string(Recipe::name) + "' trains nothing",
                                  .advice = "evaluate it instead"});
    }
    options.check(static_cast<Index>(data.labels().size()));
    if (data.image_size() != model.sam.config.image_size) {
      throw MismatchError(ErrorText{.what = "the data set was opened for another image size than the model's",
                                    .expected = std::to_string(model.sam.config.image_size),
                                    .found = std::to_string(data.image_size())});
    }
  }

  std::filesystem::path state_file() const { return out_ / "run_state.safetensors"; }
  std::filesystem::path metrics_file() const { return out_ / "metrics.jsonl"; }

  double seconds() const {
    return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  }

  nlohmann::json settings() const {
    nlohmann::json json = options_.to_json();
    json["recipe"] = info_.recipe;
    json["rule"] = info_.rule;
    json["model"] = info_.model;
    json["base_hash"] = info_.base_hash;
    json["config"] = to_json(model_.sam.config);
    json["labels"] = data_.labels();
    json["samples"] = data_.size();
    json["text_source"] = features_.source();
    return json;
  }

  /// Prepares the folder; continues from its run state where that is wanted and there is one.
  bool begin(bool resume) {
    std::error_code failure;
    std::filesystem::create_directories(out_, failure);
    if (failure) {
      throw IoError(ErrorText{.what = "cannot make the folder", .where = out_.string(), .found = failure.message()});
    }
    const bool found = resume && std::filesystem::exists(state_file());
    if (found) {
      at_ = load_run_state(state_file(), model_, optimizer_, settings());
      if (at_.batch > plan_.batches()) {
        throw FormatError(
            ErrorText{.what = "the run state lies behind the end of an epoch", .where = state_file().string()});
      }
      context_.random.set_state(at_.random);
    } else {
      std::filesystem::remove(state_file());
      context_.random = Random(options_.seed);
    }
    keep_metrics(at_.epoch);
    return found;
  }

  /// Cuts metrics.jsonl to the epochs that the run state covers: later ones will be done again.
  void keep_metrics(Index epochs) const {
    std::string kept;
    std::ifstream stream(metrics_file());
    std::string line;
    for (Index i = 0; i < epochs && std::getline(stream, line); ++i) kept += line + "\n";
    atomic_write(metrics_file(), kept);
  }

  /// One optimiser step over up to `accumulate` batches; each weighs as many samples as it has.
  void take_step() {
    const Index last = std::min(at_.batch + options_.accumulate, plan_.batches());
    const Index samples = plan_.end(last - 1) - plan_.begin(at_.batch);
    ops::fill<double>(context_, loss_.view(), 0);
    for (; at_.batch < last; ++at_.batch) {
      const Index begin = plan_.begin(at_.batch), count = plan_.end(at_.batch) - begin;
      batch_.load(context_, {order_.data() + begin, static_cast<std::size_t>(count)},
                  AugmentationSeed{options_.seed, static_cast<std::uint64_t>(at_.epoch)});
      context_.batch_statistics = !batch_.one_text();
      add_gradients(static_cast<double>(count) / static_cast<double>(samples));
    }
    walk(model_, [&](const Path&, auto& parameter, Group, Layout) {
      if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
        if (parameter.reached) processes_.average(context_, parameter.grad.view());
      }
    });
    const double factor = lr_factor(options_.schedule, at_.step, options_.epochs * steps_per_epoch_, at_.epoch);
    optimizer_.step(context_, model_, factor, options_.clip_norm);
    ops::download<double>(context_, loss_, host_loss_.data());  // the step's wait for the device
    const double loss = processes_.average(*host_loss_.data());
    require_finite(loss, "the loss");
    const double norm = optimizer_.gradient_norm(context_);
    require_finite(norm, "the gradient");
    ++at_.step;
    at_.loss_sum += loss * static_cast<double>(samples);
    at_.loss_samples += samples;
    lr_ = options_.lr * factor;
    report(loss, norm);
  }

  /// Forward and backward pass of the loaded batch. Gradients and the loss (added to loss_) are multiplied by `weight`.
  void add_gradients(double weight) {
    WorkspaceScope<Device> scope(context_);
    const auto probability = model_.forward(context_, batch_.images(), batch_.text(), record_);
    const auto dprobability = allocate<Scalar>(context_, probability.shape());
    ops::mask_loss<Scalar>(context_, probability, batch_.masks(), options_.loss, dprobability, weight, loss_.view());
    model_.backward(context_, record_, dprobability);
  }

  void require_finite(double value, const char* what) const {
    if (std::isfinite(value)) return;
    throw Error(ErrorText{.what = std::string(what) + " is not a finite number: training stops",
                          .where = "epoch " + std::to_string(at_.epoch + 1) + ", step " + std::to_string(at_.step + 1),
                          .found = std::to_string(value),
                          .advice = "the state before it is kept in " + out_.string() +
                                    "; lower the learning rate or clip the gradients"});
  }

  void report(double loss, double norm) {
    if (!progress_) return;
    const Index steps = options_.epochs * steps_per_epoch_;
    const double now = seconds(), each = (now - seconds_before_) / static_cast<double>(at_.step - first_step_);
    progress_(TrainProgress{.epoch = at_.epoch + 1,
                            .epochs = options_.epochs,
                            .step = at_.step,
                            .steps = steps,
                            .loss = loss,
                            .gradient_norm = norm,
                            .lr = lr_,
                            .seconds = now,
                            .eta = each * static_cast<double>(steps - at_.step)});
  }

  /// Validation, metrics, adapters, run state: in an order in which a kill between any two of them only means that a
  /// resumed run does the epoch again, with the same outcome.
  void end_epoch() {
    ++at_.epoch;
    at_.batch = 0;
    at_.train_loss = at_.loss_sum / static_cast<double>(at_.loss_samples);
    at_.loss_sum = 0;
    at_.loss_samples = 0;
    const bool validates =
        validation_ != nullptr && (at_.epoch % options_.validate_every == 0 || at_.epoch == options_.epochs);
    std::optional<Evaluation> scores;
    if (validates) {
      scores = evaluate(context_, model_, *validation_, features_, options_.batch, nullptr, options_.loss);
    }
    const bool scored = validates || validation_ == nullptr;
    const double loss = scores ? scores->loss : at_.train_loss;
    const bool improved = scored && (at_.best_epoch == 0 || loss < at_.best_loss);
    if (improved) {
      at_.best_epoch = at_.epoch;
      at_.best_loss = loss;
      at_.best_dice = scores ? scores->report.mean_dice() : std::nan("");
    }
    const double now = seconds();
    append_metrics(scores, now - at_.epoch_start);
    at_.epoch_start = now;
    AdapterInfo info = info_;
    info.epoch = at_.epoch;
    info.best_loss = at_.best_loss;
    info.best_dice = at_.best_dice;
    if (improved) save_adapter(out_ / "best", model_, info);
    save_adapter(out_ / "last", model_, info);
    save_state();
  }

  void append_metrics(const std::optional<Evaluation>& scores, double epoch_seconds) const {
    nlohmann::ordered_json line{{"epoch", at_.epoch},
                                {"step", at_.step},
                                {"train_loss", at_.train_loss},
                                {"lr", lr_},
                                {"seconds", epoch_seconds}};
    if (scores) {
      const Report& report = scores->report;
      Index images = 0, blank = 0;
      line["val_loss"] = scores->loss;
      line["val_dsc"] = nlohmann::ordered_json::object();
      for (std::size_t k = 0; k < report.labels().size(); ++k) {
        line["val_dsc"][report.labels()[k]] = report.scores()[k].mean_dice();
        images += report.scores()[k].n;
        blank += report.scores()[k].n_blank;
      }
      line["val_dsc_mean"] = report.mean_dice();
      line["val_samples"] = images;
      line["val_blank"] = blank;
    }
    std::ofstream stream(metrics_file(), std::ios::app);
    stream << line.dump() << "\n" << std::flush;
    if (!stream) throw_system_error("append to the file", metrics_file().string());
  }

  void save_state() {
    at_.seconds = seconds();
    at_.random = context_.random.state();
    save_run_state(state_file(), model_, optimizer_, at_, settings());
  }

  Context<Device>& context_;
  Model& model_;
  const Dataset& data_;
  const Dataset* validation_;
  const TextFeatures& features_;
  TrainOptions options_;
  AdapterInfo info_;
  std::filesystem::path out_;
  const std::function<void(const TrainProgress&)>& progress_;
  Processes& processes_;
  AdamW<Scalar, Device> optimizer_;
  Tensor<double, Device> loss_{Shape{1}};  // of this step
  HostBuffer<double, Device> host_loss_{1};
  Index together_;  // pairs of one image that are trained on together
  BatchPlan plan_;
  Batch<Scalar, Device> batch_;
  typename Model::Record record_;  // kept, so that its memory is
  Index steps_per_epoch_ = 0;
  RunPosition at_;
  std::vector<Index> order_;  // of the current epoch's samples, or images
  double lr_ = 0;
  std::chrono::steady_clock::time_point begun_;
  double seconds_before_ = 0;
  Index first_step_ = 0;
};

}  // namespace detail

/// Trains what the recipe trains and leaves in `out`: `metrics.jsonl` (a line per epoch), `best/` and `last/`
/// (adapters; best is the lowest validation loss, as published, or training loss where `validation` is null) and
/// `run_state.safetensors`. With `resume`, a run that was interrupted (or killed) goes on from its last saved state and
/// ends bit for bit as if it had not been; without a saved state it starts. Without `resume` it starts anew and
/// replaces an earlier run's files. The result does not depend on the number of threads.
///
/// The model holds its base weights and is prepared; `info` says which they are. `progress` is called after every
/// optimiser step; what it throws ends the run. Throws ConfigError (options; a recipe that trains nothing),
/// MismatchError (labels without features; a resumed run with other settings), IoError (also when another run has the
/// folder, see FolderLock), and Error when loss or gradient become infinite or NaN: the files in `out` are then those
/// of the last good state.
template <class Scalar, class Device, class Recipe, class Processes = SingleProcess>
requires Communicator<Processes, Scalar, Device> TrainResult
train(Context<Device>& context, SsamModel<Scalar, Device, Recipe>& model, const Dataset& data,
      const Dataset* validation, const TextFeatures& features, const TrainOptions& options, const AdapterInfo& info,
      const std::filesystem::path& out, bool resume,
      const std::function<void(const TrainProgress&)>& progress = nullptr, Processes processes = {}) {
  detail::Trainer<Scalar, Device, Recipe, Processes> trainer(context, model, data, validation, features, options, info,
                                                             out, progress, processes);
  const FolderLock lock(out);
  return trainer.run(resume);
}

}  // namespace ssam
