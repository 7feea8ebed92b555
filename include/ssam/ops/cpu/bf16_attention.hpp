#pragma once

#include <ssam/ops/cpu/attention.hpp>
#include <ssam/ops/cpu/bf16_product.hpp>

namespace ssam::inline SSAM_ABI::ops {

namespace detail {
/// bf16_gemm_serial, as attention is told how its tiles are multiplied.
struct SerialBf16Gemm {
  Bf16Products products;
  template <class... Arguments>
  void operator()(const Arguments&... arguments) const {
    bf16_gemm_serial(products, arguments...);
  }
};
}  // namespace detail

/// As Cpu's attention_forward of `g`, `q`, `k`, `v`, `pad_row`, `rel_h` and `rel_w`, to `out` and `lse`. Of floats, the
/// operands of its two products are rounded to bfloat16; softmax, the relative terms and all sums are fp32. Throws
/// ShapeError, DeviceError.
template <class S>
void attention_forward(Context<CpuBf16>& context, const AttentionGeometry& g, InMatrix<S, CpuBf16> q,
                       InMatrix<S, CpuBf16> k, InMatrix<S, CpuBf16> v, In<S, CpuBf16> pad_row, In<S, CpuBf16> rel_h,
                       In<S, CpuBf16> rel_w, MatrixView<S, CpuBf16> out, TensorView<S, CpuBf16> lse) {
  if constexpr (std::is_same_v<S, float>) {
    const detail::SerialBf16Gemm product{context.products()};
    detail::attention_forward_by<S>(context, product, g, q, k, v, pad_row, rel_h, rel_w, out, lse);
  } else {
    attention_forward<S>(static_cast<Context<Cpu>&>(context), g, q, k, v, pad_row, rel_h, rel_w, out, lse);
  }
}

/// As Cpu's attention_backward: `g`, `q`, `k`, `v`, `pad_row`, `rel_h`, `rel_w`, `out`, `lse` and `dout` to `dq`, `dk`,
/// `dv`, `dpad_row`, `drel_h` and `drel_w`. Of floats, the operands of its products are rounded to bfloat16. Throws
/// ShapeError, DeviceError.
template <class S>
void attention_backward(Context<CpuBf16>& context, const AttentionGeometry& g, InMatrix<S, CpuBf16> q,
                        InMatrix<S, CpuBf16> k, InMatrix<S, CpuBf16> v, In<S, CpuBf16> pad_row, In<S, CpuBf16> rel_h,
                        In<S, CpuBf16> rel_w, InMatrix<S, CpuBf16> out, In<S, CpuBf16> lse, InMatrix<S, CpuBf16> dout,
                        MatrixView<S, CpuBf16> dq, MatrixView<S, CpuBf16> dk, MatrixView<S, CpuBf16> dv,
                        MaybeOut<S, CpuBf16> dpad_row, MaybeOut<S, CpuBf16> drel_h, MaybeOut<S, CpuBf16> drel_w) {
  if constexpr (std::is_same_v<S, float>) {
    const detail::SerialBf16Gemm product{context.products()};
    detail::attention_backward_by<S>(context, product, g, q, k, v, pad_row, rel_h, rel_w, out, lse, dout, dq, dk, dv,
                                     dpad_row, drel_h, drel_w);
  } else {
    attention_backward<S>(static_cast<Context<Cpu>&>(context), g, q, k, v, pad_row, rel_h, rel_w, out, lse, dout, dq,
                          dk, dv, dpad_row, drel_h, drel_w);
  }
}

}  // namespace ssam::inline SSAM_ABI::ops
