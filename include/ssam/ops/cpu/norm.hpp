#pragma once

#include <cmath>
#include <ssam/ops/cpu/kernel.hpp>
#include <ssam/ops/shape_checks.hpp>

namespace ssam::inline SSAM_ABI::ops {

/// Normalises every row of the last axis: y = (x - mean) * rstd * weight + bias, rstd = 1 / sqrt(variance + eps) with
/// the biased variance. x, y [..., C]; weight, bias [C]; mean, rstd [rows] are kept for the backward pass and may be
/// empty. `y` may be `x` where no backward pass follows.
template <class S>
void layer_norm_forward(Context<Cpu>& context, In<S, Cpu> x, In<S, Cpu> weight, In<S, Cpu> bias,
                        std::type_identity_t<S> eps, TensorView<S, Cpu> y, MaybeOut<S, Cpu> mean,
                        MaybeOut<S, Cpu> rstd) {
  const auto in = x.matrix();
  const Index cols = in.cols;
  detail::require_one_size("layer_norm_forward", y, x);
  detail::require_norm("layer_norm_forward", in.rows, cols, {weight, bias},
                       {detail::optional_size(mean, in.rows), detail::optional_size(rstd, in.rows)});
  const auto w = detail::array(weight.data(), cols), b = detail::array(bias.data(), cols);
  detail::for_rows(context, in.rows, cols, [&](Index r) {
    const auto row = detail::array(in.data + r * cols, cols);
    const S center = row.sum() / S(cols);
    const S scale = S(1) / std::sqrt((row - center).square().sum() / S(cols) + eps);
    detail::array(y.data() + r * cols, cols) = (row - center) * scale * w + b;
    if (!mean.empty()) mean.data()[r] = center;
    if (!rstd.empty()) rstd.data()[r] = scale;
  });
}

/// Backward of layer_norm_forward, whose x, weight, mean and rstd it takes. dx is overwritten (may be `dy`), dweight
/// and dbias are added to; each may be empty.
template <class S>
void layer_norm_backward(Context<Cpu>& context, In<S, Cpu> x, In<S, Cpu> weight, In<S, Cpu> mean, In<S, Cpu> rstd,
                         In<S, Cpu> dy, TensorView<S, Cpu> dx, MaybeOut<S, Cpu> dweight, MaybeOut<S, Cpu> dbias) {
  const auto in = x.matrix();
  const Index rows = in.rows, cols = in.cols;
  detail::require_one_size("layer_norm_backward", x, dy);
  require(detail::optional_size(dx, x.size()) == x.size(), "layer_norm_backward", "dx as large as x", dx, x);
  detail::require_norm("layer_norm_backward", rows, cols,
                       {weight, detail::optional_size(dweight, cols), detail::optional_size(dbias, cols)},
                       {mean, rstd});
  // The sums over rows come first: dx may overwrite dy.
  if (!dweight.empty() || !dbias.empty()) {
    WorkspaceScope scope(context);
    const auto partial = detail::partial_sums<S>(context, rows, 2 * cols, [&](Index begin, Index end, S* sums) {
      for (Index r = begin; r < end; ++r) {
        const auto row = detail::array(in.data + r * cols, cols);
        const auto grad = detail::array(dy.data() + r * cols, cols);
        detail::array(sums, cols) += grad * (row - mean.data()[r]) * rstd.data()[r];
        detail::array(sums + cols, cols) += grad;
      }
    });
    if (!dweight.empty()) detail::add_partials(context, partial, 0, dweight);
    if (!dbias.empty()) detail::add_partials(context, partial, cols, dbias);
  }
  if (dx.empty()) return;
  const auto w = detail::array(weight.data(), cols);
  detail::for_rows(context, rows, cols, [&](Index r) {
    const auto row = detail::array(in.data + r * cols, cols);
    const auto grad = detail::array(dy.data() + r * cols, cols);
    const S center = mean.data()[r], scale = rstd.data()[r];
    const S shift = (grad * w).sum() / S(cols);
    const S slope = (grad * w * (row - center)).sum() * scale * scale / S(cols);
    detail::array(dx.data() + r * cols, cols) = scale * (grad * w - shift - (row - center) * slope);
  });
}

/// BatchNorm1d on x [B, C] with the statistics of the batch (PyTorch): y = (x - mean) * rstd * weight + bias with the
/// biased variance, to which `eps` is added. running_mean and running_var move by `momentum` towards the statistics,
/// the latter towards the unbiased variance. mean, rstd [C] are kept for the backward pass. Throws ConfigError
/// for B = 1 (no variance).
template <class S>
void batch_norm_forward_training(Context<Cpu>& context, In<S, Cpu> x, In<S, Cpu> weight, In<S, Cpu> bias,
                                 std::type_identity_t<S> eps, std::type_identity_t<S> momentum,
                                 TensorView<S, Cpu> running_mean, TensorView<S, Cpu> running_var, TensorView<S, Cpu> y,
                                 TensorView<S, Cpu> mean, TensorView<S, Cpu> rstd) {
  const auto in = x.matrix();
  const Index batch = in.rows, channels = in.cols;
  detail::require_one_size("batch_norm_forward_training", y, x);
  detail::require_batch_norm("batch_norm_forward_training", batch, channels,
                             {weight, bias, running_mean, running_var, mean, rstd});
  detail::require_batch_statistics("batch_norm_forward_training", batch);
  WorkspaceScope scope(context);
  const auto totals = allocate<double>(context, {2, channels});
  std::fill_n(totals.data(), totals.size(), 0.0);
  const double* const sum = totals.data();
  const double* const squares = totals.data() + channels;
  detail::add_partials(context,
                       detail::partial_sums<double>(context, batch, channels,
                                                    [&](Index begin, Index end, double* sums) {
                                                      for (Index r = begin; r < end; ++r) {
                                                        const S* row = in.data + r * channels;
                                                        for (Index c = 0; c < channels; ++c) {
                                                          sums[c] += static_cast<double>(row[c]);
                                                        }
                                                      }
                                                    }),
                       0, totals.slice(0));
  const double count = static_cast<double>(batch);
  detail::add_partials(context,
                       detail::partial_sums<double>(context, batch, channels,
                                                    [&](Index begin, Index end, double* sums) {
                                                      for (Index r = begin; r < end; ++r) {
                                                        const S* row = in.data + r * channels;
                                                        for (Index c = 0; c < channels; ++c) {
                                                          const double deviation =
                                                              static_cast<double>(row[c]) - sum[c] / count;
                                                          sums[c] += deviation * deviation;
                                                        }
                                                      }
                                                    }),
                       0, totals.slice(1));
  for (Index c = 0; c < channels; ++c) {
    const S average = static_cast<S>(sum[c] / count);
    mean.data()[c] = average;
    rstd.data()[c] = static_cast<S>(1 / std::sqrt(squares[c] / count + static_cast<double>(eps)));
    running_mean.data()[c] = (1 - momentum) * running_mean.data()[c] + momentum * average;
    running_var.data()[c] =
        (1 - momentum) * running_var.data()[c] + momentum * static_cast<S>(squares[c] / (count - 1));
  }
  detail::for_rows(context, batch, channels, [&](Index r) {
    const auto normal = (detail::array(in.data + r * channels, channels) - detail::array(mean.data(), channels)) *
                        detail::array(rstd.data(), channels);
    detail::array(y.data() + r * channels, channels) =
        normal * detail::array(weight.data(), channels) + detail::array(bias.data(), channels);
  });
}

/// BatchNorm1d on x [B, C] with the running statistics [C]: y = (x - running_mean) / sqrt(running_var + eps) * weight +
/// bias; `y` may be `x`.
template <class S>
void batch_norm_forward_eval(Context<Cpu>& context, In<S, Cpu> x, In<S, Cpu> weight, In<S, Cpu> bias,
                             In<S, Cpu> running_mean, In<S, Cpu> running_var, std::type_identity_t<S> eps,
                             TensorView<S, Cpu> y) {
  const auto in = x.matrix();
  const Index cols = in.cols;
  detail::require_one_size("batch_norm_forward_eval", y, x);
  detail::require_batch_norm("batch_norm_forward_eval", in.rows, cols, {weight, bias, running_mean, running_var});
  detail::for_rows(context, in.rows, cols, [&](Index r) {
    detail::array(y.data() + r * cols, cols) =
        (detail::array(in.data + r * cols, cols) - detail::array(running_mean.data(), cols)) /
            (detail::array(running_var.data(), cols) + eps).sqrt() * detail::array(weight.data(), cols) +
        detail::array(bias.data(), cols);
  });
}

/// Backward of batch_norm_forward_training, whose x, weight, mean and rstd it takes. dx is overwritten (may be `dy`),
/// dweight and dbias are added to; each may be empty.
template <class S>
void batch_norm_backward(Context<Cpu>& context, In<S, Cpu> x, In<S, Cpu> weight, In<S, Cpu> mean, In<S, Cpu> rstd,
                         In<S, Cpu> dy, TensorView<S, Cpu> dx, MaybeOut<S, Cpu> dweight, MaybeOut<S, Cpu> dbias) {
  const auto in = x.matrix();
  const Index batch = in.rows, channels = in.cols;
  detail::require_one_size("batch_norm_backward", x, dy);
  require(detail::optional_size(dx, x.size()) == x.size(), "batch_norm_backward", "dx as large as x", dx, x);
  detail::require_batch_norm(
      "batch_norm_backward", batch, channels,
      {weight, mean, rstd, detail::optional_size(dweight, channels), detail::optional_size(dbias, channels)});
  WorkspaceScope scope(context);
  const auto partial =
      detail::partial_sums<double>(context, batch, 2 * channels, [&](Index begin, Index end, double* sums) {
        for (Index r = begin; r < end; ++r) {
          for (Index c = 0; c < channels; ++c) {
            const S grad = dy.data()[r * channels + c];
            sums[c] += static_cast<double>(grad);
            sums[channels + c] +=
                static_cast<double>(grad * (in.data[r * channels + c] - mean.data()[c]) * rstd.data()[c]);
          }
        }
      });
  const auto totals = allocate<double>(context, {2, channels});
  std::fill_n(totals.data(), totals.size(), 0.0);
  detail::add_partials(context, partial, 0, totals.reshape({2 * channels}));
  const double* const sum = totals.data();
  const double* const dot = totals.data() + channels;
  for (Index c = 0; c < channels; ++c) {
    if (!dweight.empty()) dweight.data()[c] += static_cast<S>(dot[c]);
    if (!dbias.empty()) dbias.data()[c] += static_cast<S>(sum[c]);
  }
  if (dx.empty()) return;
  const double count = static_cast<double>(batch);
  detail::for_rows(context, batch, channels, [&](Index r) {
    for (Index c = 0; c < channels; ++c) {
      const S scale = rstd.data()[c], normal = (in.data[r * channels + c] - mean.data()[c]) * scale;
      const S shift = static_cast<S>(sum[c] / count), slope = static_cast<S>(dot[c] / count);
      dx.data()[r * channels + c] = weight.data()[c] * scale * (dy.data()[r * channels + c] - shift - normal * slope);
    }
  });
}

}  // namespace ssam::inline SSAM_ABI::ops
