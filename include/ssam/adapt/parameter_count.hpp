#pragma once

#include <array>
#include <ssam/core/visit.hpp>
#include <string_view>

namespace ssam::inline SSAM_ABI {

/// The lines of a count: what a trained parameter is. Everything of the mask decoder that is not an adapter is
/// `decoder`.
enum class CountGroup {
  singular_values,  ///< of the SVD layers: scales and shifts
  low_rank,         ///< of LoRA
  norms,            ///< the backbone's: of layer and batch norms
  biases,           ///< the backbone's: of linear layers and convolutions
  weights,          ///< the backbone's: of linear layers, convolutions, embeddings
  positional,       ///< the backbone's
  text_affine,      ///< of the text affine layer
  decoder,          ///< of the mask decoder, without adapters
  bottleneck,       ///< of small networks, as Medical SAM Adapter's
  scale_shift       ///< of SSF
};
inline constexpr std::size_t count_groups = 10;  ///< in CountGroup
/// The groups by name, as adapter_config.json writes them.
inline constexpr std::array<std::string_view, count_groups> count_group_names = {
    "singular_values", "low_rank",    "norms",   "biases",     "weights",
    "positional",      "text_affine", "decoder", "bottleneck", "scale_shift"};

/// Parameters of a composed model. Buffers (the random-Fourier matrix, batch statistics) are not parameters.
struct ParameterCount {
  Index trained = 0;                         ///< elements of trained parameters
  Index total = 0;                           ///< SAM, adapters and TAL, trained or not
  std::array<Index, count_groups> groups{};  ///< the trained ones by CountGroup

  /// Trained parameters of group `which`.
  constexpr Index group(CountGroup which) const { return groups[static_cast<std::size_t>(which)]; }
};

/// The group a parameter is counted in.
constexpr CountGroup count_group(const Path& path, Group group) {
  if (group == Group::singular_values) return CountGroup::singular_values;
  if (group == Group::low_rank) return CountGroup::low_rank;
  if (group == Group::bottleneck) return CountGroup::bottleneck;
  if (group == Group::scale_shift) return CountGroup::scale_shift;
  if (path.part() == Part::decoder) return CountGroup::decoder;
  if (path.part() == Part::text_affine) return CountGroup::text_affine;
  if (group == Group::norms) return CountGroup::norms;
  if (group == Group::biases) return CountGroup::biases;
  if (group == Group::positional) return CountGroup::positional;
  return CountGroup::weights;
}

/// Counts what a model trains, by walking it.
template <class Model>
constexpr ParameterCount parameter_count_of(const Model& model) {
  ParameterCount count;
  walk(model, [&count](const Path& path, const auto& parameter, Group group, Layout) {
    if (is_buffer(group)) return;
    count.total += parameter.value.size();
    if constexpr (std::remove_cvref_t<decltype(parameter)>::trained) {
      count.trained += parameter.value.size();
      count.groups[static_cast<std::size_t>(count_group(path, group))] += parameter.value.size();
    }
  });
  return count;
}

}  // namespace ssam::inline SSAM_ABI
