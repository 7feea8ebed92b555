// Where nothing of the image encoder is trained, it runs once for a picture; nothing else changes.

#include <doctest/doctest.h>

#include <ssam/train/embedding_cache.hpp>

#include "small_run.hpp"

using namespace ssam;

namespace {

/// A recipe that leaves the encoder alone.
struct DecoderAlone : FrozenRecipe {
  static constexpr const char* name = "decoder_alone";
  template <class S, class D>
  using DecoderLinear = Linear<S, D, Trained, Trained>;
  using DecoderNorm = Trained;
  using TextAffine = Trained;
};

int images_encoded = 0;

/// SAM's encoder, which counts.
template <class Scalar, class Device, class Recipe>
class CountedEncoder : public ImageEncoderViT<Scalar, Device, Recipe> {
 public:
  using Base = ImageEncoderViT<Scalar, Device, Recipe>;
  using Base::Base;
  typename Base::View forward(Context<Device>& context, typename Base::ConstView images, typename Base::Record& record,
                              bool keep) const {
    images_encoded += static_cast<int>(images.dim(0));
    return Base::forward(context, images, record, keep);
  }
};

using CountedSam = TextPromptedSam<float, Cpu, DecoderAlone, CountedEncoder>;
static_assert(TrainsBehindFeatures<CountedSam>);
static_assert(!TrainsBehindFeatures<TextPromptedSam<float, Cpu, recipes::SSam<>>>);

/// SAM's encoder with a running statistic, which training changes without a gradient.
template <class Scalar, class Device, class Recipe>
class TrackingEncoder : public ImageEncoderViT<Scalar, Device, Recipe> {
 public:
  using Base = ImageEncoderViT<Scalar, Device, Recipe>;
  constexpr TrackingEncoder() = default;
  constexpr explicit TrackingEncoder(const SamConfig& config) : Base(config), mean(Shape{config.out_channels}) {}
  Parameter<Scalar, Device, Tracked> mean;
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    Base::visit(self, visitor);
    visitor.parameter("running_mean", self.mean, Group::buffer);
  }
};
static_assert(!TrainsBehindFeatures<TextPromptedSam<float, Cpu, DecoderAlone, TrackingEncoder>>);

/// What a run with this memory for embeddings comes to.
struct KeptRun {
  StateDict state;
  std::vector<nlohmann::json> metrics;
  TrainResult result;
  int encoded = 0;
};

KeptRun run_with(const test::SmallRun<DecoderAlone>& run, const Dataset& data, std::size_t bytes,
                 const std::string& out) {
  CountedSam model(run.config);
  randomize(model, Random(7));
  Context<Cpu> context(2);
  TrainOptions options = run.options;
  options.embedding_bytes = bytes;
  images_encoded = 0;
  KeptRun kept;
  kept.result =
      train(context, model, data,
            {.validation = &run.validation, .features = run.features, .options = options, .out = run.folder / out});
  kept.encoded = images_encoded;
  kept.state = test::everything(model);
  kept.metrics = test::metrics(run.folder / out);
  return kept;
}

constexpr std::size_t plenty = std::size_t{1} << 30;

}  // namespace

TEST_CASE("pictures that are not augmented are encoded twice in training and once in validation, whatever the epochs") {
  test::SmallRun<DecoderAlone> run;  // 5 pictures of 2 labels, and 3 to validate
  run.manifest.augment = {.rotation = false};
  run.options.epochs = 4;
  const Dataset data(run.manifest, Split::train, run.config.image_size, run.config.preparation);
  const KeptRun without = run_with(run, data, 0, "without"), with = run_with(run, data, plenty, "with");
  CHECK(without.encoded == 4 * (5 * 2 + 3));
  CHECK(without.result.reused_embeddings == 0);
  CHECK(with.encoded == 2 * 5 + 3);
  CHECK(with.encoded + with.result.reused_embeddings == without.encoded);
  CHECK(with.state.tensors == without.state.tensors);
  CHECK(with.metrics == without.metrics);
}

