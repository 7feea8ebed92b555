#pragma once

#include <chrono>
#include <ssam/data/data_difference.hpp>
#include <ssam/io/folder_lock.hpp>
#include <ssam/sam/adapter.hpp>
#include <ssam/train/communicator.hpp>
#include <ssam/train/evaluate.hpp>
#include <ssam/train/metrics.hpp>
#include <ssam/train/run_folder.hpp>
#include <ssam/train/train_run.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {

template <class Model, class Data, class Processes>
class Trainer {
 public:
  using Scalar = typename Model::Scalar_;
  using Device = typename Model::Device_;

  Trainer(Context<Device>& context, Model& model, const Data& data, const TrainRun<Data>& run, Processes& processes)
      : context_(context),
        model_(model),
        data_(data),
        validation_(run.validation),
        features_(features_of(model, data, run)),
        options_((check(model, data, run), run.options)),
        out_(run.out),
        progress_(run.progress),
        processes_(processes),
        optimizer_({.lr = options_.lr, .weight_decay = options_.weight_decay}),
        together_(options_.together(static_cast<Index>(data.labels().size()))),
        plan_(data.size() / together_, options_.batch / together_, Model::normalizes_prompts && together_ == 1),
        batch_(data, features_, plan_.largest(), together_) {
    steps_per_epoch_ = (plan_.batches() + options_.accumulate - 1) / options_.accumulate;
    info_.labels = data.labels();
    if (features_) {
      info_.text_source = features_->source();
      info_.text_hash = features_->hash();
      info_.features = features_;
    }
    info_.best_by = to_string(options_.best_by);
  }

