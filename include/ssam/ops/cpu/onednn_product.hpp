#pragma once

// The body is compiled where it is used or, with ssam::compiled, there: oneDNN's C++ header is large. nvcc 13.0 dies of
// an internal error in it: a program that uses CpuBf16 in sources for nvcc links ssam::compiled.
#if (!defined(SSAM_COMPILED_OPS) && !defined(__CUDACC__)) || defined(SSAM_COMPILE_OPS_HERE)

#include <array>
#include <dnnl.hpp>
#include <map>
#include <ssam/ops/cpu/bf16_product.hpp>
#include <unordered_map>

namespace ssam::inline SSAM_ABI::ops::detail {

/// What a product is compiled for.
struct OneDnnShape {
  Index m, n, k, lda, ldb, ldc;
  bool a_transposed, b_transposed, accumulate;
  auto operator<=>(const OneDnnShape&) const = default;
};

/// A compiled product with its memory objects, for one thread.
class OneDnnProduct {
 public:
  OneDnnProduct(const dnnl::engine& engine, dnnl::memory::data_type type, const OneDnnShape& s) {
    using dnnl::memory;
    const auto matrix = [](Index rows, Index cols, memory::data_type element, Index stride, bool transposed) {
      return memory::desc({rows, cols}, element, transposed ? memory::dims{1, stride} : memory::dims{stride, 1});
    };
    const memory::desc a = matrix(s.m, s.k, type, s.lda, s.a_transposed);
    const memory::desc b = matrix(s.k, s.n, type, s.ldb, s.b_transposed);
    const memory::desc c = matrix(s.m, s.n, memory::data_type::f32, s.ldc, false);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (s.accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0f);
      attributes.set_post_ops(sum);
    }
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul::primitive_desc description(engine, a, b, c, attributes);
#else
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, b, c), attributes, engine);
#endif
    product_ = dnnl::matmul(description);
    a_ = memory(a, engine, nullptr), b_ = memory(b, engine, nullptr), c_ = memory(c, engine, nullptr);
    scratch_ = memory(description.scratchpad_desc(), engine);
    arguments_ = {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, c_}, {DNNL_ARG_SCRATCHPAD, scratch_}};
  }

  void run(const dnnl::stream& stream, const void* a, const void* b, float* c) const {
    a_.set_data_handle(const_cast<void*>(a));
    b_.set_data_handle(const_cast<void*>(b));
    c_.set_data_handle(c);
    product_.execute(stream, arguments_);
  }

 private:
  dnnl::matmul product_;
  dnnl::memory a_, b_, c_, scratch_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

/// A thread's compiled products of one element type.
template <class Element>
class OneDnnProducts {
 public:
  static OneDnnProducts& of_this_thread() {
    thread_local OneDnnProducts products;
    return products;
  }
  void run(const OneDnnShape& shape, const Element* a, const Element* b, float* c) {
    auto found = products_.find(shape);
    if (found == products_.end()) {
      if (products_.size() >= most) products_.clear();
      constexpr auto type =
          std::is_same_v<Element, BFloat16> ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
      found = products_.emplace(shape, OneDnnProduct(engine_, type, shape)).first;
    }
    found->second.run(stream_, a, b, c);
  }

 private:
  static constexpr std::size_t most = 1024;  // a model has some dozens of shapes
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::map<OneDnnShape, OneDnnProduct> products_;
};

template <class Element>
void onednn_product(Index m, Index n, Index k, const Element* a, Index lda, Transpose a_op, const Element* b, Index ldb,
                    Transpose b_op, bool accumulate, float* c, Index ldc) {
  [[maybe_unused]] const SingleThread guard;  // as in gemm_serial
  try {
    OneDnnProducts<Element>::of_this_thread().run(
        {m, n, k, lda, ldb, ldc, a_op == Transpose::yes, b_op == Transpose::yes, accumulate}, a, b, c);
  } catch (const dnnl::error& error) {
    throw DeviceError(ErrorText{.what = "oneDNN refused a matrix product of bfloat16 operands",
                                .found = error.what(),
                                .advice = "compute in single precision (device cpu)"});
  }
}

}  // namespace ssam::inline SSAM_ABI::ops::detail

#endif
