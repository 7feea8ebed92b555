#include <cstdio>

#include "arguments.hpp"
#include "console.hpp"
#include "demo/generators.hpp"

namespace ssam::cli {

namespace {

struct ScenesOptions {
  std::string kind = "scenes";
  std::filesystem::path out;
  demo::SplitCounts counts{.train = 200, .val = 40, .test = 40};
  Index size = 128;
  std::uint64_t seed = 0;
};

int scenes(const ScenesOptions& options) {
  const demo::Kind kind = options.kind == "scenes" ? demo::Kind::scenes : demo::Kind::phantoms;
  const auto manifest = demo::write_dataset(kind, options.out, options.counts, options.size, options.seed);
  std::printf("%s: %s pictures of %lld px\n", manifest.string().c_str(),
              with_commas(options.counts.train + options.counts.val + options.counts.test).c_str(),
              static_cast<long long>(options.size));
  return 0;
}

}  // namespace

void add_scenes(Program& program) {
  auto* verb =
      program.app.add_subcommand("scenes", "Draw a data set: everyday-like scenes or ultrasound-like phantoms");
  auto options = std::make_shared<ScenesOptions>();
  verb->add_option("--kind", options->kind, "scenes or phantom")
      ->capture_default_str()
      ->check(CLI::IsMember({"scenes", "phantom"}));
  verb->add_option("--out", options->out, "The folder to write: images, masks, manifest.json")
      ->required()
      ->type_name("DIR");
  add_whole(*verb, "--train", options->counts.train, "Training pictures", 0, 1'000'000);
  add_whole(*verb, "--val", options->counts.val, "Validation pictures", 0, 1'000'000);
  add_whole(*verb, "--test", options->counts.test, "Test pictures", 0, 1'000'000);
  add_whole(*verb, "--size", options->size, "Side in pixels", 32, 4096);
  add_seed(*verb, options->seed, "The same seed draws the same pictures");
  verb->footer("Example:\n  ssam scenes --kind phantom --out phantom --train 100 --val 20 --test 20 --seed 7");
  verb->callback([&program, options] { program.run = [options] { return scenes(*options); }; });
}

}  // namespace ssam::cli
