#include <doctest/doctest.h>

#include <ssam/sam/parameter_count.hpp>

using namespace ssam;
using namespace ssam::recipes;

namespace {

// The published figures, each a constant expression of the model itself. SAM by parts:
template <class Model>
constexpr Index size_of_part(const Model& model, std::string_view part) {
  Index count = 0;
  walk(model, [&](const Path& path, const auto& parameter, Group group, Layout) {
    if (group != Group::buffer && path.starts_with(part)) count += parameter.value.size();
  });
  return count;
}
constexpr Index encoder_size(const SamConfig& config) {
  return size_of_part(Sam<float, Meta>(config), "image_encoder");
}
constexpr Index encoder_group(const SamConfig& config, Group wanted, bool blocks_only, std::string_view prefix = {}) {
  const ImageEncoderViT<float, Meta, ZeroShot> encoder(config);
  Index count = 0;
  walk(encoder, [&](const Path& path, const auto& parameter, Group group, Layout) {
    if (group != wanted || (blocks_only && !path.starts_with("blocks"))) return;
    if (!prefix.empty() && std::string_view(path[path.depth() - 1].name).substr(0, prefix.size()) != prefix) return;
    count += parameter.value.size();
  });
  return count;
}
// "biases" in the published table: every parameter named bias, the norms' included.
constexpr Index encoder_biases(const SamConfig& config) {
  return encoder_group(config, Group::biases, false) + encoder_group(config, Group::norms, false, "bias");
}

static_assert(encoder_size(vit_b()) == 89'670'912);
static_assert(encoder_size(vit_l()) == 308'278'272);
static_assert(encoder_size(vit_h()) == 637'026'048);
static_assert(encoder_group(vit_b(), Group::norms, true) == 36'864);
static_assert(encoder_group(vit_l(), Group::norms, true) == 98'304);
static_assert(encoder_group(vit_h(), Group::norms, true) == 163'840);
static_assert(encoder_biases(vit_b()) == 102'656);
static_assert(encoder_biases(vit_l()) == 271'872);
static_assert(encoder_biases(vit_h()) == 452'352);
static_assert(encoder_group(vit_b(), Group::positional, true, "rel_pos") == 92'672);
static_assert(encoder_group(vit_l(), Group::positional, true, "rel_pos") == 134'144);
static_assert(encoder_group(vit_h(), Group::positional, true, "rel_pos") == 202'240);
static_assert(size_of_part(Sam<float, Meta>(vit_b()), "prompt_encoder") == 6'220);
static_assert(size_of_part(Sam<float, Meta>(vit_b()), "mask_decoder") == 4'058'340);

constexpr Index tal = 131'840;
static_assert(parameter_count<ZeroShot>(vit_b()).total - tal == 93'735'472);
static_assert(parameter_count<ZeroShot>(vit_l()).total - tal == 312'342'832);
static_assert(parameter_count<ZeroShot>(vit_h()).total - tal == 641'090'608);
static_assert(parameter_count<ZeroShot>(vit_b()).trained == 0);

// Trained, ViT-B, release naming rule.
static_assert(parameter_count<SSam<Rule::release>>(vit_b(256)).trained == 444'672);
static_assert(parameter_count<SSam<Rule::release>>(vit_b(512)).trained == 1'034'496);
static_assert(parameter_count<SSam<Rule::release>>(vit_b(1024)).trained == 3'393'792);
static_assert(parameter_count<LoRA<4, Rule::release>>(vit_b(256)).trained == 974'080);
static_assert(parameter_count<LoRA<4, Rule::release>>(vit_b(512)).trained == 1'563'904);
static_assert(parameter_count<LoRA<4, Rule::release>>(vit_b(1024)).trained == 3'923'200);
static_assert(parameter_count<BiasTuning<Rule::release>>(vit_b(256)).trained == 4'507'876);
static_assert(parameter_count<BiasTuning<Rule::release>>(vit_b(512)).trained == 5'097'700);
static_assert(parameter_count<BiasTuning<Rule::release>>(vit_b(1024)).trained == 7'456'996);
// The release model has neither windows nor relative positions; what S-SAM trains in it is the same.
static_assert(parameter_count<SSam<Rule::release>>(svdsam_release(vit_b(256))).trained == 444'672);

// ... and by group.
constexpr ParameterCount ssam_256 = parameter_count<SSam<Rule::release>>(vit_b(256));
static_assert(ssam_256.group(CountGroup::singular_values) == 73'728 + 1'024);
static_assert(ssam_256.group(CountGroup::norms) == 36'864);
static_assert(ssam_256.group(CountGroup::positional) == 16 * 16 * 768);
static_assert(ssam_256.group(CountGroup::text_affine) == tal);
static_assert(ssam_256.group(CountGroup::decoder) == 4'608);
static_assert(ssam_256.group(CountGroup::low_rank) == 0);

// The paper's rule: the neck's norms instead of the decoder's.
constexpr ParameterCount paper_256 = parameter_count<SSam<Rule::paper>>(vit_b(256));
static_assert(paper_256.trained == 444'672 - 4'608 + 4 * 256);

// The same at other sizes, by the one thing that changes: the positional embedding; and for the larger backbones.
template <class Recipe>
constexpr bool grows_by_positions(SamConfig (*backbone)(Index)) {
  const Index channels = backbone(256).embed_dim;
  const Index at_256 = parameter_count<Recipe>(backbone(256)).trained;
  return parameter_count<Recipe>(backbone(512)).trained - at_256 == (32 * 32 - 16 * 16) * channels &&
         parameter_count<Recipe>(backbone(1024)).trained - at_256 == (64 * 64 - 16 * 16) * channels;
}
static_assert(grows_by_positions<SSam<Rule::release>>(vit_l));
static_assert(grows_by_positions<LoRA<4, Rule::release>>(vit_l));
static_assert(grows_by_positions<BiasTuning<Rule::paper>>(vit_b));

}  // namespace

TEST_CASE("a count's groups add up to what is trained, in every recipe") {
  const auto check = [](const ParameterCount& count) {
    Index sum = 0;
    for (const Index group : count.groups) sum += group;
    CHECK(sum == count.trained);
    CHECK(count.trained <= count.total);
  };
  check(parameter_count<SSam<Rule::paper>>(vit_h(1024)));
  check(parameter_count<SSam<Rule::release>>(vit_l(512)));
  check(parameter_count<LoRA<8, Rule::paper>>(vit_h(256)));
  check(parameter_count<BiasTuning<Rule::release>>(vit_l(1024)));
  check(parameter_count<FullFineTuning<Rule::paper>>(vit_b(1024)));
  check(parameter_count<LayerNormTuning<Rule::paper>>(vit_b(256)));
}

namespace {
// Medical SAM Adapter and SAMed in SAM ViT-B, by the counts of their published code.
constexpr ParameterCount med_sa = parameter_count<recipes::MedSA<>>(vit_b(256));
static_assert(med_sa.group(CountGroup::bottleneck) == 7'100'928);
static_assert(med_sa.group(CountGroup::decoder) == 3'506'304);
static_assert(parameter_count<recipes::MedSA<Rule::release>>(vit_b(256)).group(CountGroup::decoder) == 4'058'340);
constexpr ParameterCount samed = parameter_count<recipes::SAMed<>>(vit_b(512));
static_assert(samed.group(CountGroup::low_rank) == 147'456);
static_assert(parameter_count<recipes::SAMed<4, Rule::release>>(vit_b(512)).group(CountGroup::decoder) == 4'058'340);
static_assert(parameter_count<recipes::SAMed<4, Rule::release>>(vit_b(512)).trained - tal ==
              147'456 + 6'220 + 4'058'340);

// MedSAM: SAM without the prompt encoder. SonoSAM: SAM without the image encoder.
static_assert(parameter_count<recipes::MedSAM<Rule::release>>(vit_b()).trained - tal == 93'729'252);
static_assert(parameter_count<recipes::MedSAM<>>(vit_b()).trained - tal == 89'670'912 + 3'506'304);
static_assert(parameter_count<recipes::SonoSAM<Rule::release>>(vit_b()).trained - tal == 4'058'340 + 6'220);
static_assert(parameter_count<recipes::SonoSAM<>>(vit_b()).trained - tal == 3'506'304 + 6'220);
static_assert(!TextPromptedSam<float, Cpu, recipes::SonoSAM<>>::trains_encoder);

// SSF: twice the channels behind norm1, qkv, proj, norm2, lin1 and lin2 of 12 blocks and behind the patch embedding.
constexpr ParameterCount ssf = parameter_count<recipes::SSF>(vit_b());
static_assert(ssf.group(CountGroup::scale_shift) == 12 * 2 * (768 + 2'304 + 768 + 768 + 3'072 + 768) + 2 * 768);
static_assert(ssf.trained - tal == 204'288);

// S-SAM of the largest singular values: a scale and a shift for each of them in 48 layers and 2 convolutions.
static_assert(parameter_count<SSamTop<64>>(vit_b(256)).group(CountGroup::singular_values) == 2 * 64 * (48 + 2));
static_assert(parameter_count<SSamTop<512>>(vit_b(256)).group(CountGroup::singular_values) == 2 * (512 * 48 + 256 * 2));
static_assert(parameter_count<SSamTop<768>>(vit_b(256)).trained == paper_256.trained);
// S-SAM's ablation, row by row.
static_assert(parameter_count<AblationPositions>(vit_b(256)).trained == 16 * 16 * 768);
static_assert(parameter_count<AblationNorms<>>(vit_b(256)).trained == 196'608 + 36'864 + 4 * 256);
static_assert(parameter_count<AblationText<>>(vit_b(256)).trained == 234'496 + tal);
static_assert(parameter_count<AblationScale<>>(vit_b(256)).trained == 366'336 + 74'752 / 2);
static_assert(parameter_count<AblationShift<>>(vit_b(256)).trained == 366'336 + 74'752 / 2);
static_assert(paper_256.trained == 366'336 + 74'752);

// BitFit: what is named bias, in all of SAM or on the way to a single mask.
constexpr Index biases_of_part(std::string_view part) {
  Index count = 0;
  const Sam<float, Meta> model(vit_b());
  walk(model, [&](const Path& path, const auto& parameter, Group, Layout) {
    const bool bias = std::string_view(path[path.depth() - 1].name) == "bias";
    if (bias && path.starts_with(part)) count += parameter.value.size();
  });
  return count;
}
constexpr ParameterCount bitfit = parameter_count<recipes::BitFit<Rule::release>>(vit_b());
static_assert(bitfit.trained - tal == 102'656 + biases_of_part("mask_decoder") + biases_of_part("prompt_encoder"));
static_assert(bitfit.group(CountGroup::decoder) == biases_of_part("mask_decoder"));
static_assert(biases_of_part("prompt_encoder") == 296);
// 3 hypernetworks of 256 + 256 + 32, and the IoU head's 256 + 256 + 4, are not on the way.
static_assert(parameter_count<recipes::BitFit<>>(vit_b()).group(CountGroup::decoder) ==
              biases_of_part("mask_decoder") - 3 * (256 + 256 + 32) - (256 + 256 + 4));
}  // namespace
