#include <algorithm>
#include <numeric>

#include "support.hpp"

using namespace emulation_tests;

namespace {

constexpr unsigned full = 0xffffffffu;
enum class Plant { nothing, no_barrier_after_write, no_barrier_before_reuse };

/// Row sums through shared memory, twice with the same memory: of the values and of their squares.
template <class S>
__global__ void sums_kernel(Plant plant, const S* x, int columns, S* sums, S* squares) {
  auto* shared = static_cast<S*>(ssam_emulation::dynamic_shared());
  const S* row = x + static_cast<long>(blockIdx.x) * columns;
  const unsigned warps = blockDim.x / 32;
  for (int power = 1; power <= 2; ++power) {
    S value = 0;
    for (int c = static_cast<int>(threadIdx.x); c < columns; c += static_cast<int>(blockDim.x)) {
      value += power == 1 ? row[c] : row[c] * row[c];
    }
    for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(full, value, offset);
    if (power == 2 && plant != Plant::no_barrier_before_reuse) __syncthreads();
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
    if (plant != Plant::no_barrier_after_write) __syncthreads();
    S total = 0;
    for (unsigned warp = 0; warp < warps; ++warp) total += shared[warp];
    if (threadIdx.x == blockDim.x - 1) (power == 1 ? sums : squares)[blockIdx.x] = total;
  }
}

/// Neighbours exchanged through shared memory within a warp, with and without __syncwarp.
__global__ void neighbour_kernel(bool sync, const int* from, int* to) {
  auto* shared = static_cast<int*>(ssam_emulation::dynamic_shared());
  shared[threadIdx.x] = from[threadIdx.x];
  if (sync) __syncwarp();
  to[threadIdx.x] = shared[threadIdx.x ^ 1u];
}

__global__ void exchanges_kernel(long long* out) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  long long* own = out + static_cast<long>(threadIdx.x) * 12;
  const double value = 1000.5 + lane;
  own[0] = __shfl_sync(full, lane * 10, 3);
  own[1] = __shfl_sync(full, static_cast<unsigned>(lane), 35, 8);
  own[2] = __shfl_up_sync(full, static_cast<long long>(lane), 5);
  own[3] = __shfl_up_sync(full, lane, 1, 4);
  own[4] = __shfl_down_sync(full, lane, 30);
  own[5] = __shfl_down_sync(full, lane, 1, 4);
  own[6] = static_cast<long long>(__shfl_xor_sync(full, value, 9) * 2);
  own[7] = static_cast<long long>(__shfl_xor_sync(full, static_cast<float>(lane), 4, 4));
  own[8] = __ballot_sync(full, lane % 3 == 0);
  own[9] = __any_sync(full, lane == 31) * 10 + __any_sync(full, 0);
  own[10] = __all_sync(full, 7) * 10 + __all_sync(full, lane != 31);
  own[11] = lane < 8 ? __shfl_xor_sync(0xffu, lane, 7) : lane;
}

__global__ void count_kernel(int* count, float* sum) {
  atomicAdd(count, 1);
  atomicAdd(sum, 0.5f);
}

template <class S>
std::vector<S> sums(Plant plant, unsigned threads) {
  constexpr int rows = 5, columns = 301;
  std::vector<S> x(rows * columns);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<S>(i % 17) - S(8);
  const Buffer<S> device(x), first(rows), second(rows);
  const std::size_t shared_bytes = threads / 32 * sizeof(S);
  REQUIRE(launch(sums_kernel<S>, rows, threads, shared_bytes, plant, device.data(), columns, first.data(),
                 second.data()) == cudaSuccess);
  std::vector<S> all = first.values();
  const std::vector<S> more = second.values();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

template <class S>
void check_sums() {
  constexpr int rows = 5, columns = 301;
  for (const unsigned threads : {32u, 96u, 256u, 1024u}) {
    const std::vector<S> found = sums<S>(Plant::nothing, threads);
    for (int r = 0; r < rows; ++r) {
      S sum = 0, square = 0;
      for (int c = 0; c < columns; ++c) {
        const S x = static_cast<S>((r * columns + c) % 17) - S(8);
        sum += x;
        square += x * x;
      }
      CHECK(found[static_cast<std::size_t>(r)] == sum);
      CHECK(found[static_cast<std::size_t>(r + rows)] == square);
    }
    CHECK(ssam_emulation::same_under_all_schedules([&] { return sums<S>(Plant::nothing, threads); }));
  }
}

}  // namespace

TEST_CASE("Sums over a block are right, in every schedule") {
  check_sums<float>();
  check_sums<double>();
}

TEST_CASE("A missing barrier shows in some schedule") {
  CHECK_FALSE(ssam_emulation::same_under_all_schedules([] { return sums<float>(Plant::no_barrier_after_write, 256); }));
  CHECK_FALSE(
      ssam_emulation::same_under_all_schedules([] { return sums<float>(Plant::no_barrier_before_reuse, 256); }));
}

TEST_CASE("A missing __syncwarp shows in some schedule") {
  std::vector<int> values(64);
  std::iota(values.begin(), values.end(), 100);
  const Buffer<int> from(values), to(64);
  const auto run = [&](bool sync) {
    return ssam_emulation::same_under_all_schedules([&] {
      REQUIRE(launch(neighbour_kernel, 1, 64, 64 * sizeof(int), sync, from.data(), to.data()) == cudaSuccess);
      return to.values();
    });
  };
  CHECK(run(true));
  CHECK_FALSE(run(false));
}

TEST_CASE("Warp built-ins give what CUDA's do") {
  using ssam_emulation::Order;
  for (const Order order : {Order::ascending, Order::descending, Order::shuffled}) {
    ssam_emulation::set_schedule(order, 3);
    const Buffer<long long> out(64 * 12);
    REQUIRE(launch(exchanges_kernel, 1, 64, 0, out.data()) == cudaSuccess);
    const std::vector<long long> values = out.values();
    for (int thread = 0; thread < 64; ++thread) {
      const int lane = thread % 32;
      const long long* own = values.data() + thread * 12;
      INFO("lane ", lane);
      CHECK(own[0] == 30);
      CHECK(own[1] == lane / 8 * 8 + 3);
      CHECK(own[2] == (lane < 5 ? lane : lane - 5));
      CHECK(own[3] == (lane % 4 < 1 ? lane : lane - 1));
      CHECK(own[4] == (lane + 30 > 31 ? lane : lane + 30));
      CHECK(own[5] == (lane % 4 + 1 > 3 ? lane : lane + 1));
      CHECK(own[6] == 2001 + 2 * (lane ^ 9));
      CHECK(own[7] == ((lane & 4) != 0 ? lane ^ 4 : lane));  // into an earlier segment only
      CHECK(own[8] == 0x49249249);
      CHECK(own[9] == 10);
      CHECK(own[10] == 10);
      CHECK(own[11] == (lane < 8 ? lane ^ 7 : lane));
    }
  }
  ssam_emulation::set_schedule(Order::ascending);
}

TEST_CASE("Atomic additions lose nothing") {
  const Buffer<int> count(std::vector<int>(1, 0));
  const Buffer<float> sum(std::vector<float>(1, 0.0f));
  REQUIRE(launch(count_kernel, 10, 100, 0, count.data(), sum.data()) == cudaSuccess);
  CHECK(count.values()[0] == 1000);
  CHECK(sum.values()[0] == 500.0f);
}
