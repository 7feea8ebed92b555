#pragma once

#include <ssam/adapt/recipe.hpp>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// The layers of the attention, where a recipe tells them apart.
template <class Recipe, class S, class D>
struct AttentionLayers {
  static auto qkv() {
    if constexpr (requires { typename Recipe::template QkvLinear<S, D>; }) {
      return std::type_identity<typename Recipe::template QkvLinear<S, D>>{};
    } else {
      return std::type_identity<typename Recipe::template AttentionLinear<S, D>>{};
    }
  }
  static auto proj() {
    if constexpr (requires { typename Recipe::template ProjLinear<S, D>; }) {
      return std::type_identity<typename Recipe::template ProjLinear<S, D>>{};
    } else {
      return std::type_identity<typename Recipe::template AttentionLinear<S, D>>{};
    }
  }
};
template <class Recipe, class S, class D>
using QkvLinear = typename decltype(AttentionLayers<Recipe, S, D>::qkv())::type;
template <class Recipe, class S, class D>
using ProjLinear = typename decltype(AttentionLayers<Recipe, S, D>::proj())::type;

template <class T>
concept TrainingTag = requires {
  { T::trained } -> std::convertible_to<bool>;
  { T::present } -> std::convertible_to<bool>;
};

/// True, or a sentence of the compiler about what a recipe lacks.
template <class Recipe, class S, class D>
consteval bool recipe_is_sound() {
  static_assert(std::derived_from<Recipe, FrozenRecipe>, "ssam: a recipe is derived from ssam::FrozenRecipe");
  static_assert(
      requires {
        { Recipe::name } -> std::convertible_to<const char*>;
      },
      "ssam: a recipe needs a name of its own: static constexpr const char* name = \"...\"");
  static_assert(LinearLayer<QkvLinear<Recipe, S, D>, S, D> && LinearLayer<ProjLinear<Recipe, S, D>, S, D>,
                "ssam: what this recipe puts in place of the attention's linear layers (AttentionLinear, QkvLinear, "
                "ProjLinear) is no LinearLayer: see ssam/nn/contracts.hpp");
  static_assert(LinearLayer<typename Recipe::template MlpLinear<S, D>, S, D>,
                "ssam: this recipe's MlpLinear is no LinearLayer: see ssam/nn/contracts.hpp");
  static_assert(LinearLayer<typename Recipe::template PatchLinear<S, D>, S, D>,
                "ssam: this recipe's PatchLinear is no LinearLayer: see ssam/nn/contracts.hpp");
  static_assert(LinearLayer<typename Recipe::template NeckLinear<S, D>, S, D>,
                "ssam: this recipe's NeckLinear is no LinearLayer: see ssam/nn/contracts.hpp");
  static_assert(LinearLayer<typename Recipe::template DecoderLinear<S, D>, S, D>,
                "ssam: this recipe's DecoderLinear is no LinearLayer: see ssam/nn/contracts.hpp");
  static_assert(BranchLayer<typename Recipe::template AttentionBranch<S, D>, S, D> &&
                    BranchLayer<typename Recipe::template ParallelMlpBranch<S, D>, S, D> &&
                    BranchLayer<typename Recipe::template SerialMlpBranch<S, D>, S, D>,
                "ssam: what this recipe puts at the site of a branch (AttentionBranch, ParallelMlpBranch, "
                "SerialMlpBranch) is no BranchLayer: see ssam/nn/contracts.hpp");
  static_assert(TrainingTag<typename Recipe::PositionalEmbedding> && TrainingTag<typename Recipe::RelativePositions> &&
                    TrainingTag<typename Recipe::BlockNorm> && TrainingTag<typename Recipe::NeckNormWeight> &&
                    TrainingTag<typename Recipe::NeckNormBias> && TrainingTag<typename Recipe::TextAffine> &&
                    TrainingTag<typename Recipe::PromptEncoder> && TrainingTag<typename Recipe::DecoderNorm> &&
                    TrainingTag<typename Recipe::DecoderMask> && TrainingTag<typename Recipe::DecoderMultimask>,
                "ssam: what is trained is said by ssam::Frozen or ssam::Trained");
  return true;
}

}  // namespace detail

/// What a model can be built with: derived from FrozenRecipe, with a name, and with layers of the right kind at every
/// site. (A recipe that trains nothing must also be `zero_shot`: that is asked where a model of it is made.)
template <class R>
concept RecipeOf = std::derived_from<R, FrozenRecipe> && requires {
  { R::name } -> std::convertible_to<const char*>;
} && LinearLayer < typename R::template AttentionLinear<float, Cpu>,
float, Cpu > &&LinearLayer<typename R::template MlpLinear<float, Cpu>, float, Cpu>;

}  // namespace ssam::inline SSAM_ABI
