#pragma once

// The whole library in one include. A program:
//
//     #include <ssam/ssam.hpp>
//
//     int main() {
//       ssam::SamPredictor sam("sam_vit_b_01ec64.pth");                // SAM's own checkpoint, or one of ours
//       sam.set_image("picture.png");                                  // encoded once, then asked as often as you like
//       const auto answer = sam.predict({.points = {{320, 240}}});     // x, y in pixels of the picture
//       ssam::save_png("mask.png", answer.mask());                     // 0 and 255, at the picture's own size
//     }
//
// The floors of the house; a file includes only what stands on its own floor or on a lower one:
//
//     experiment/  a grid of runs (data sets, recipes, seeds), its tables and its report
//     train/    the trainer, evaluation, the optimiser; for any SegmentationModel and any SampleSource
//     nets/     other networks: U-Net            sam/   Segment Anything, its predictor, checkpoints and adapter files
//     adapt/    adapters and recipes             text/  text features and the layer that makes prompts of them
//     nn/       layers, written once for every device
//     ops/      what layers are made of: functions of tensors, one file per kind and device
//     data/     pictures, masks, manifests, data sets; knows no model
//     io/       checkpoints, JSON, .npy, files that are whole or not there
//     testing/  the check of gradients, for layers of yours too
//     eval/     Dice, surface distances, clDice; reports, comparisons of two runs, tests of significance
//     core/     tensors, shapes, contexts, parameters, errors
//
// `examples/01_point_to_mask.cpp` and those behind it show one idea each; README.md beside this file is the longer map.
// SSAM_WITH_OPENCV, SSAM_WITH_NIFTI, SSAM_WITH_DICOM, SSAM_WITH_ONEDNN and SSAM_WITH_CUDA are set by the CMake targets;
// SSAM_WITH_XTENSOR is yours to set.

// core
#include <ssam/core/closest_name.hpp>
#include <ssam/core/context.hpp>
#include <ssam/core/decimal.hpp>
#include <ssam/core/device.hpp>
#include <ssam/core/error.hpp>
#include <ssam/core/finite.hpp>
#include <ssam/core/memory.hpp>
#include <ssam/core/naming_layers.hpp>
#include <ssam/core/parameter.hpp>
#include <ssam/core/random.hpp>
#include <ssam/core/shape.hpp>
#include <ssam/core/tensor.hpp>
#include <ssam/core/version.hpp>
#include <ssam/core/visit.hpp>
#include <ssam/core/workspace.hpp>
#if defined(SSAM_WITH_XTENSOR)
#include <ssam/core/xtensor.hpp>
#endif

// eval
#include <ssam/eval/centerline_dice.hpp>
#include <ssam/eval/compare.hpp>
#include <ssam/eval/comparison_report.hpp>
#include <ssam/eval/dice.hpp>
#include <ssam/eval/distance_transform.hpp>
#include <ssam/eval/intervals.hpp>
#include <ssam/eval/label_scores.hpp>
#include <ssam/eval/metric.hpp>
#include <ssam/eval/pixel_spacing.hpp>
#include <ssam/eval/quantile.hpp>
#include <ssam/eval/report.hpp>
#include <ssam/eval/scores.hpp>
#include <ssam/eval/significance.hpp>
#include <ssam/eval/student_t.hpp>
#include <ssam/eval/surface.hpp>

// testing
#include <ssam/testing/gradient_check.hpp>

// io
#include <ssam/io/check_outputs.hpp>
#include <ssam/io/checkpoint_file.hpp>
#include <ssam/io/content_hash.hpp>
#include <ssam/io/csv.hpp>
#include <ssam/io/folder_lock.hpp>
#include <ssam/io/gzip.hpp>
#include <ssam/io/json_file.hpp>
#include <ssam/io/npy.hpp>
#include <ssam/io/safetensors.hpp>
#include <ssam/io/save_torch.hpp>
#include <ssam/io/scores_file.hpp>
#include <ssam/io/sealed_file.hpp>
#include <ssam/io/torch_checkpoint.hpp>

