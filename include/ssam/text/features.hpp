#pragma once

#include <cmath>
#include <map>
#include <ssam/core/closest_name.hpp>
#include <ssam/core/random.hpp>
#include <ssam/io/safetensors.hpp>

namespace ssam::inline SSAM_ABI {

/// One feature vector per label name: what stands before TAL. Either read from a file (made with CLIP or any other text
/// encoder), or derived from a hash of the name, which tells labels apart but knows nothing of their meaning.
class TextFeatures {
 public:
  /// A vector of `dim` values with mean square 1 for any label: standard normal numbers drawn from a hash of its name
  /// (FNV-1a, the same on every machine). Throws ConfigError unless dim > 0.
  static TextFeatures hashed(Index dim) {
    if (dim <= 0) throw ConfigError("the dimension of text features must be positive");
    return TextFeatures(dim, "hashed label names (no CLIP)");
  }

  /// Vectors from a safetensors file: one tensor [dim] of floating point per label, named like it. Throws IoError,
  /// FormatError (not such a file, NaN or infinite values), MismatchError (another dimension or type).
  static TextFeatures load(const std::filesystem::path& path, Index dim) {
    TextFeatures features(dim, printable(path.string()));  // goes into JSON
    const StateDict state = load_safetensors(path, {.strict_finite = true});
    if (state.tensors.empty()) {
      throw MismatchError(ErrorText{.what = "the file of text features has no tensors", .where = path.string()});
    }
    for (const auto& [label, tensor] : state.tensors) {
      if (tensor.shape.rank() != 1) {
        throw MismatchError(ErrorText{.what = "this is no file of text features",
                                      .where = at_tensor(path.string(), label),
                                      .expected = "one vector per label",
                                      .found = tensor.shape.str()});
      }
      if (!(tensor.shape == Shape{dim}) || !is_floating(tensor.dtype)) {
        throw MismatchError(ErrorText{.what = "a text feature does not fit the model",
                                      .where = at_tensor(path.string(), label),
                                      .expected = "F32 or F16 " + Shape{dim}.str(),
                                      .found = std::string(dtype_name(tensor.dtype)) + " " + tensor.shape.str(),
                                      .advice = "set text_dim, or make the features with the encoder it was trained "
                                                "with"});
      }
      check_finite(tensor, at_tensor(path.string(), label));
      features.vectors_.emplace(label, tensor.to<float>());
    }
    return features;
  }

  /// The vector of a label. Throws MismatchError that names near labels when the file has none for it.
  std::vector<float> at(const std::string& label) const {
    if (vectors_.empty()) return hash_vector(label);
    const auto found = vectors_.find(label);
    if (found != vectors_.end()) return found->second;
    std::vector<std::string> names;
    for (const auto& entry : vectors_) names.push_back(entry.first);
    throw MismatchError(ErrorText{.what = "no text feature for the label '" + label + "'",
                                  .where = source_,
                                  .advice = suggest_name(label, names)});
  }

  /// The same for the same vectors under the same labels, whatever their file: what a run and an adapter compare.
  std::string hash() const {
    if (vectors_.empty()) return source_;
    StateDict state;
    for (const auto& [label, values] : vectors_) state.tensors[label] = HostTensor::from(Shape{dim_}, values);
    return content_hash(state);
  }

  /// "hashed label names (no CLIP)", or the file: to be said in logs and kept with an adapter.
  const std::string& source() const { return source_; }
  /// Values of a vector.
  Index dim() const { return dim_; }

 private:
  TextFeatures(Index dim, std::string source) : dim_(dim), source_(std::move(source)) {}

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
  std::string source_;
  std::map<std::string, std::vector<float>> vectors_;  ///< empty: hashed
};

}  // namespace ssam::inline SSAM_ABI