  TrainResult run(bool resume) {
    const TrainingMode<Device> mode(context_, true);
    walk(model_, [](const Path&, auto& parameter, Group, Layout) {
      if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
        parameter.grad = {};
        parameter.reached = false;
      }
    });
    begun_ = std::chrono::steady_clock::now();
    begin(resume);
    begun_ = std::chrono::steady_clock::now();
    first_step_ = at_.step;
    seconds_before_ = at_.seconds;
    while (at_.epoch < options_.epochs) {
      order_ = BatchPlan::order(data_.size() / together_, options_.seed, at_.epoch);
      while (at_.batch < plan_.batches()) {
        const auto before = std::chrono::steady_clock::now();
        take_step();
        stepping_ += std::chrono::steady_clock::now() - before;
        const bool epoch_ends = at_.batch == plan_.batches();
        if (!epoch_ends && options_.checkpoint_every > 0 && at_.step % options_.checkpoint_every == 0) {
          require_sound();
          begin_saving();
          save_state();
        }
      }
      end_epoch();
    }
    out_.forget_aside();
    TrainResult result{.epochs = at_.epoch,
                       .steps = at_.step,
                       .train_loss = at_.train_loss,
                       .best_epoch = at_.best_epoch,
                       .best_loss = at_.best_loss,
                       .best_dice = at_.best_dice,
                       .seconds = seconds(),
                       .seconds_per_step = stepping_.count() / static_cast<double>(at_.step - first_step_),
                       .activation_bytes = context_.workspace.peak(),
                       .reused_embeddings = embeddings_.reused(),
                       .resumed = resume,
                       .note = change_};
    const std::string batches = batch_note();
    result.note += (result.note.empty() || batches.empty() ? "" : "; ") + batches;
    return result;
  }

 private:
  /// What batch norm makes of the batches, where that is worth saying.
  std::string batch_note() const {
    if (plan_.joins()) {
      return "the last batch of an epoch has " + std::to_string(plan_.largest()) +
             " samples: a rest of one is too small for batch norm";
    }
    if (Model::normalizes_prompts && plan_.largest() * together_ == 1) {
      return "a batch of one has no statistics: the text affine layer's batch norm used its running ones";
    }
    if (Model::normalizes_prompts && data_.labels().size() == 1) {
      return "a single label has no statistics: the text affine layer's batch norm used its running ones";
    }
    return "";
  }

  /// What the run needs of the given features: those of its labels.
  static std::optional<TextFeatures> features_of(const Model& model, const Data& data, const TrainRun<Data>& run) {
    const std::optional<TextFeatures> all = features_for(model, run.features);
    if (!all) return all;
    std::vector<std::string> labels = data.labels();
    if (run.validation != nullptr) {
      labels.insert(labels.end(), run.validation->labels().begin(), run.validation->labels().end());
    }
    return all->only(labels);
  }

  static void check(const Model& model, const Data& data, const TrainRun<Data>& run) {
    if (!trains_anything(model)) {
      throw ConfigError(
          ErrorText{.what = "the recipe '" + model.recipe() + "' trains nothing", .advice = "evaluate it instead"});
    }
    run.options.check(static_cast<Index>(data.labels().size()));
    if (run.options.best_by == BestBy::dice && run.validation == nullptr) {
      throw ConfigError(ErrorText{.what = "the best epoch cannot be chosen by DSC without a validation set",
                                  .advice = "give the data set a split \"val\", or choose by the loss"});
    }
    require_samples(model, data);
    if (run.validation != nullptr) require_samples(model, *run.validation);
  }

  double seconds() const {
    return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  }

  nlohmann::json settings() const {
    nlohmann::json json = options_.to_json();
    json["recipe"] = model_.recipe();
    json["rule"] = model_.rule();
    json["model"] = model_.name();
    json["base_hash"] = model_.base_hash();
    json["config"] = to_json(model_.configuration());
    json["preparation"] = to_json(data_.preparation());
    json["labels"] = data_.labels();
    json["text_features"] = features_ ? features_->hash() : "";
    return json;
  }

  /// Prepares the run state in its folder (which FolderLock has made), or continues from there. A folder holds a run
  /// from here on.
  void begin(bool resume) {
    data_hash_ = data_fingerprint(data_);
    if (validation_ != nullptr) validation_hash_ = data_fingerprint(*validation_);
    if (resume) {
      at_ = load_run_state(out_.state(), model_, optimizer_, settings(), options_.changed,
                           [&](const nlohmann::json& stored, const RunPosition& at) { accept(stored, at); });
      context_.random.set_state(at_.random);
    } else {
      context_.random = Random(options_.seed);
      out_.forget_aside();
      save_state();
    }
    out_.keep_metrics(at_.epoch);
  }

  /// Refuses to go on with other data, or to go back; notes what is changed on purpose.
  void accept(const nlohmann::json& stored, const RunPosition& at) {
    const auto stored_hash = [&](const char* key) { return stored.contains(key) ? stored[key] : nlohmann::json(); };
    const std::string where = out_.state().string();
    require_same_data(stored_hash("data"), data_hash_, &data_, "the run's training set", where);
    require_same_data(stored_hash("validation"), validation_hash_, validation_, "the run's validation set", where);
    if (at.epoch > options_.epochs) {
      throw ConfigError(ErrorText{.what = "the run has more epochs already than are asked for",
                                  .where = out_.path().string(),
                                  .expected = "at least " + std::to_string(at.epoch),
                                  .found = std::to_string(options_.epochs)});
    }
    if (at.batch > plan_.batches()) {
      throw FormatError(ErrorText{.what = "the run state lies behind the end of an epoch", .where = where});
    }
    const nlohmann::json now = options_.to_json();
    for (const std::string& key : options_.changed) {
      if (stored.contains(key) && stored[key] == now[key]) continue;
      change_ += (change_.empty() ? "resumed with another " : ", ") + key + ": " + now[key].dump();
      if (stored.contains(key)) change_ += " (was " + stored[key].dump() + ")";
    }
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
      expect_batch(at_.batch + 1);
      context_.batch_statistics = !(Model::normalizes_prompts && batch_.one_text());
      add_gradients(static_cast<double>(count) / static_cast<double>(samples));
    }
    walk(model_, [&](const Path&, auto& parameter, Group, Layout) {
      if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
        if (parameter.reached) processes_.average(context_, parameter.grad.view());
      }
    });
    const double factor = lr_factor(options_.schedule, at_.step, options_.epochs * steps_per_epoch_, at_.epoch);
    lr_ = options_.lr * factor;
    optimizer_.step(context_, model_, factor, options_.clip_norm);
    ops::download<double>(context_, loss_, host_loss_.data());  // the step's wait for the device
    const double loss = processes_.average(*host_loss_.data());
    require_finite(loss, "the loss");
    const double norm = optimizer_.gradient_norm(context_);
    require_finite(norm, "the gradient");
    confirmed_ = true;
    largest_rate_ = std::max(largest_rate_, lr_);
    ++at_.step;
    at_.loss_sum += loss * static_cast<double>(samples);
    at_.loss_samples += samples;
    report(loss, norm);
  }

  /// Has the images of a batch of this epoch read while this thread computes.
  void expect_batch(Index batch) const {
    if (batch == plan_.batches()) return;
    std::vector<Index> samples;
    for (Index i = plan_.begin(batch); i < plan_.end(batch); ++i) {
      samples.push_back(order_[static_cast<std::size_t>(i)] * together_);
    }
    expect_samples(data_, samples);
  }

  /// Forward and backward pass of the loaded batch. Gradients and the loss (added to loss_) are multiplied by `weight`.
  void add_gradients(double weight) {
    WorkspaceScope<Device> scope(context_);
    const auto probability = forward_batch(context_, model_, batch_, record_, embeddings_);
    const auto dprobability = allocate<Scalar>(context_, probability.shape());
    ops::mask_loss<Scalar>(context_, probability, batch_.masks(), options_.loss, dprobability, weight, loss_.view());
    model_.backward(context_, record_, dprobability);
  }

  void require_finite(double value, const char* what) const {
    if (!std::isfinite(value)) diverge(what, std::isnan(value) ? "NaN" : "infinity", at_.step + 1);
  }

  /// Ends the run. Nothing that is not finite was saved.
  [[noreturn]] void diverge(const std::string& what, const std::string& found, Index step) const {
    if (at_.step == 0 && !confirmed_) std::filesystem::remove(out_.state());  // there is no run to keep
    const auto number = [](double value) {
      char text[40];
      std::snprintf(text, sizeof text, "%g", value);
      return std::string(text);
    };
    // A tenth, and where a schedule or a slip made the rate large, what S-SAM is trained with.
    const double lower = options_.lr * std::min(0.1, 1e-4 / lr_);
    const std::string advised = "a learning rate of " + number(lower) + " or less";
    const bool back = out_.bring_back(), resumable = back || confirmed_;
    const std::string folder = out_.path().string(), weight = resumable ? "" : not_finite_weight(model_);
    std::string advice;
    if (resumable) {
      advice = (back ? "the state before steps of that size is kept in " : "the state before it is kept in ") + folder +
               ": resume it with " + advised;
    } else if (!weight.empty()) {
      advice = "the weights that training began with are not finite in " + weight + ": give others";
    } else if (at_.step == 0) {
      advice = "no step was taken before it: the weights that training began with are too large to compute with";
    } else {
      advice =
          "the state that is kept in " + folder + " is too far gone: start a new run in another folder with " + advised;
    }
    throw DivergedError(ErrorText{.what = what + " is not a finite number: training stops",
                                  .where = "epoch " + std::to_string(at_.epoch + 1) + ", step " + std::to_string(step),
                                  .found = found + ", at a learning rate of " + number(lr_),
                                  .advice = advice},
                        resumable, lower);
  }

  /// AdamW moves a weight by about the rate in every step. What steps beyond this have made of a model may be finite
  /// and yet too far gone: the files of before them are kept until the run ends.
  static constexpr double large_rate = 0.1;

  void begin_saving() {
    if (largest_rate_ > large_rate) out_.set_aside();
    largest_rate_ = 0;
  }

  /// Refuses to save a model that cannot be gone on from: nothing in it may be NaN or infinite, nor its loss on the
  /// batch that is loaded (without dropout, so that the run stays what it is).
  void require_sound() {
    require_finite_weights();
    const TrainingMode<Device> mode(context_, false);
    WorkspaceScope<Device> scope(context_);
    const auto probability = forward_batch(context_, model_, batch_, record_, embeddings_);
    ops::fill<double>(context_, loss_.view(), 0);
    ops::mask_loss<Scalar>(context_, probability, batch_.masks(), options_.loss, TensorView<Scalar, Device>{}, 1,
                           loss_.view());
    ops::download<double>(context_, loss_, host_loss_.data());
    if (!std::isfinite(*host_loss_.data())) diverge("the loss", "NaN", at_.step);
  }

  void require_finite_weights() const {
    const std::string found = not_finite_in_run(model_, optimizer_);
    if (!found.empty()) diverge("a trained weight", found, at_.step);
  }

  Evaluation validate() {
    require_finite_weights();
    try {
      EmbeddingCache* const embeddings = TrainsBehindFeatures<Model> ? &embeddings_ : nullptr;
      return evaluate(
          context_, model_, *validation_,
          {.features = features_, .batch = options_.batch, .loss = options_.loss, .embeddings = embeddings});
    } catch (const NotFiniteError& error) {
      diverge("the validation", error.text.where, at_.step);
    }
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
    const Index epoch = at_.epoch + 1;
    const bool validates = validation_ != nullptr && (epoch % options_.validate_every == 0 || epoch == options_.epochs);
    std::optional<Evaluation> scores;
    if (validates) {
      scores = validate();
    } else {
      require_sound();
    }
    at_.epoch = epoch;
    at_.batch = 0;
    at_.train_loss = at_.loss_sum / static_cast<double>(at_.loss_samples);
    at_.loss_sum = 0;
    at_.loss_samples = 0;
    begin_saving();
    const bool improved = (validates || validation_ == nullptr) && take_if_best(scores);
    const double now = seconds();
    out_.append_metrics(epoch_metrics(at_, options_, lr_, now - at_.epoch_start, scores));
    at_.epoch_start = now;
    AdapterInfo info = info_;
    info.epoch = at_.epoch;
    info.best_loss = at_.best_loss;
    info.best_dice = at_.best_dice;
    if (improved) save_adapter(out_.best(), model_, info);
    save_adapter(out_.last(), model_, info);
    save_state();
  }

  /// Whether this epoch is the best so far (of equals, the first); notes it.
  bool take_if_best(const std::optional<Evaluation>& scores) {
    const double loss = scores ? scores->loss() : at_.train_loss;
    const double dice = scores ? scores->report.mean_dice() : std::nan("");
    const bool no_better = options_.best_by == BestBy::loss ? at_.best_loss <= loss : at_.best_dice >= dice;
    if (no_better) return false;
    at_.best_epoch = at_.epoch;
    at_.best_loss = loss;
    at_.best_dice = dice;
    return true;
  }

  void save_state() {
    at_.seconds = seconds();
    at_.random = context_.random.state();
    nlohmann::json kept = settings();
    kept["data"] = data_hash_;
    kept["validation"] = validation_hash_;
    save_run_state(out_.state(), model_, optimizer_, at_, kept);
    confirmed_ = false;
  }

  Context<Device>& context_;
  Model& model_;
  const Data& data_;
  const Data* validation_;
  std::optional<TextFeatures> features_;
  TrainOptions options_;
  AdapterInfo info_;
  RunFolder out_;
  const std::function<void(const TrainProgress&)>& progress_;
  Processes& processes_;
  AdamW<Scalar, Device> optimizer_;
  Tensor<double, Device> loss_{Shape{1}};  // of this step
  HostBuffer<double, Device> host_loss_{1};
  Index together_;  // pairs of one image that are trained on together
  BatchPlan plan_;
  Batch<Scalar, Device, Data> batch_;
  EmbeddingCache embeddings_{options_.embedding_bytes};
  typename Model::Record record_;  // kept, so that its memory is
  Index steps_per_epoch_ = 0;
  RunPosition at_;
  nlohmann::json data_hash_, validation_hash_;  // fingerprints
  std::string change_;                          // what a resumed run was told to do otherwise
  bool confirmed_ = false;                      // a step from the saved state was finite
  std::vector<Index> order_;                    // of the current epoch's samples, or images
  double lr_ = 0, largest_rate_ = 0;            // of the last step; of those since a state was saved
  std::chrono::steady_clock::time_point begun_;
  std::chrono::duration<double> stepping_{0};
  double seconds_before_ = 0;
  Index first_step_ = 0;
};

}  // namespace detail