// data
#include <ssam/data/augmentation.hpp>
#include <ssam/data/data_difference.hpp>
#include <ssam/data/label_masks.hpp>
#include <ssam/data/load_volume.hpp>
#include <ssam/data/manifest.hpp>
#include <ssam/data/memory_samples.hpp>
#include <ssam/data/open_data_set.hpp>
#include <ssam/data/picture.hpp>
#include <ssam/data/preparation.hpp>
#include <ssam/data/preprocess.hpp>
#include <ssam/data/read_shapes.hpp>
#include <ssam/data/sample_source.hpp>
#include <ssam/data/save_manifest.hpp>
#include <ssam/data/shapes.hpp>
#include <ssam/data/split.hpp>
#include <ssam/data/volume.hpp>
#include <ssam/data/volume_slice.hpp>
#if defined(SSAM_WITH_OPENCV)  // what decodes, encodes or paints pictures
#include <ssam/data/check_manifest.hpp>
#include <ssam/data/dataset.hpp>
#include <ssam/data/export_pictures.hpp>
#include <ssam/data/image.hpp>
#include <ssam/data/load_picture.hpp>
#include <ssam/data/overlay.hpp>
#include <ssam/data/preview.hpp>
#include <ssam/data/regions.hpp>
#else  // left out, and said by a sentence where it is used
#include <ssam/data/without_opencv.hpp>
#endif
#if defined(SSAM_WITH_NIFTI)
#include <ssam/data/nifti.hpp>
#endif
#if defined(SSAM_WITH_DICOM)
#include <ssam/data/dicom.hpp>
#endif
#include <ssam/data/without_medical_files.hpp>  // says what is left out, where it is used

// ops
#include <ssam/ops/cpu/provider.hpp>
#include <ssam/ops/device_ops.hpp>
#include <ssam/ops/ops.hpp>

// nn
#include <ssam/nn/attention.hpp>
#include <ssam/nn/batch_norm.hpp>
#include <ssam/nn/contracts.hpp>
#include <ssam/nn/convolution.hpp>
#include <ssam/nn/linear.hpp>
#include <ssam/nn/mlp.hpp>
#include <ssam/nn/norm.hpp>

// adapt
#include <ssam/adapt/bottleneck.hpp>
#include <ssam/adapt/branch.hpp>
#include <ssam/adapt/lora_linear.hpp>
#include <ssam/adapt/model_state.hpp>
#include <ssam/adapt/parameter_count.hpp>
#include <ssam/adapt/qv_lora_linear.hpp>
#include <ssam/adapt/recipe.hpp>
#include <ssam/adapt/recipe_check.hpp>
#include <ssam/adapt/segmentation_model.hpp>
#include <ssam/adapt/ssf.hpp>
#include <ssam/adapt/svd_linear.hpp>

// text
#include <ssam/text/clean_text.hpp>
#include <ssam/text/clip_checkpoint.hpp>
#include <ssam/text/clip_features.hpp>
#include <ssam/text/clip_text_encoder.hpp>
#include <ssam/text/clip_tokenizer.hpp>
#include <ssam/text/clip_vocabulary.hpp>
#include <ssam/text/compose.hpp>
#include <ssam/text/features.hpp>
#include <ssam/text/lower_case.hpp>
#include <ssam/text/text_affine.hpp>
#include <ssam/text/unicode_classes.hpp>

// sam
#include <ssam/sam/adapter.hpp>
#include <ssam/sam/adapter_info.hpp>
#include <ssam/sam/automatic_mask_options.hpp>
#include <ssam/sam/config.hpp>
#include <ssam/sam/config_json.hpp>
#include <ssam/sam/hugging_face.hpp>
#include <ssam/sam/open_sam.hpp>
#include <ssam/sam/parameter_count.hpp>
#include <ssam/sam/peft_adapter.hpp>
#include <ssam/sam/postprocess.hpp>
#include <ssam/sam/predictor.hpp>
#include <ssam/sam/prompt.hpp>
#include <ssam/sam/sam_checkpoint.hpp>
#include <ssam/sam/save_peft.hpp>
#include <ssam/sam/segment_volume.hpp>
#include <ssam/sam/state.hpp>
#include <ssam/sam/svd_cache.hpp>
#include <ssam/sam/svdsam_checkpoint.hpp>
#include <ssam/sam/text_prompted_sam.hpp>
#if defined(SSAM_WITH_OPENCV)
#include <ssam/sam/automatic_masks.hpp>
#endif

// nets
#include <ssam/nets/u_net.hpp>

// train
#include <ssam/train/adamw.hpp>
#include <ssam/train/batch.hpp>
#include <ssam/train/communicator.hpp>
#include <ssam/train/embedding_cache.hpp>
#include <ssam/train/evaluate.hpp>
#include <ssam/train/finite.hpp>
#include <ssam/train/metrics.hpp>
#include <ssam/train/options.hpp>
#include <ssam/train/run_folder.hpp>
#include <ssam/train/run_state.hpp>
#include <ssam/train/schedule.hpp>
#include <ssam/train/trainer.hpp>
#include <ssam/train/worst_cases.hpp>

// experiment
#include <ssam/experiment/cell.hpp>
#include <ssam/experiment/chart.hpp>
#include <ssam/experiment/gallery.hpp>
#include <ssam/experiment/plan.hpp>
#include <ssam/experiment/report_page.hpp>
#include <ssam/experiment/results.hpp>
#include <ssam/experiment/score_table.hpp>
#include <ssam/experiment/table_files.hpp>
