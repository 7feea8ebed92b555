#pragma once

#include <ssam/ops/ops.hpp>

namespace ssam::inline SSAM_ABI {

/// SAM's way from low-resolution mask logits to the original image: bilinear to the model's input of side `image_size`,
/// the padding cut off, bilinear to the original size. low_res [P, M, h, w] -> [P, M, height, width] (a workspace
/// tensor). `resized_height` x `resized_width` is the size of the image inside the padded input.
template <class Scalar, class Device>
TensorView<Scalar, Device> postprocess_masks(Context<Device>& context, TensorView<const Scalar, Device> low_res,
                                             Index image_size, Index resized_height, Index resized_width, Index height,
                                             Index width) {
  const Index maps = low_res.dim(0) * low_res.dim(1);
  const TensorView<Scalar, Device> result = allocate<Scalar>(context, {low_res.dim(0), low_res.dim(1), height, width});
  WorkspaceScope<Device> scope(context);
  const TensorView<Scalar, Device> padded = allocate<Scalar>(context, {maps, image_size, image_size, 1});
  const TensorView<Scalar, Device> cropped = allocate<Scalar>(context, {maps, resized_height, resized_width, 1});
  ops::resize_bilinear_forward<Scalar>(context, low_res.reshape({maps, low_res.dim(2), low_res.dim(3), 1}), padded);
  for (Index i = 0; i < maps; ++i) {
    const MatrixView<const Scalar, Device> inside{padded.slice(i).data(), resized_height, resized_width, image_size};
    ops::copy_matrix<Scalar>(context, inside, cropped.slice(i).matrix(resized_height));
  }
  ops::resize_bilinear_forward<Scalar>(context, cropped, result.reshape({maps, height, width, 1}));
  return result;
}

}  // namespace ssam::inline SSAM_ABI
