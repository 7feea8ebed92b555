#pragma once

#include <cmath>
#include <map>
#include <ssam/core/closest_name.hpp>
#include <ssam/core/random.hpp>
#include <ssam/io/safetensors.hpp>

namespace ssam::inline SSAM_ABI {

/// One feature vector per label name: what stands before TAL. Either made by CLIP (`clip_features`) or any other text
/// encoder and kept in a file or with an adapter, or derived from a hash of the name, which tells labels apart but
/// knows nothing of their meaning.
class TextFeatures {
 public:
  /// A vector of `dim` values with mean square 1 for any label: standard normal numbers drawn from a hash of its name
  /// (FNV-1a, the same on every machine). Throws ConfigError unless dim > 0.
  static TextFeatures hashed(Index dim) {
    if (dim <= 0) throw ConfigError("the dimension of text features must be positive");
    return TextFeatures(dim, "hashed label names (no CLIP)", true);
  }

  /// Vectors from a safetensors file: one tensor [dim] of floating point per label, named like it. Throws IoError,
  /// FormatError (not such a file, NaN or infinite values), MismatchError (another dimension or type).
  static TextFeatures load(const std::filesystem::path& path, Index dim) {
    return from_state(load_safetensors(path, {.strict_finite = true}), path.string(), dim);
  }

  /// The inverse of to_state: vectors of `dim` values; `source` is what is said of where they come from, and stands in
  /// messages. Throws FormatError and MismatchError as load.
  static TextFeatures from_state(const StateDict& state, const std::string& source, Index dim) {
    TextFeatures features(dim, printable(source), false);  // goes into JSON
    if (state.tensors.empty()) {
      throw MismatchError(ErrorText{.what = "the file of text features has no tensors", .where = source});
    }
    for (const auto& [key, member] :
         {std::pair{pattern_key, &TextFeatures::pattern_}, std::pair{encoder_key, &TextFeatures::encoder_}}) {
      if (const auto entry = state.metadata.find(key); entry != state.metadata.end()) features.*member = entry->second;
    }
    for (const auto& [label, tensor] : state.tensors) {
      if (tensor.shape.rank() != 1) {
        throw MismatchError(ErrorText{.what = "this is no file of text features",
                                      .where = at_tensor(source, label),
                                      .expected = "one vector per label",
                                      .found = tensor.shape.str()});
      }
      if (!(tensor.shape == Shape{dim}) || !is_floating(tensor.dtype)) {
        throw MismatchError(ErrorText{.what = "a text feature does not fit the model",
                                      .where = at_tensor(source, label),
                                      .expected = "F32 or F16 " + Shape{dim}.str(),
                                      .found = std::string(dtype_name(tensor.dtype)) + " " + tensor.shape.str(),
                                      .advice = "set text_dim, or make the features with the encoder it was trained "
                                                "with"});
      }
      check_finite(tensor, at_tensor(source, label));
      features.vectors_.emplace(label, tensor.to<float>());
    }
    return features;
  }

  /// One tensor [dim] per label, named like it; in the metadata what made them, where that is known. Of hashed names:
  /// nothing.
  StateDict to_state() const {
    StateDict state;
    for (const auto& [label, values] : vectors_) state.tensors[label] = HostTensor::from(Shape{dim_}, values);
    if (!pattern_.empty()) state.metadata[pattern_key] = pattern_;
    if (!encoder_.empty()) state.metadata[encoder_key] = encoder_;
    return state;
  }

  /// Writes them to a safetensors file, whole or not at all. Throws IoError, Error for hashed names.
  void save(const std::filesystem::path& path) const {
    if (is_hashed()) throw Error("hashed label names have no vectors to save");
    save_safetensors(path, to_state());
  }

  /// The vector of a label. Throws MismatchError that names near labels where there is none for it.
  std::vector<float> at(const std::string& label) const {
    if (is_hashed()) return hash_vector(label);
    const auto found = vectors_.find(label);
    if (found != vectors_.end()) return found->second;
    throw MismatchError(ErrorText{.what = "no text feature for the label '" + label + "'",
                                  .where = source_,
                                  .advice = suggest_name(label, labels())});
  }

  /// Whether `label` has a vector.
  bool has(const std::string& label) const { return is_hashed() || vectors_.contains(label); }
  /// The labels that have a vector; none of hashed names, which have one for any.
  std::vector<std::string> labels() const {
    std::vector<std::string> names;
    for (const auto& entry : vectors_) names.push_back(entry.first);
    return names;
  }
  /// Whether the vectors are drawn from a hash of the names.
  bool is_hashed() const { return hashed_; }

  /// The same of these `labels` only. Throws as at().
  TextFeatures only(const std::vector<std::string>& labels) const {
    TextFeatures fewer = *this;
    fewer.vectors_.clear();
    if (is_hashed()) return fewer;
    for (const std::string& label : labels) fewer.vectors_.emplace(label, at(label));
    return fewer;
  }
  /// These, and of `others` the labels that have no vector here. Both have vectors of one length.
  TextFeatures with(const TextFeatures& others) const {
    TextFeatures all = *this;
    all.vectors_.insert(others.vectors_.begin(), others.vectors_.end());
    const bool more = all.vectors_.size() > vectors_.size();
    if (more && others.source_ != source_) all.source_ += " and " + others.source_;
    return all;
  }

  /// The same for the same vectors under the same labels, whatever their file: what a run and an adapter compare.
  std::string hash() const {
    if (is_hashed()) return source_;
    StateDict state = to_state();
    state.metadata.clear();
    return content_hash(state);
  }

  /// "hashed label names (no CLIP)", or the file: to be said in logs and kept with an adapter.
  const std::string& source() const { return source_; }
  /// Values of a vector.
  Index dim() const { return dim_; }
  /// The prompts' pattern, "a photo of a {}"; "" where it is not known.
  const std::string& pattern() const { return pattern_; }
  /// Content hash of the text encoder's weights; "" where it is not known.
  const std::string& encoder() const { return encoder_; }

  static constexpr const char* pattern_key = "clip_template";  ///< metadata of a file: pattern()
  static constexpr const char* encoder_key = "clip_hash";      ///< metadata of a file: encoder()

 private:
  TextFeatures(Index dim, std::string source, bool hashed) : dim_(dim), hashed_(hashed), source_(std::move(source)) {}

  std::vector<float> hash_vector(const std::string& label) const {
    std::uint64_t hash = 0xcbf29ce484222325ull;
    for (const char c : label) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    Random random(hash);
    std::vector<double> drawn(static_cast<std::size_t>(dim_));
    double square = 0;
    for (double& value : drawn) {
      value = random.normal();
      square += value * value;
    }
    const double scale = std::sqrt(static_cast<double>(dim_) / square);
    std::vector<float> values;
    for (const double value : drawn) values.push_back(static_cast<float>(value * scale));
    return values;
  }

  Index dim_;
  bool hashed_;
  std::string source_, pattern_, encoder_;
  std::map<std::string, std::vector<float>> vectors_;
};

}  // namespace ssam::inline SSAM_ABI
