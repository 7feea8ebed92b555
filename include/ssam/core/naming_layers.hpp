#pragma once

#include <algorithm>
#include <functional>
#include <ssam/core/visit.hpp>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// The name in `model` of the parameter that one of `addresses` lies in; "" where none does.
template <class Model>
std::string parameter_at(const Model& model, const std::vector<const void*>& addresses) {
  std::string name;
  walk(model, [&](const Path& path, const auto& parameter, Group, Layout) {
    const auto* begin = static_cast<const char*>(static_cast<const void*>(parameter.value.data()));
    const char* end = begin + parameter.value.size() * static_cast<Index>(sizeof(*parameter.value.data()));
    const bool inside = std::any_of(addresses.begin(), addresses.end(), [&](const void* address) {
      return std::greater_equal<>()(address, begin) && std::less<>()(address, end);
    });
    if (inside && name.empty()) name = path.str();
  });
  return name;
}

/// What `work` returns, a pass through `model`: where shapes do not fit in an op that was given a parameter, the
/// ShapeError says which ("linear of image_encoder.blocks.3.attn.qkv.weight"). The public passes of
/// Sam and TextPromptedSam are run by it, layers need nothing.
template <class Model, class Work>
decltype(auto) naming_layers(const Model& model, const Work& work) {
  try {
    return work();
  } catch (const ShapeError& error) {
    const std::string name = error.text() == nullptr ? "" : parameter_at(model, error.operands());
    if (name.empty()) throw;
    ErrorText text = *error.text();
    text.where += " of " + name;
    throw ShapeError(text);
  }
}

}  // namespace ssam::inline SSAM_ABI
