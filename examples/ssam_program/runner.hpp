#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <ssam/data/preprocess.hpp>
#include <ssam/io/state_dict.hpp>
#include <ssam/sam/config.hpp>
#include <string>
#include <utility>
#include <vector>

#include "selftest/replay.hpp"

// Declared only: their headers bring the layers and their matrix library along.
namespace ssam::inline SSAM_ABI {
enum class Rule;
class Dataset;
class TextFeatures;
struct AdapterInfo;
struct AutomaticMask;
struct AutomaticMaskOptions;
struct EvaluateOptions;
struct Evaluation;
struct Prediction;
struct SamPrompt;
struct SvdsamCheckpoint;
struct TrainResult;
template <class Data>
struct TrainRun;
}  // namespace ssam::inline SSAM_ABI

namespace ssam::cli {

/// What a recipe trains.
struct Counts {
  Index trained = 0;
  Index total = 0;                                      ///< SAM, adapters and TAL
  Index sam = 0;                                        ///< SAM alone
  std::vector<std::pair<std::string, Index>> groups{};  ///< the trained ones
  Index adapter_bytes = 0;                              ///< the tensors of a saved adapter, and their names
};

/// A model of one recipe behind one interface, so that the verbs are compiled once and the model once per recipe.
class Runner {
 public:
  virtual ~Runner() = default;

  /// Fills every weight with random numbers.
  virtual void randomize(std::uint64_t seed) = 0;
  /// Starts the adapters and TAL, then takes the checkpoint's weights. Throws as ssam::load_weights.
  virtual void load(StateDict weights, const std::string& source, std::uint64_t seed) = 0;
  /// Makes the adapters trainable: factors the weights of an SVD recipe, or takes the factors kept beside `checkpoint`.
  /// Returns what is worth saying about it, or "".
  virtual std::string prepare(const std::filesystem::path& checkpoint) = 0;
  /// Throws as ssam::load_adapter.
  virtual AdapterInfo load_adapter(const std::filesystem::path& folder) = 0;
  /// Throws as ssam::load_svdsam_checkpoint.
  virtual void load_svdsam(const SvdsamCheckpoint& file, const std::string& source) = 0;
  /// Turns every adapter into a plain weight; the answers stay the same.
  virtual void merge() = 0;
  /// Whether a plain SAM with the merged weights gives the same answers.
  virtual bool merges_into_plain_sam() const = 0;
  /// Every weight and buffer without the adapters, under SAM's names.
  virtual StateDict plain_weights() const = 0;

  /// One normalised image [S, S, 3] -> its embedding [1, C, h, w]. Throws as SamPredictor, as the next three do.
  virtual HostTensor embed(const std::vector<float>& image) = 0;
  /// The image that is asked about; `features` are those of labels.
  virtual void set_image(const Image& image, const std::optional<TextFeatures>& features) = 0;
  virtual std::vector<Prediction> predict(const std::vector<SamPrompt>& prompts) = 0;
  virtual std::vector<AutomaticMask> everything(const AutomaticMaskOptions& options) = 0;
  /// Throws as ssam::evaluate.
  virtual Evaluation evaluate(const Dataset& data, const EvaluateOptions& options) = 0;
  /// Whether the blocks of the image encoder keep their inputs alone in training, see ImageEncoderViT::recompute.
  virtual void set_recompute(bool recompute) = 0;
  /// Throws as ssam::train.
  virtual TrainResult train(const Dataset& data, const TrainRun<Dataset>& run) = 0;
};

/// Where a model runs, as the user says it. The ways of one processor differ in their matrix products only.
enum class DeviceKind { cpu, cpu_bf16, cuda, cuda_tf32, cuda_bf16 };
inline constexpr std::array device_names{"cpu", "cpu_bf16", "cuda", "cuda_tf32", "cuda_bf16"};
inline const char* to_string(DeviceKind device) { return device_names[static_cast<std::size_t>(device)]; }

/// A recipe's models on one device. Null where this program was built without it.
struct RecipeOnDevice {
  std::unique_ptr<Runner> (*make)(Rule, const SamConfig&, int threads) = nullptr;
  /// Replays the recorded run `run` in `folder`; null too where a recipe has no recorded runs.
  std::vector<selftest::CaseResult> (*replay)(Rule, const std::filesystem::path& folder,
                                              const std::string& run) = nullptr;
  /// Replays the recordings of SAM itself (`sam*`) with this recipe's model; full fine-tuning's only, which has every
  /// gradient.
  std::vector<selftest::CaseResult> (*replay_sam)(const std::filesystem::path& folder) = nullptr;
};

/// A recipe that the command line knows.
struct Recipe {
  const char* name;
  std::vector<std::string> aliases;
  const char* summary;
  /// How the recorded runs of this recipe are called ("ssam" in ssam_paper_train.safetensors); "" where there are none.
  const char* recorded;
  Counts (*count)(Rule, const SamConfig&) = nullptr;
  std::array<RecipeOnDevice, device_names.size()> devices{};

  /// Throws ConfigError where this program was built without the device, DeviceError where the machine has none.
  std::unique_ptr<Runner> make(Rule rule, const SamConfig& config, int threads,
                               DeviceKind device = DeviceKind::cpu) const {
    return on(device).make(rule, config, threads);
  }
  /// Throws as `make`.
  const RecipeOnDevice& on(DeviceKind device) const;
};

/// Throws ConfigError where this program was built without the device.
void require_built_for(DeviceKind device);

/// All recipes, in the order of the tables.
const std::vector<Recipe>& recipes();
/// By name or alias. Throws UsageError with the nearest name.
const Recipe& find_recipe(const std::string& name);
/// "paper" or "release". Throws UsageError.
Rule find_rule(const std::string& name);

// The models of a GPU, for each of its tags: runner_<name>_cuda.cu, compiled with SSAM_CLI_DEVICE = Cuda, ...
template <class Device>
RecipeOnDevice zero_shot_on();
template <class Device>
RecipeOnDevice layer_norm_tuning_on();
template <class Device>
RecipeOnDevice ssam_on();
template <class Device>
RecipeOnDevice lora_on();
template <class Device>
RecipeOnDevice bias_tuning_on();
template <class Device>
RecipeOnDevice full_fine_tuning_on();

}  // namespace ssam::cli
