#include <doctest/doctest.h>

#include <ssam/sam/svd_cache.hpp>

#include "../small_model.hpp"

using namespace ssam;
using Recipe = recipes::SSam<>;

namespace {

constexpr const char* base = "00000000000000000000000000000001";

/// Prepares a fresh model beside `checkpoint` and checks that its factors are those of `expected`.
SvdCacheReport prepare_and_compare(const std::filesystem::path& checkpoint, const std::string& hash,
                                   const TextPromptedSam<float, Cpu, Recipe>& expected) {
  auto model = test::random_model<Recipe>(test::small_config());
  Context<Cpu> context(2);
  model.set_base_hash(hash);
  const SvdCacheReport report = prepare_cached(context, model, checkpoint);
  CHECK(model.sam.image_encoder.neck2.linear.prepared());
  std::vector<std::vector<float>> ours, theirs;
  const auto collect = [](auto& into) {
    return [&into](const Path&, const auto& layer) {
      if constexpr (FactoredLayer<decltype(layer)>) {
        for (const auto* part : {&layer.factors.u, &layer.factors.s, &layer.factors.vt})
          into.push_back(part->to_host());
      }
    };
  };
  walk_layers(model, collect(ours));
  walk_layers(expected, collect(theirs));
  CHECK(ours == theirs);
  return report;
}

}  // namespace

TEST_CASE("SVD factors are computed once, and never taken from a wrong file") {
  const test::Folder folder;
  const std::filesystem::path checkpoint = folder / "sam.pth", cache = svd_cache_file(checkpoint);
  const auto expected = test::prepared_model<Recipe>(test::small_config());
  const SvdCacheReport first = prepare_and_compare(checkpoint, base, expected);
  const Index layers = first.computed;
  CHECK(layers == 2 * 4 + 2);
  CHECK(first.read == 0);
  CHECK(first.written);
  CHECK(cache == folder / "sam.pth.svd.safetensors");
  const std::string good = test::read_text(cache);

  const SvdCacheReport second = prepare_and_compare(checkpoint, base, expected);
  CHECK(second.read == layers);
  CHECK(second.computed == 0);
  CHECK_FALSE(second.written);

  SUBCASE("stale") {
    const SvdCacheReport report = prepare_and_compare(checkpoint, "another hash", expected);
    CHECK(report.computed == layers);
    CHECK(report.written);
    CHECK(test::contains(report.note, "stale"));
  }
  SUBCASE("a flipped byte, anywhere in the data") {
    const std::size_t header = 8 + static_cast<std::size_t>(load_safetensors(cache).tensors.size());
    for (const std::size_t at : {good.size() - 1, good.size() / 2, (good.size() + header) / 2}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 1);
      test::write_text(cache, bad);
      const SvdCacheReport report = prepare_and_compare(checkpoint, base, expected);
      CHECK(report.computed == layers);
      CHECK(report.written);
      CHECK(test::read_text(cache) == good);
    }
  }
  SUBCASE("truncated, empty, not a cache") {
    for (const std::string& bad :
         {good.substr(0, good.size() / 2), good.substr(0, 5), std::string(), "hello " + good}) {
      test::write_text(cache, bad);
      CHECK(prepare_and_compare(checkpoint, base, expected).computed == layers);
      CHECK(test::read_text(cache) == good);
    }
  }
  SUBCASE("another file of this name stays") {
    save_sealed(cache, StateDict{});
    const SvdCacheReport report = prepare_and_compare(checkpoint, base, expected);
    CHECK(report.computed == layers);
    CHECK_FALSE(report.written);
    CHECK(test::contains(report.note, "another file has their name"));
    CHECK(load_sealed(cache).tensors.empty());
  }
  SUBCASE("another precision") {
    StateDict state = load_safetensors(cache);
    for (auto& [name, tensor] : state.tensors) tensor = tensor.converted(DType::f16);
    save_sealed(cache, state);
    CHECK(prepare_and_compare(checkpoint, base, expected).computed == layers);
  }
  SUBCASE("some layers only") {
    StateDict state = load_safetensors(cache);
    state.tensors.erase("image_encoder.neck.0.s");
    save_sealed(cache, state);
    const SvdCacheReport report = prepare_and_compare(checkpoint, base, expected);
    CHECK(report.read == layers - 1);
    CHECK(report.computed == 1);
    CHECK(test::read_text(cache) == good);
  }
}

TEST_CASE("a place where no cache can be written is no error") {
  const test::Folder folder;
  const auto expected = test::prepared_model<Recipe>(test::small_config());
  const SvdCacheReport report = prepare_and_compare(folder / "no such folder/sam.pth", base, expected);
  CHECK_FALSE(report.written);
  CHECK(report.computed == 10);
  CHECK(test::contains(report.note, "folder is not there"));
}
