#pragma once

#include <memory>
#include <ssam/core/version.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// What every message of the library says. Empty fields are left out of the text.
struct ErrorText {
  std::string what = {};      ///< the problem in one clause
  std::string where = {};     ///< file, offset, tensor, configuration key, ...
  std::string expected = {};  ///< what would have been right
  std::string found = {};     ///< what was there instead
  std::string advice = {};    ///< what to do about it
};

/// The one line of an ErrorText: "what [where]: expected ..., found ...; advice".
inline std::string to_string(const ErrorText& text) {
  std::string line = text.what;
  if (!text.where.empty()) line += " [" + text.where + "]";
  if (!text.expected.empty()) line += ": expected " + text.expected;
  if (!text.found.empty()) line += (text.expected.empty() ? ": found " : ", found ") + text.found;
  if (!text.advice.empty()) line += "; " + text.advice;
  return line;
}

/// Root of everything ssam throws.
class Error : public std::runtime_error {
 public:
  /// `what()` is the `message`.
  explicit Error(const std::string& message) : std::runtime_error(message) {}
  /// `what()` is the one line of `text`.
  explicit Error(const ErrorText& text) : std::runtime_error(to_string(text)) {}
};

/// The operating system refused: open, read, write, rename, ...
class IoError : public Error {
  using Error::Error;
};

/// A file is not what its format promises.
class FormatError : public Error {
  using Error::Error;
};

/// Two shapes do not fit; a programming error inside a model, a wrong file at its border.
class ShapeError : public Error {
 public:
  using Error::Error;
  /// Of an op: its `operands` are the addresses of the tensors that it was given, see naming_layers.
  ShapeError(const ErrorText& text, std::vector<const void*> operands)
      : Error(text), op_(std::make_shared<const Op>(Op{text, std::move(operands)})) {}
  /// What an op said; null for errors of others, and once a layer is named.
  const ErrorText* text() const { return op_ ? &op_->text : nullptr; }
  /// Addresses of the tensors that the op was given.
  std::vector<const void*> operands() const { return op_ ? op_->operands : std::vector<const void*>{}; }

 private:
  struct Op {
    ErrorText text;
    std::vector<const void*> operands;
  };
  std::shared_ptr<const Op> op_;  // shared: copying an exception must not throw
};

/// A configuration, manifest or argument holds a value that cannot be used.
class ConfigError : public Error {
  using Error::Error;
};

/// A checkpoint or adapter does not belong to this model.
class MismatchError : public Error {
  using Error::Error;
};

/// A device or a library on it failed.
class DeviceError : public Error {
  using Error::Error;
};

}  // namespace ssam::inline SSAM_ABI
