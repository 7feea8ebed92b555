#pragma once

#include <ssam/adapt/bottleneck.hpp>
#include <ssam/adapt/branch.hpp>
#include <ssam/adapt/lora_linear.hpp>
#include <ssam/adapt/qv_lora_linear.hpp>
#include <ssam/adapt/ssf.hpp>
#include <ssam/adapt/svd_linear.hpp>
#include <ssam/nn/linear.hpp>

namespace ssam::inline SSAM_ABI {

/// Which parameters a recipe counts as its own: `paper` trains the layer norms of the encoder (neck included) and
/// nothing of the decoder; `release` goes by the published code's naming rule (`norm*` of the encoder's blocks AND of
/// the decoder's transformer, not the neck's).
enum class Rule {
  paper,   ///< as S-SAM's paper says
  release  ///< as the published code does
};

/// "paper" or "release".
constexpr const char* to_string(Rule rule) { return rule == Rule::paper ? "paper" : "release"; }

/// A recipe says what stands at each site of the model and what is trained there. This one trains nothing; derive from
/// it, give it a `name` and override what differs. Sites of linear layers take a LinearLayer, sites of branches a
/// BranchLayer. Three sites are there only where a recipe declares them: `QkvLinear` and `ProjLinear`, the attention's
/// two layers, each in place of `AttentionLinear`, and `BlockNormLayer`, a NormLayer in place of norm1 and norm2. The
/// tags of norms, of the prompt encoder and of the decoder may be BiasesTrained.
struct FrozenRecipe {
  static constexpr Rule rule = Rule::paper;  ///< of what is trained

  /// qkv and proj of the encoder's attention.
  template <class S, class D>
  using AttentionLinear = Linear<S, D, Frozen, Frozen>;
  /// lin1 and lin2 of its MLPs.
  template <class S, class D>
  using MlpLinear = Linear<S, D, Frozen, Frozen>;
  /// The patch embedding, as a layer over im2col patches.
  template <class S, class D>
  using PatchLinear = Linear<S, D, Frozen, Frozen>;
  /// The neck's two convolutions, as layers over im2col patches, without biases.
  template <class S, class D>
  using NeckLinear = Linear<S, D, Frozen, Absent>;
  /// Projections and MLPs of the decoder's two-way transformer.
  template <class S, class D>
  using DecoderLinear = Linear<S, D, Frozen, Frozen>;

  /// Behind the attention, on proj's answer.
  template <class S, class D>
  using AttentionBranch = NoBranch<S, D>;
  /// Beside the MLP, on its input (behind norm2).
  template <class S, class D>
  using ParallelMlpBranch = NoBranch<S, D>;
  /// Behind the MLP, on its answer.
  template <class S, class D>
  using SerialMlpBranch = NoBranch<S, D>;

  using PositionalEmbedding = Frozen;  ///< of the encoder's grid
  using RelativePositions = Frozen;    ///< rel_pos_h and rel_pos_w of the encoder's attention
  using BlockNorm = Frozen;            ///< norm1 and norm2 of the encoder's blocks
  using NeckNormWeight = Frozen;       ///< scales of the neck's two norms
  using NeckNormBias = Frozen;         ///< their shifts
  using TextAffine = Frozen;           ///< the whole text affine layer
  /// Everything of the prompt encoder. Training with labels gives only its no-mask embedding a gradient.
  using PromptEncoder = Frozen;
  /// The two-way transformer's norms.
  using DecoderNorm = Frozen;
  /// Tokens, upscaling and the hypernetwork of the single mask.
  using DecoderMask = Frozen;
  /// The hypernetworks of the other three masks and the IoU head: a single-mask loss gives them no gradient.
  using DecoderMultimask = Frozen;

