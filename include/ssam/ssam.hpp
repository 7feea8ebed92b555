#pragma once

// The whole library in one include. The readers of images and what stands on them need OpenCV and come with
// SSAM_WITH_OPENCV, which the CMake target sets where OpenCV was found.

#include <ssam/adapt/bottleneck.hpp>
#include <ssam/adapt/lora_linear.hpp>
#include <ssam/adapt/model_state.hpp>
#include <ssam/adapt/qv_lora_linear.hpp>
#include <ssam/adapt/recipe.hpp>
#include <ssam/adapt/segmentation_model.hpp>
#include <ssam/adapt/svd_linear.hpp>
#include <ssam/core/closest_name.hpp>
#include <ssam/core/context.hpp>
#include <ssam/core/decimal.hpp>
#include <ssam/core/device.hpp>
#include <ssam/core/error.hpp>
#include <ssam/core/finite.hpp>
#include <ssam/core/memory.hpp>
#include <ssam/core/parameter.hpp>
#include <ssam/core/random.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/core/tensor.hpp>
#include <ssam/core/version.hpp>
#include <ssam/core/visit.hpp>
#include <ssam/core/workspace.hpp>
#include <ssam/data/data_difference.hpp>
#include <ssam/data/memory_samples.hpp>
#include <ssam/eval/dice.hpp>
#include <ssam/eval/report.hpp>
#include <ssam/io/check_outputs.hpp>
#include <ssam/io/checkpoint_file.hpp>
#include <ssam/io/content_hash.hpp>
#include <ssam/io/folder_lock.hpp>
#include <ssam/io/json_file.hpp>
#include <ssam/io/npy.hpp>
#include <ssam/io/safetensors.hpp>
#include <ssam/io/sealed_file.hpp>
#include <ssam/io/torch_checkpoint.hpp>
#include <ssam/nets/u_net.hpp>
#include <ssam/nn/attention.hpp>
#include <ssam/nn/convolution.hpp>
#include <ssam/nn/linear.hpp>
#include <ssam/nn/mlp.hpp>
#include <ssam/nn/norm.hpp>
#include <ssam/ops/ops.hpp>
#include <ssam/sam/adapter.hpp>
#include <ssam/sam/adapter_info.hpp>
#include <ssam/sam/config.hpp>
#include <ssam/sam/config_json.hpp>
#include <ssam/sam/parameter_count.hpp>
#include <ssam/sam/postprocess.hpp>
#include <ssam/sam/predictor.hpp>
#include <ssam/sam/sam_checkpoint.hpp>
#include <ssam/sam/state.hpp>
#include <ssam/sam/svd_cache.hpp>
#include <ssam/sam/text_prompted_sam.hpp>
#include <ssam/testing/gradient_check.hpp>
#include <ssam/text/features.hpp>
#include <ssam/text/text_affine.hpp>
#include <ssam/train/adamw.hpp>
#include <ssam/train/communicator.hpp>
#include <ssam/train/finite.hpp>
#include <ssam/train/options.hpp>
#include <ssam/train/run_folder.hpp>
#include <ssam/train/run_state.hpp>
#include <ssam/train/schedule.hpp>
#include <ssam/train/trainer.hpp>

#if defined(SSAM_WITH_OPENCV)
#include <ssam/data/augmentation.hpp>
#include <ssam/data/check_manifest.hpp>
#include <ssam/data/dataset.hpp>
#include <ssam/data/image.hpp>
#include <ssam/data/load_label_masks.hpp>
#include <ssam/data/manifest.hpp>
#include <ssam/data/overlay.hpp>
#include <ssam/data/preprocess.hpp>
#include <ssam/sam/automatic_masks.hpp>
#endif

#if defined(SSAM_WITH_XTENSOR)
#include <ssam/core/xtensor.hpp>
#endif
