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

/// norm1 and norm2 of the encoder's blocks, where a recipe has a layer of its own for them.
template <class Recipe, class S, class D>
struct BlockNormLayers {
  static auto norm() {
    if constexpr (requires { typename Recipe::template BlockNormLayer<S, D>; }) {
      return std::type_identity<typename Recipe::template BlockNormLayer<S, D>>{};
    } else {
      return std::type_identity<LayerNorm<S, D, typename Recipe::BlockNorm>>{};
    }
  }
};
template <class Recipe, class S, class D>
using BlockNormLayer = typename decltype(BlockNormLayers<Recipe, S, D>::norm())::type;

template <class T>
concept TrainingTag = requires {
  { T::trained } -> std::convertible_to<bool>;
  { T::present } -> std::convertible_to<bool>;
};
template <class R>
concept NamedRecipe = requires {
  { R::name } -> std::convertible_to<const char*>;
};
template <class R, class S, class D>
concept RecipeBranches = BranchLayer<typename R::template AttentionBranch<S, D>, S, D> &&
    BranchLayer<typename R::template ParallelMlpBranch<S, D>, S, D> &&
    BranchLayer<typename R::template SerialMlpBranch<S, D>, S, D>;
template <class R>
concept RecipeTags = TrainingTag<typename R::PositionalEmbedding> && TrainingTag<typename R::RelativePositions> &&
    TrainingTag<typename R::BlockNorm> && TrainingTag<typename R::NeckNormWeight> &&
    TrainingTag<typename R::NeckNormBias> && TrainingTag<typename R::TextAffine> &&
    TrainingTag<typename R::PromptEncoder> && TrainingTag<typename R::DecoderNorm> &&
    TrainingTag<typename R::DecoderMask> && TrainingTag<typename R::DecoderMultimask>;

/// True, or a sentence of the compiler about what a recipe lacks.
template <class Recipe, class S, class D>
consteval bool recipe_is_sound() {
  static_assert(std::derived_from<Recipe, FrozenRecipe>, "ssam: a recipe is derived from ssam::FrozenRecipe");
  static_assert(NamedRecipe<Recipe>,
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
  static_assert(RecipeBranches<Recipe, S, D>,
                "ssam: what this recipe puts at the site of a branch (AttentionBranch, ParallelMlpBranch, "
                "SerialMlpBranch) is no BranchLayer: see ssam/nn/contracts.hpp");
  static_assert(NormLayer<BlockNormLayer<Recipe, S, D>, S, D>,
                "ssam: this recipe's BlockNormLayer is no NormLayer: see ssam/nn/contracts.hpp");
  static_assert(RecipeTags<Recipe>, "ssam: what is trained is said by ssam::Frozen or ssam::Trained");
  return true;
}

}  // namespace detail

/// What a model can be built with: derived from FrozenRecipe, with a name, with layers of the right kind at every site
/// and a tag for everything that is trained or not. (A recipe that trains nothing must also be `zero_shot`: that is
/// asked where a model of it is made, and what is missing is said there in a sentence.)
template <class R, class S = float, class D = Cpu>
concept SamRecipe = std::derived_from<R, FrozenRecipe> && detail::NamedRecipe<R> && detail::RecipeTags<R> &&
    detail::RecipeBranches<R, S, D> && LinearLayer<detail::QkvLinear<R, S, D>, S, D> &&
    LinearLayer<detail::ProjLinear<R, S, D>, S, D> && NormLayer<detail::BlockNormLayer<R, S, D>, S, D> &&
    LinearLayer<typename R::template MlpLinear<S, D>, S, D> &&
    LinearLayer<typename R::template PatchLinear<S, D>, S, D> &&
    LinearLayer<typename R::template NeckLinear<S, D>, S, D> &&
    LinearLayer<typename R::template DecoderLinear<S, D>, S, D>;

}  // namespace ssam::inline SSAM_ABI