  /// Whether the published form of this adapter forgot the padding of the neck's 3x3 convolution.
  static constexpr bool published_without_padding = false;
};

/// The adapters that come with the library.
namespace recipes {

/// SAM as it is.
struct ZeroShot : FrozenRecipe {
  static constexpr const char* name = "zero_shot";  ///< in files
  static constexpr bool zero_shot = true;           ///< the model asks for it where nothing is trained
};

/// What S-SAM trains beside its singular values, and the LoRA baseline beside its low-rank factors.
template <Rule which>
struct NormsPositionsText : FrozenRecipe {
  static constexpr Rule rule = which;                                               ///< of the norms
  using PositionalEmbedding = Trained;                                              ///< with both rules
  using BlockNorm = Trained;                                                        ///< with both rules
  using NeckNormWeight = std::conditional_t<rule == Rule::paper, Trained, Frozen>;  ///< by the paper only
  using NeckNormBias = NeckNormWeight;                                              ///< as their scales
  using DecoderNorm = std::conditional_t<rule == Rule::release, Trained, Frozen>;   ///< by the published code only
  using TextAffine = Trained;                                                       ///< it has no pretrained weights
};

/// S-SAM (MICCAI 2024): scale and shift of every singular value of the encoder's blocks and neck, layer norms,
/// positional embedding, TAL.
template <Rule rule = Rule::paper>
struct SSam : NormsPositionsText<rule> {
  static constexpr const char* name = "ssam";  ///< in files
  template <class S, class D>
  using AttentionLinear = SVDLinear<S, D>;  ///< qkv and proj
  template <class S, class D>
  using MlpLinear = SVDLinear<S, D>;  ///< lin1 and lin2
  template <class S, class D>
  using NeckLinear = SVDLinear<S, D, Absent>;  ///< both convolutions
};

/// S-SAM of the largest `Count` singular values of every weight alone: the others stay as they are.
template <Index Count, Rule rule = Rule::paper>
struct SSamTop : NormsPositionsText<rule> {
  static constexpr const char* name = "ssam_top";  ///< in files
  template <class S, class D>
  using AttentionLinear = SVDLinear<S, D, Frozen, Trained, Trained, Count>;  ///< qkv and proj
  template <class S, class D>
  using MlpLinear = SVDLinear<S, D, Frozen, Trained, Trained, Count>;  ///< lin1 and lin2
  template <class S, class D>
  using NeckLinear = SVDLinear<S, D, Absent, Trained, Trained, Count>;  ///< both convolutions
};

/// A row of S-SAM's ablation: positional embedding alone.
struct AblationPositions : FrozenRecipe {
  static constexpr const char* name = "ablation_positions";  ///< in files
  using PositionalEmbedding = Trained;                       ///< alone
};

/// The next row: layer norms too.
template <Rule rule = Rule::paper>
struct AblationNorms : NormsPositionsText<rule> {
  static constexpr const char* name = "ablation_norms";  ///< in files
  using TextAffine = Frozen;                             ///< as it was drawn
};

/// The next row: TAL too.
template <Rule rule = Rule::paper>
struct AblationText : NormsPositionsText<rule> {
  static constexpr const char* name = "ablation_text";  ///< in files
};

/// The next row: the scales of the singular values too, without their shifts.
template <Rule rule = Rule::paper>
struct AblationScale : NormsPositionsText<rule> {
  static constexpr const char* name = "ablation_scale";  ///< in files
  template <class S, class D>
  using AttentionLinear = SVDLinear<S, D, Frozen, Trained, Frozen>;  ///< qkv and proj
  template <class S, class D>
  using MlpLinear = SVDLinear<S, D, Frozen, Trained, Frozen>;  ///< lin1 and lin2
  template <class S, class D>
  using NeckLinear = SVDLinear<S, D, Absent, Trained, Frozen>;  ///< both convolutions
};

/// The row beside that: their shifts instead of their scales. (Both: SSam.)
template <Rule rule = Rule::paper>
struct AblationShift : NormsPositionsText<rule> {
  static constexpr const char* name = "ablation_shift";  ///< in files
  template <class S, class D>
  using AttentionLinear = SVDLinear<S, D, Frozen, Frozen, Trained>;  ///< qkv and proj
  template <class S, class D>
  using MlpLinear = SVDLinear<S, D, Frozen, Frozen, Trained>;  ///< lin1 and lin2
  template <class S, class D>
  using NeckLinear = SVDLinear<S, D, Absent, Frozen, Trained>;  ///< both convolutions
};

/// LoRA. paper: on the encoder's linear layers; release: on the neck's convolutions too.
template <int Rank = 4, Rule rule = Rule::paper>
struct LoRA : NormsPositionsText<rule> {
  static constexpr const char* name = "lora";              ///< in files
  static constexpr bool published_without_padding = true;  ///< in the neck, see SamVariant
  template <class S, class D>
  using AttentionLinear = LoRALinear<S, D, Rank>;  ///< qkv and proj
  template <class S, class D>
  using MlpLinear = LoRALinear<S, D, Rank>;  ///< lin1 and lin2
  /// Both convolutions by the published code; frozen by the paper.
  template <class S, class D>
  using NeckLinear =
      std::conditional_t<rule == Rule::release, LoRALinear<S, D, Rank, Absent>, Linear<S, D, Frozen, Absent>>;
};

/// AdaptiveSAM's bias tuning: every bias of the encoder, norms, positional embedding, the mask decoder, TAL.
template <Rule rule = Rule::paper>
struct BiasTuning : NormsPositionsText<rule> {
  static constexpr const char* name = "bias_tuning";  ///< in files
  template <class S, class D>
  using AttentionLinear = Linear<S, D, Frozen, Trained>;  ///< biases only
  template <class S, class D>
  using MlpLinear = Linear<S, D, Frozen, Trained>;  ///< biases only
  template <class S, class D>
  using PatchLinear = Linear<S, D, Frozen, Trained>;  ///< bias only
  template <class S, class D>
  using DecoderLinear = Linear<S, D, Trained, Trained>;  ///< all of the transformer
  using NeckNormBias = Trained;                          ///< the neck's only biases
  using DecoderNorm = Trained;                           ///< the transformer's norms
  using DecoderMask = Trained;                           ///< tokens, upscaling, the single mask's hypernetwork
  /// The other masks' and the IoU head.
  using DecoderMultimask = std::conditional_t<rule == Rule::release, Trained, Frozen>;
};

/// Every weight of the image encoder and of the decoder's single-mask path, and TAL.
template <Rule rule = Rule::paper>
struct FullFineTuning : BiasTuning<rule> {
  static constexpr const char* name = "full_fine_tuning";  ///< in files
  template <class S, class D>
  using AttentionLinear = Linear<S, D, Trained, Trained>;  ///< weights and biases
  template <class S, class D>
  using MlpLinear = Linear<S, D, Trained, Trained>;  ///< weights and biases
  template <class S, class D>
  using PatchLinear = Linear<S, D, Trained, Trained>;  ///< weight and bias
  template <class S, class D>
  using NeckLinear = Linear<S, D, Trained, Absent>;  ///< weights
  using RelativePositions = Trained;                 ///< both tables of every block
  using NeckNormWeight = Trained;                    ///< with both rules
};

/// Every weight of the image encoder and of the mask decoder, as MedSAM (Nature Communications 2024) trains them; here
/// with label names for prompts instead of boxes, so with TAL. What it trains is what FullFineTuning does. paper: of
/// the decoder what a single mask's loss reaches; release: all of it, as the published code asks for.
template <Rule rule = Rule::paper>
struct MedSAM : FullFineTuning<rule> {
  static constexpr const char* name = "medsam";  ///< in files
};

/// SonoSAM (arXiv 2310.16872): the prompt encoder and the mask decoder, on the image encoder's features as they are;
/// here with label names for prompts instead of clicks, so with TAL. It has no public code, and what it trains could
/// not be checked: this is our reading. paper and release as of MedSAM.
template <Rule which = Rule::paper>
struct SonoSAM : FrozenRecipe {
  static constexpr const char* name = "sonosam";  ///< in files
  static constexpr Rule rule = which;             ///< of the decoder
  template <class S, class D>
  using DecoderLinear = Linear<S, D, Trained, Trained>;  ///< all of the transformer
  using PromptEncoder = Trained;                         ///< its no-mask embedding is reached
  using DecoderNorm = Trained;                           ///< the transformer's norms
  using DecoderMask = Trained;                           ///< tokens, upscaling, the single mask's hypernetwork
  using DecoderMultimask = std::conditional_t<which == Rule::release, Trained, Frozen>;  ///< the other masks'
  using TextAffine = Trained;                                                            ///< labels are prompts here
};

/// BitFit (ACL 2022): the biases of SAM, those of its norms too, and TAL. paper: those that a single mask's loss
/// reaches; release: every one, the other masks', the IoU head's and the prompt encoder's too.
template <Rule which = Rule::paper>
struct BitFit : FrozenRecipe {
  static constexpr const char* name = "bitfit";  ///< in files
  static constexpr Rule rule = which;            ///< of decoder and prompt encoder
  template <class S, class D>
  using AttentionLinear = Linear<S, D, Frozen, Trained>;  ///< biases only
  template <class S, class D>
  using MlpLinear = Linear<S, D, Frozen, Trained>;  ///< biases only
  template <class S, class D>
  using PatchLinear = Linear<S, D, Frozen, Trained>;  ///< bias only
  template <class S, class D>
  using DecoderLinear = Linear<S, D, Frozen, Trained>;  ///< biases only
  using BlockNorm = BiasesTrained;                      ///< norm1 and norm2
  using NeckNormBias = Trained;                         ///< the neck's only biases
  using DecoderNorm = BiasesTrained;                    ///< the transformer's norms
  using DecoderMask = BiasesTrained;                    ///< of the upscaling and the single mask's hypernetwork
  using DecoderMultimask = std::conditional_t<which == Rule::release, BiasesTrained, Frozen>;  ///< the other masks'
  using PromptEncoder = DecoderMultimask;                                                      ///< of mask prompts
  using TextAffine = Trained;  ///< it has no pretrained weights
};

/// SSF (NeurIPS 2022): scale and shift behind every linear layer and norm of the encoder's blocks and behind the patch
/// embedding, all that the published ViT has of it; the neck, which that has not, is frozen. With TAL.
struct SSF : FrozenRecipe {
  static constexpr const char* name = "ssf";  ///< in files
  template <class S, class D>
  using AttentionLinear = SSFLinear<S, D>;  ///< qkv and proj
  template <class S, class D>
  using MlpLinear = SSFLinear<S, D>;  ///< lin1 and lin2
  template <class S, class D>
  using PatchLinear = SSFLinear<S, D>;  ///< of its patches
  template <class S, class D>
  using BlockNormLayer = SSFNorm<S, D>;  ///< norm1 and norm2
  using TextAffine = Trained;            ///< it has no pretrained weights
};

/// Layer norms and TAL only.
template <Rule rule = Rule::paper>
struct LayerNormTuning : NormsPositionsText<rule> {
  static constexpr const char* name = "layer_norm_tuning";  ///< in files
  using PositionalEmbedding = Frozen;                       ///< as SAM's
};

/// Medical SAM Adapter (2D): a bottleneck in series behind every attention and one beside every MLP (times one half) of
/// the encoder, and the mask decoder; here with label names for prompts, so with TAL. paper: of the decoder what a
/// single mask's loss reaches; release: all of it, as the published code asks for.
template <Rule which = Rule::paper>
struct MedSA : FrozenRecipe {
  static constexpr const char* name = "med_sa";  ///< in files
  static constexpr Rule rule = which;            ///< of the decoder
  template <class S, class D>
  using AttentionBranch = Bottleneck<S, D>;  ///< Space_Adapter
  template <class S, class D>
  using ParallelMlpBranch = Bottleneck<S, D, 4, std::ratio<1, 2>>;  ///< MLP_Adapter
  template <class S, class D>
  using DecoderLinear = Linear<S, D, Trained, Trained>;  ///< all of the transformer
  using DecoderNorm = Trained;                           ///< its norms
  using DecoderMask = Trained;                           ///< tokens, upscaling, the single mask's hypernetwork
  using DecoderMultimask = std::conditional_t<which == Rule::release, Trained, Frozen>;  ///< the other masks'
  using TextAffine = Trained;                                                            ///< labels are prompts here
};

/// SAMed: LoRA on q and v of the encoder's attention, the prompt encoder and the mask decoder; here with label names
/// for prompts, so with TAL. paper and release as of MedSA.
template <int Rank = 4, Rule which = Rule::paper>
struct SAMed : FrozenRecipe {
  static constexpr const char* name = "samed";  ///< in files
  static constexpr Rule rule = which;           ///< of the decoder
  template <class S, class D>
  using QkvLinear = QvLoRALinear<S, D, Rank>;  ///< q and v only
  template <class S, class D>
  using DecoderLinear = Linear<S, D, Trained, Trained>;  ///< all of the transformer
  using PromptEncoder = Trained;                         ///< its no-mask embedding is reached
  using DecoderNorm = Trained;                           ///< the transformer's norms
  using DecoderMask = Trained;                           ///< tokens, upscaling, the single mask's hypernetwork
  using DecoderMultimask = std::conditional_t<which == Rule::release, Trained, Frozen>;  ///< the other masks'
  using TextAffine = Trained;                                                            ///< labels are prompts here
};

}  // namespace recipes
}  // namespace ssam::inline SSAM_ABI
