#include <doctest/doctest.h>

#include <ssam/core/context.hpp>

using namespace ssam;

TEST_CASE("a warm workspace allocates nothing and hands out aligned, disjoint memory") {
  Context<Cpu> context(1);
  auto step = [&] {
    WorkspaceScope<Cpu> scope(context);
    auto first = allocate<float>(context, {1000, 1000});
    auto second = allocate<double>(context, {7});
    CHECK(reinterpret_cast<std::uintptr_t>(second.data()) % 64 == 0);
    first.data()[first.size() - 1] = 3;
    WorkspaceScope<Cpu> inner(context);
    auto third = allocate<float>(context, {3000, 1000});
    for (Index i = 0; i < third.size(); ++i) third.data()[i] = 1;
    for (Index i = 0; i < second.size(); ++i) second.data()[i] = 2;
    CHECK(first.data()[first.size() - 1] == 3);
    CHECK(third.data()[third.size() - 1] == 1);
  };
  step();
  step();
  const std::size_t warm = context.workspace.allocations();
  for (int i = 0; i < 3; ++i) step();
  CHECK(context.workspace.allocations() == warm);
  CHECK(context.workspace.peak() == 16'000'256);
  CHECK(context.workspace.capacity() == context.workspace.peak());
}

TEST_CASE("parallel_for carries an exception out and runs every index once") {
  Context<Cpu> context(2);
  std::vector<int> seen(100);
  context.parallel_for(100, [&](Index i) { ++seen[static_cast<std::size_t>(i)]; });
  CHECK(seen == std::vector<int>(100, 1));
  CHECK_THROWS_AS(context.parallel_for(100,
                                       [](Index i) {
                                         if (i == 50) throw ShapeError("planted");
                                       }),
                  ShapeError);
}

TEST_CASE("shapes refuse what cannot be counted") {
  CHECK(Shape{2, 0, 3}.elements() == 0);
  CHECK(Shape{}.elements() == 1);
  CHECK_THROWS_AS(Shape({-1}), ShapeError);
  CHECK_THROWS_AS((void)Shape({Index{1} << 32, Index{1} << 32}).elements(), ShapeError);
  CHECK(Shape{2, 3}.str() == "[2, 3]");
}
