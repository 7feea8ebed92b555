#pragma once

#include <ssam/core/version.hpp>
#include <stdexcept>
#include <string>
#include <utility>

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
  using Error::Error;
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
