// bench_steps WORK IMAGE BATCH [LABELS]: one job of a user, SAM ViT-B of random weights, in a process of its own, so
// that the kernel's peak of its memory is the job's. With --served it runs what each line of stdin asks for and answers
// with a line of JSON: compare_cpu.py takes turns that way between it and other libraries.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <ssam/ops/cpu/provider.hpp>

#include "jobs.hpp"
#include "rates.hpp"

namespace {

using namespace ssam;

struct Request {
  std::string work, device = "cpu";
  Index image = 256, batch = 1, labels = 1;
  int threads = 0, rounds = 3;
  bool recompute = false, served = false;

  bench::Method method() const {
    return work == "encoder" ? bench::Method::encode
           : work == "ssam"  ? bench::Method::ssam
           : work == "lora"  ? bench::Method::lora
                             : bench::Method::full;
  }
};

double seconds(const std::function<void()>& f) { return bench::shortest_time(1, f); }

/// Bytes of main memory that the process has held at most.
std::size_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

template <class Device>
std::function<void()> make_step(Context<Device>& context, const Request& request) {
  const auto keep = [&context]<class Job>(std::shared_ptr<Job> job) { return [job, &context] { (*job)(context); }; };
  const Index size = request.image, batch = request.batch, labels = request.labels;
  const auto training = [&]<class Recipe>(Recipe) {
    return keep(std::make_shared<bench::TrainingStep<Device, Recipe>>(context, size, batch, labels, request.recompute));
  };
  switch (request.method()) {
    case bench::Method::encode:
      return keep(std::make_shared<bench::Embedding<Device>>(context, size, batch));
    case bench::Method::ssam:
      return training(recipes::SSam<Rule::paper>());
    case bench::Method::lora:
      return training(recipes::LoRA<4, Rule::paper>());
    case bench::Method::full:
      return training(recipes::FullFineTuning<Rule::paper>());
  }
  return {};
}

/// Seconds that the encoder's attention takes of a step: one block of each kind alone, times their number.
template <class Device>
double attention_seconds(Context<Device>& context, const Request& request) {
  const SamConfig config = vit_b(request.image);
  double total = 0;
  for (const bool global : {false, true}) {
    Index blocks = 0;
    for (Index block = 0; block < config.depth; ++block) blocks += config.is_global(block) == global ? 1 : 0;
    bench::EncoderAttention<Device> attention(request.batch, config.grid(), global ? 0 : config.window);
    const auto run = [&] {
      WorkspaceScope<Device> scope(context);
      attention.forward(context);
      if (request.method() != bench::Method::encode) attention.backward(context);
    };
    run();
    total += bench::count(blocks) * bench::shortest_time(3, run);
  }
  return total;
}

template <class Device>
int run(const Request& request) {
  Context<Device> context(request.threads);
  Context<Cpu> host(context.threads());
  const std::function<void()> step = make_step(context, request);
  const bench::StepFlops flops = step_flops(vit_b(request.image), request.method(), request.batch, request.labels);
  if (request.served) {
    const auto say = [](const nlohmann::json& answer) { std::cout << answer << std::endl; };
    say({{"threads", context.threads()},
         {"provider", ops::matrix_provider()},
         {"flops",
          {{"linear", flops.linear},
           {"windows", flops.windows},
           {"global", flops.global},
           {"convolutions", flops.convolutions},
           {"decoder", flops.decoder},
           {"total", flops.total()}}}});
    for (std::string line; std::getline(std::cin, line);) {
      if (line == "step") say({{"seconds", seconds(step)}});
      if (line == "attention") say({{"seconds", attention_seconds(context, request)}});
      if (line == "fma") say({{"flops_per_second", bench::fma_rate(host)}});
      if (line == "memory") say({{"bytes", peak_memory()}});
    }
    return 0;
  }
  step();
  std::vector<double> times;
  for (int round = 0; round < request.rounds; ++round) times.push_back(seconds(step));
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  const std::size_t memory = peak_memory();
  const double share = attention_seconds(context, request) / median, peak = bench::fma_rate(host);
  std::printf("%s, %d px, batch %d, %d labels each, on %s, %d threads: %.3f s (median of %d, from %.3f to %.3f)\n",
              request.work.c_str(), int(request.image), int(request.batch), int(request.labels), request.device.c_str(),
              context.threads(), median, request.rounds, times.front(), times.back());
  std::printf("  %.1f GFLOP at %.1f GFLOP/s, %.0f%% of the processor's FMA rate of %.1f\n", flops.total() * 1e-9,
              flops.total() / median * 1e-9, 100 * flops.total() / median / peak, peak * 1e-9);
  std::printf("  attention %.0f%%, peak of memory %.2f GB, %.2f (image, label) pairs per second\n", 100 * share,
              static_cast<double>(memory) * 1e-9, bench::count(request.batch * request.labels) / median);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  Request request;
  CLI::App app("One job of a user: embedding images or a training step, SAM ViT-B of random weights, timed.");
  app.add_option("WORK", request.work, "encoder, or a training step: ssam, lora (rank 4), full")
      ->required()
      ->check(CLI::IsMember({"encoder", "ssam", "lora", "full"}));
  app.add_option("IMAGE", request.image, "side of the images in pixels")->required()->check(CLI::Range(16, 4096));
  app.add_option("BATCH", request.batch, "images of a step")->required()->check(CLI::Range(1, 1024));
  app.add_option("LABELS", request.labels, "labels that each image is asked for in a training step")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--device", request.device)->check(CLI::IsMember({"cpu", "cpu_bf16"}))->capture_default_str();
  app.add_option("--threads", request.threads, "0: SSAM_THREADS, else all cores")
      ->check(CLI::Range(0, max_threads))
      ->capture_default_str();
  app.add_option("--rounds", request.rounds, "steps that are timed, after one that is not")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_flag("--recompute", request.recompute, "computes the encoder's blocks again in the backward pass");
  app.add_flag("--served", request.served, "runs what stdin asks for, line by line: step, attention, fma, memory");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return request.device == "cpu" ? run<Cpu>(request) : run<CpuBf16>(request);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
