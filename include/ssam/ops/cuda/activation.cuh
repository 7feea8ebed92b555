#pragma once

#include <ssam/ops/cuda/map.cuh>
#include <ssam/ops/normal_distribution.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace cuda_kernels {

template <class S>
struct Gelu {
  __device__ S operator()(const S* x, Index) const { return x[0] * detail::normal_point(x[0]).cumulative; }
};
template <class S>
struct GeluSlope {
  __device__ S operator()(const S* x, Index) const {  // x, dy
    const auto point = detail::normal_point(x[0]);
    return x[1] * (point.cumulative + x[0] * point.density);
  }
};
template <class S>
struct Relu {
  __device__ S operator()(const S* x, Index) const { return x[0] < S(0) ? S(0) : x[0]; }
};
template <class S>
struct ReluSlope {
  __device__ S operator()(const S* x, Index) const { return x[0] > S(0) ? x[1] : S(0); }  // x or y, dy
};
template <class S>
struct Sigmoid {
  __device__ S operator()(const S* x, Index) const { return S(1) / (S(1) + std::exp(-x[0])); }
};
template <class S>
struct SigmoidSlope {
  __device__ S operator()(const S* x, Index) const { return x[1] * x[0] * (S(1) - x[0]); }  // y, dy
};

}  // namespace cuda_kernels

namespace detail {

/// y = f(x)
template <class S, CudaDevice D, class F>
void activate(Context<D>& context, const char* op, const F& f, In<S, D> x, Out<S, D> y) {
  require_one_size(op, y, x);
  map<S, D, 1>(context, op, f, {flat(x)}, flat(y));
}
/// dx = f(x, dy)
template <class S, CudaDevice D, class F>
void activate_backward(Context<D>& context, const char* op, const F& f, In<S, D> x, In<S, D> dy, Out<S, D> dx) {
  require_one_size(op, dx, x, dy);
  map<S, D, 2>(context, op, f, {flat(x), flat(dy)}, flat(dx));
}

}  // namespace detail

/// y = x * Phi(x), the exact (erf) GELU; `y` may be `x`.
template <class S, CudaDevice D>
void gelu_forward(Context<D>& context, In<S, D> x, Out<S, D> y) {
  detail::activate<S>(context, "gelu_forward", cuda_kernels::Gelu<S>{}, x, y);
}

/// dx = dy * (Phi(x) + x phi(x)); `dx` may be `dy`.
template <class S, CudaDevice D>
void gelu_backward(Context<D>& context, In<S, D> x, In<S, D> dy, Out<S, D> dx) {
  detail::activate_backward<S>(context, "gelu_backward", cuda_kernels::GeluSlope<S>{}, x, dy, dx);
}

/// y = max(x, 0), NaN stays NaN; `y` may be `x`.
template <class S, CudaDevice D>
void relu_forward(Context<D>& context, In<S, D> x, Out<S, D> y) {
  detail::activate<S>(context, "relu_forward", cuda_kernels::Relu<S>{}, x, y);
}

/// dx = dy where the input (or, the same, the output) is positive, else 0; `dx` may be `dy`.
template <class S, CudaDevice D>
void relu_backward(Context<D>& context, In<S, D> x_or_y, In<S, D> dy, Out<S, D> dx) {
  detail::activate_backward<S>(context, "relu_backward", cuda_kernels::ReluSlope<S>{}, x_or_y, dy, dx);
}

/// y = 1 / (1 + exp(-x)); `y` may be `x`.
template <class S, CudaDevice D>
void sigmoid_forward(Context<D>& context, In<S, D> x, Out<S, D> y) {
  detail::activate<S>(context, "sigmoid_forward", cuda_kernels::Sigmoid<S>{}, x, y);
}

/// dx = dy * y * (1 - y); `dx` may be `dy`.
template <class S, CudaDevice D>
void sigmoid_backward(Context<D>& context, In<S, D> y, In<S, D> dy, Out<S, D> dx) {
  detail::activate_backward<S>(context, "sigmoid_backward", cuda_kernels::SigmoidSlope<S>{}, y, dy, dx);
}

}  // namespace ssam::inline SSAM_ABI::ops