TEST_CASE("augmented pictures are encoded as they come out, labels apart and together, with the same bits") {
  for (const bool together : {false, true}) {
    test::SmallRun<DecoderAlone> run;
    run.manifest.augment.flip = true;
    run.options.epochs = 6;
    run.options.batch = 4;
    run.options.labels_together = together;
    const Dataset data(run.manifest, Split::train, run.config.image_size, run.config.preparation);
    const KeptRun without = run_with(run, data, 0, "without"), with = run_with(run, data, plenty, "with");
    CHECK(without.encoded == 6 * (together ? 5 + 3 : 5 * 2 + 3));
    CHECK(with.encoded < without.encoded - 5 * 3);  // the validation's alone
    CHECK(with.encoded > 2 * 5 + 3);
    CHECK(with.state.tensors == without.state.tensors);
    CHECK(with.metrics == without.metrics);
    // Too little memory for all: fewer are kept, and nothing else is different.
    const KeptRun some = run_with(run, data, 6000, "some");
    CHECK(some.encoded > with.encoded);
    CHECK(some.encoded < without.encoded);
    CHECK(some.state.tensors == without.state.tensors);
  }
}

TEST_CASE("a cache of embeddings keeps its limit, and finds what it kept in every pass") {
  Context<Cpu> context(1);
  int made = 0;
  const auto ask = [&](EmbeddingCache& cache, float picture, EmbeddingCache::Keep keep) {
    WorkspaceScope<Cpu> scope(context);
    const std::vector<float> values(12, picture);
    const auto features = cache.features<float>(context, values, keep, [&] {
      ++made;
      const auto view = allocate<float>(context, {1, 10, 10, 2});
      ops::fill<float>(context, view, 10 * picture);
      return view;
    });
    CHECK(features.shape() == Shape{1, 10, 10, 2});
    CHECK(features.data()[199] == 10 * picture);
  };
  EmbeddingCache two(2 * (800 + 256) + 100);
  for (int pass = 0; pass < 3; ++pass) {
    for (const float picture : {1.0f, 2.0f, 3.0f, 4.0f}) ask(two, picture, EmbeddingCache::Keep::at_once);
  }
  CHECK(made == 4 + 2 + 2);
  CHECK(two.reused() == 4);
  CHECK(two.bytes() <= 2 * (800 + 256) + 100);
  made = 0;
  EmbeddingCache second(100000), none(0);
  for (int pass = 0; pass < 4; ++pass) ask(second, 1, EmbeddingCache::Keep::second_time);
  CHECK(made == 2);
  for (const float picture : {2.0f, 3.0f, 4.0f}) ask(second, picture, EmbeddingCache::Keep::second_time);
  CHECK(second.bytes() == 4 * 256 + 800);
  made = 0;
  for (int pass = 0; pass < 3; ++pass) ask(none, 1, EmbeddingCache::Keep::at_once);
  CHECK(made == 3);
  CHECK(none.bytes() == 0);
}

TEST_CASE("a cache of embeddings tells scalar types and models of other features apart, and forgets") {
  Context<Cpu> context(1);
  EmbeddingCache cache(100000);
  int made = 0;
  const auto ask = [&]<class Scalar>(Scalar value, float picture, Index channels) {
    WorkspaceScope<Cpu> scope(context);
    const std::vector<float> values(12, picture);
    const auto features = cache.features<Scalar>(context, values, EmbeddingCache::Keep::at_once, [&] {
      ++made;
      const auto view = allocate<Scalar>(context, {1, 2, 2, channels});
      ops::fill<Scalar>(context, view, value);
      return view;
    });
    CHECK(features.shape() == Shape{1, 2, 2, channels});
    return features.data()[0];
  };
  CHECK(ask(1.0f, 1, 3) == 1);
  CHECK(ask(2.0, 1, 3) == 2);  // in double precision, of the same picture
  CHECK(ask(3.0f, 1, 3) == 1);
  CHECK(made == 2);
  CHECK(cache.reused() == 1);
  CHECK(test::contains(test::message_of<ShapeError>([&] { ask(1.0f, 2, 4); }), "another model"));
  cache.clear();
  CHECK(cache.bytes() == 0);
  CHECK(ask(4.0f, 1, 4) == 4);
  CHECK(ask(5.0f, 1, 4) == 4);
}
