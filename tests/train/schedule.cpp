#include <doctest/doctest.h>

#include <ssam/train/options.hpp>

using namespace ssam;

TEST_CASE("learning rate schedules") {
  CHECK(lr_factor({}, 77, 100, 3) == 1);
  const ScheduleOptions steps{.kind = Schedule::step, .step_epochs = 200, .step_factor = 0.2};
  CHECK(lr_factor(steps, 0, 1, 199) == 1);
  CHECK(lr_factor(steps, 0, 1, 200) == doctest::Approx(0.2));
  CHECK(lr_factor(steps, 0, 1, 400) == doctest::Approx(0.04));
  const ScheduleOptions cosine{.kind = Schedule::cosine};
  CHECK(lr_factor(cosine, 0, 100, 0) == 1);
  CHECK(lr_factor(cosine, 50, 100, 0) == doctest::Approx(0.5));
  CHECK(lr_factor(cosine, 25, 100, 0) == doctest::Approx(0.8535534));
  const ScheduleOptions warm{.kind = Schedule::cosine, .warmup_steps = 10};
  CHECK(lr_factor(warm, 0, 110, 0) == doctest::Approx(0.1));
  CHECK(lr_factor(warm, 9, 110, 0) == doctest::Approx(1));
  CHECK(lr_factor(warm, 60, 110, 0) == doctest::Approx(0.5));
  CHECK(lr_factor(warm, 3, 5, 0) == doctest::Approx(0.4));  // a run shorter than its warm-up
  CHECK_THROWS_AS((ScheduleOptions{.warmup_steps = -1}.check()), ConfigError);
}

TEST_CASE("batches") {
  const BatchPlan even(12, 4, true), rest(11, 4, true), one(9, 4, true), one_allowed(9, 4, false), few(3, 4, true);
  CHECK(even.batches() == 3);
  CHECK(even.end(2) == 12);
  CHECK(rest.batches() == 3);
  CHECK(rest.end(2) - rest.begin(2) == 3);
  CHECK(one.batches() == 2);
  CHECK(one.end(1) - one.begin(1) == 5);
  CHECK(one.largest() == 5);
  CHECK(one_allowed.batches() == 3);
  CHECK(one_allowed.largest() == 4);
  CHECK(few.batches() == 1);
  CHECK(few.end(0) == 3);
  CHECK(BatchPlan(1, 4, true).batches() == 1);
  CHECK(BatchPlan(3, 1, true).batches() == 3);
  CHECK(BatchPlan(1, 4, false).batches() == 1);
}

TEST_CASE("the order of an epoch is a shuffle that its seeds decide") {
  const std::vector<Index> order = BatchPlan::order(50, 1, 2);
  CHECK(order == BatchPlan::order(50, 1, 2));
  CHECK(order != BatchPlan::order(50, 1, 3));
  CHECK(order != BatchPlan::order(50, 2, 2));
  std::vector<Index> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (Index i = 0; i < 50; ++i) CHECK(sorted[static_cast<std::size_t>(i)] == i);
  CHECK(order != sorted);
}
