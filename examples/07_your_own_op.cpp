// An op of one's own for the host, with its adjoint: softmax over rows. The work is cut by shape alone, so the same
// bits come out for any number of threads; the adjoint is checked against central differences.
//
//     07_your_own_op

#include <cmath>
#include <cstdio>
#include <ssam/ssam.hpp>

using namespace ssam;

namespace mine {

/// Rows that one piece of work takes: by shape only.
inline Index rows_at_a_time(Index cols) { return std::max<Index>(1, (Index{1} << 14) / cols); }

/// y[r, :] = exp(x[r, :]) / sum of exp(x[r, :]); `y` may be `x`. (In<S, Cpu> is a view that S is not deduced from, so
/// that a tensor can be given for it.)
template <class S>
void softmax_forward(Context<Cpu>& context, ops::In<S, Cpu> x, TensorView<S, Cpu> y) {
  ops::require(x.shape() == y.shape() && x.shape().rank() == 2, "softmax_forward", "x and y of one shape [rows, cols]",
               x, y);
  const Index cols = x.dim(1);
  context.parallel_ranges(x.dim(0), rows_at_a_time(cols), [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const S* from = x.data() + row * cols;
      S* to = y.data() + row * cols;
      const S largest = *std::max_element(from, from + cols);
      S sum = 0;
      for (Index c = 0; c < cols; ++c) sum += to[c] = std::exp(from[c] - largest);
      for (Index c = 0; c < cols; ++c) to[c] /= sum;
    }
  });
}

/// dx = y * (dy - sum over the row of y * dy); `dx` may be `dy`.
template <class S>
void softmax_backward(Context<Cpu>& context, ops::In<S, Cpu> y, ops::In<S, Cpu> dy, TensorView<S, Cpu> dx) {
  ops::require(dx.shape() == y.shape() && dy.shape() == y.shape(), "softmax_backward", "y, dy and dx of one shape", y,
               dy, dx);
  const Index cols = y.dim(1);
  context.parallel_ranges(y.dim(0), rows_at_a_time(cols), [&](Index begin, Index end) {
    for (Index i = begin * cols; i < end * cols; i += cols) {
      S mean = 0;
      for (Index c = i; c < i + cols; ++c) mean += y.data()[c] * dy.data()[c];
      for (Index c = i; c < i + cols; ++c) dx.data()[c] = y.data()[c] * (dy.data()[c] - mean);
    }
  });
}

}  // namespace mine

int main() {
  const Shape shape{6, 7};
  Context<Cpu> context;
  Tensor<double, Cpu> x = testing::random_tensor<double>(shape, 1), y(shape), dx(shape);
  const Tensor<double, Cpu> r = testing::random_tensor<double>(shape, 2);
  const auto loss = [&] {  // a random combination of the outputs: its gradient is the adjoint of r
    mine::softmax_forward(context, x, y.view());
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += r.data()[i] * y.data()[i];
    return sum;
  };
  loss();
  mine::softmax_backward(context, y, r, dx.view());
  testing::GradientReport report;
  testing::compare_gradient(report, "x", x, dx, loss);
  std::printf("the adjoint differs from central differences by %.1e at most, at %s\n", report.error,
              report.where.c_str());
  return report.passed() ? 0 : 1;
}
