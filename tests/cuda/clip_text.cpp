#include <doctest/doctest.h>

#include <ssam/text/clip_checkpoint.hpp>

using namespace ssam;

TEST_CASE("CLIP's text encoder gives the same features on a GPU as on the host") {
  const ClipTextConfig config{.vocabulary = 50, .context = 9, .width = 24, .heads = 3, .layers = 2, .features = 10};
  for (const bool quick_gelu : {true, false}) {
    ClipTextConfig either = config;
    either.quick_gelu = quick_gelu;
    ClipTextEncoder<float, Cpu> host(either);
    Random random(5);
    walk(host, [&](const Path&, auto& parameter, Group, Layout) {
      for (Index i = 0; i < parameter.value.size(); ++i) {
        parameter.value.data()[i] = static_cast<float>(0.3 * random.normal());
      }
    });
    ClipTextEncoder<float, Cuda> device(either);
    load_state(device, export_state(host, [](const Path&, const auto&, Group) { return true; }), "the host's");
    Context<Cpu> on_host(1);
    Context<Cuda> on_device;
    for (const std::vector<std::int32_t>& ids :
         {std::vector<std::int32_t>{48, 49}, {48, 3, 17, 3, 49, 0, 0}, {48, 1, 2, 3, 4, 5, 6, 7, 49}, {49}}) {
      const std::vector<float> expected = host.feature(on_host, ids), found = device.feature(on_device, ids);
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-5));
    }
  }
}
