#include <doctest/doctest.h>

#include <atomic>
#include <ssam/core/context.hpp>
#include <thread>

using namespace ssam;

#if defined(_OPENMP)
namespace {

/// The threads that a parallel loop of the context really has.
int threads_of_a_loop(Context<Cpu>& context) {
  std::atomic<int> threads{0};
  context.parallel_for(64, [&](Index) { threads = omp_in_parallel() ? omp_get_num_threads() : 1; });
  return threads;
}

}  // namespace

TEST_CASE("a context leaves OpenMP's settings to the program around it") {
  const int before = omp_get_max_threads(), by_default = Context<Cpu>().threads();
  Context<Cpu> one(1), three(3);
  CHECK(omp_get_max_threads() == before);
  one.parallel_tasks(4, [](Context<Cpu>& own, Index) { CHECK(own.threads() == 1); });
  three.parallel_tasks(4, [](Context<Cpu>&, Index) {});
  CHECK(omp_get_max_threads() == before);
  CHECK(threads_of_a_loop(three) == 3);
  CHECK(threads_of_a_loop(one) == 1);
  CHECK(Context<Cpu>().threads() == by_default);  // not that of the contexts before it
  CHECK(Context<Cpu>(5).threads() == 5);
}

TEST_CASE("contexts of different sizes work side by side") {
  std::atomic<int> wrong{0};
  const auto work = [&](int threads) {
    Context<Cpu> context(threads);
    for (int i = 0; i < 50; ++i) wrong += threads_of_a_loop(context) != threads;
  };
  std::thread first(work, 2), second(work, 4);
  first.join();
  second.join();
  CHECK(wrong == 0);
}
#endif