/// Trains what the recipe trains and leaves in `out`: `metrics.jsonl` (a line per epoch), `best/` and `last/`
/// (adapters; best by TrainOptions::best_by) and `run_state.safetensors`, which is there before the first step; while a
/// run takes steps at a rate that is large beyond use (Trainer::large_rate), `set_aside/` holds what there was before
/// them. With `resume`, a run that was interrupted (or killed) goes on from its last saved state and ends bit for bit
/// as if it had not been; it knows its settings, its data, text features and base by content. Without `resume` it
/// starts anew and replaces an earlier run's files. The result does not depend on the number of threads.
///
/// The model holds its base weights and is prepared. Throws ConfigError (options; no samples; a recipe that trains
/// nothing; a resumed run that has more epochs already), MismatchError (labels without features; a resumed run with
/// other settings, data or features: it says which), IoError (nothing to resume, too; another run has the folder, see
/// FolderLock), FormatError (a damaged state), and DivergedError when a loss, a gradient, a trained weight or the
/// validation is infinite or NaN: nothing of that is saved, the files in `out` are those of the last good state, and
/// the error says whether to go on from there with a lower rate (TrainOptions::changed).
template <class Device, class Model, class Data, class Processes = SingleProcess>
TrainResult train(Context<Device>& context, Model& model, const Data& data, const TrainRun<Data>& run,
                  Processes processes = {}) {
  if constexpr (detail::are_trainable<Model, Data, Device>()) {
    static_assert(Communicator<Processes, typename Model::Scalar_, Device>,
                  "ssam: what is to average gradients is no Communicator: see ssam/train/communicator.hpp");
    detail::Trainer<Model, Data, Processes> trainer(context, model, data, run, processes);
    if (run.resume) RunFolder(run.out).require_run();  // before the lock makes the folder
    const FolderLock lock(run.out);
    return trainer.run(run.resume);
  } else {
    return {};
  }
}

}  // namespace ssam::inline SSAM_ABI
