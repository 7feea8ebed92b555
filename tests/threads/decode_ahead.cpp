#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <ssam/core/error.hpp>
#include <ssam/data/decode_ahead.hpp>
#include <string>
#include <vector>

using namespace ssam;

namespace {

void wait_until(const std::atomic<int>& count, int value) {
  for (int i = 0; i < 5000 && count < value; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  REQUIRE(count == value);
}

}  // namespace

TEST_CASE("values are made ahead once, in the order in which they are expected, and only those") {
  std::vector<Index> made;  // written by the one thread, read when it is idle
  std::atomic<int> count = 0;
  detail::MadeAhead<std::string> ahead([&](Index key) {
    made.push_back(key);
    ++count;
    return std::to_string(key);
  });
  CHECK_FALSE(ahead.take(3));  // not expected
  const std::vector<Index> first{3, 1, 3, 2};
  ahead.expect(first);
  wait_until(count, 3);
  CHECK(ahead.take(1) == "1");
  CHECK(ahead.take(3) == "3");
  CHECK(ahead.take(3) == "3");  // for another label of the same image
  CHECK_FALSE(ahead.take(7));
  const std::vector<Index> second{2, 5};
  ahead.expect(second);
  wait_until(count, 4);  // 2 is there already
  CHECK_FALSE(ahead.take(1));
  CHECK(ahead.take(2) == "2");
  CHECK(ahead.take(5) == "5");
  CHECK(made == std::vector<Index>{3, 1, 2, 5});
  ahead.expect({});
  CHECK_FALSE(ahead.take(5));
}

TEST_CASE("what the thread has not begun with is left to whoever asks; what it has begun with is waited for") {
  std::atomic<bool> go = false;
  std::atomic<int> begun = 0;
  detail::MadeAhead<Index> ahead([&](Index key) {
    ++begun;
    while (!go) std::this_thread::yield();
    return 10 * key;
  });
  const std::vector<Index> keys{1, 2, 3};
  ahead.expect(keys);
  wait_until(begun, 1);
  CHECK_FALSE(ahead.take(3));  // and is not made any more
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    go = true;
  });
  CHECK(ahead.take(1) == 10);
  opener.join();
  wait_until(begun, 2);
  CHECK(ahead.take(2) == 20);
  CHECK_FALSE(ahead.take(3));
}

TEST_CASE("an error of the making is thrown where the value is asked for, and nowhere else") {
  std::atomic<int> begun = 0;
  detail::MadeAhead<Index> ahead([&](Index key) -> Index {
    ++begun;
    if (key == 1) throw Error("no such picture");
    return key;
  });
  const std::vector<Index> keys{1, 2};
  ahead.expect(keys);
  wait_until(begun, 2);
  CHECK_THROWS_WITH_AS(ahead.take(1), "no such picture", Error);
  CHECK(ahead.take(2) == 2);
}

TEST_CASE("many threads ask while others are expected, and the end comes at any moment") {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> made = 0;
    detail::MadeAhead<Index> ahead([&](Index key) {
      ++made;
      return key * key;
    });
    std::atomic<int> wrong = 0;
    const std::vector<Index> first{39};
    ahead.expect(first);
    wait_until(made, 1);
    CHECK(ahead.take(39) == 39 * 39);
    std::vector<std::thread> threads;
    for (Index t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (Index i = 0; i < 200; ++i) {
          const Index key = (i * 7 + t) % 40;
          const std::vector<Index> keys{key, (key + 1) % 40, (key + 2) % 40};
          if (t == 0) ahead.expect(keys);
          const auto value = ahead.take(key);
          wrong += value && *value != key * key ? 1 : 0;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
  }
}
