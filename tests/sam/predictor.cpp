#include <doctest/doctest.h>

#include <ssam/sam/automatic_masks.hpp>

#include "../../examples/ssam_program/selftest/compare.hpp"
#include "../small_model.hpp"

using namespace ssam;

namespace {

/// A picture of noise with a bright square.
Image picture(Index height, Index width, std::uint64_t seed = 1) {
  Random random(seed);
  Image image(height, width);
  for (auto& value : image.rgb) value = static_cast<std::uint8_t>(random.below(120));
  for (Index y = height / 4; y < height / 2; ++y) {
    for (Index x = width / 4; x < width / 2; ++x) image.pixel(y, x)[0] = 255;
  }
  return image;
}

/// A checkpoint of a small random SAM that says its configuration itself.
std::filesystem::path checkpoint(const test::Folder& folder) {
  const auto model = test::random_model<recipes::ZeroShot>(test::small_config());
  StateDict state = export_state(model.sam, [](const auto&...) { return true; });
  state.metadata[config_key] = to_json(test::small_config()).dump();
  save_safetensors(folder / "sam.safetensors", state);
  return folder / "sam.safetensors";
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double error = 0;
  for (std::size_t i = 0; i < a.size(); ++i) error = std::max(error, std::abs(double(a[i]) - double(b[i])));
  return error;
}

}  // namespace

TEST_CASE("from a checkpoint's path to the mask of a point") {
  const test::Folder folder;
  SamPredictor predictor(checkpoint(folder));
  CHECK(predictor.config().embed_dim == 16);
  save_png(folder / "photo.png", picture(37, 53));
  predictor.set_image(folder / "photo.png");
  const Prediction one = predictor.predict({.points = {{20, 10}}});
  CHECK(one.masks == 1);
  CHECK(one.logits.size() == 37 * 53);
  CHECK(one.low_res.size() == 16 * 16);
  const Mask mask = one.mask();
  CHECK(mask.height == 37);
  for (std::size_t i = 0; i < mask.values.size(); ++i) CHECK(mask.values[i] == (one.logits[i] > 0 ? 255 : 0));
  const Prediction three = predictor.predict({.points = {{20, 10}}, .multimask_output = true});
  CHECK(three.masks == 3);
  CHECK(three.iou[static_cast<std::size_t>(three.best())] == *std::max_element(three.iou.begin(), three.iou.end()));
  const Prediction refined = predictor.predict({.points = {{20, 10}}, .mask_input = three.low_res_logits(1)});
  CHECK(difference(refined.logits, one.logits) > 0);

  // Pixels in memory, an embedding that was kept, and prompts asked together give the same.
  const Image image = picture(37, 53);
  SamPredictor other(folder / "sam.safetensors");
  other.set_image(image.rgb.data(), 37, 53);
  CHECK(other.predict({.points = {{20, 10}}}).logits == one.logits);
  SamPredictor later(folder / "sam.safetensors");
  later.set_embedding(predictor.embedding(), {37, 53});
  CHECK(later.predict({.points = {{20, 10}}}).logits == one.logits);
  std::vector<SamPrompt> prompts;
  for (int i = 0; i < 11; ++i) prompts.push_back({.points = {{double(2 * i), double(3 * i)}}});
  prompts.push_back({.box = {{3, 4, 40, 30}}});
  const auto together = predictor.predict(prompts);
  REQUIRE(together.size() == 12);
  for (std::size_t i = 0; i < 12; ++i) {
    CHECK(difference(together[i].logits, predictor.predict(prompts[i]).logits) < 1e-4);
  }
}

TEST_CASE("a Sam is loaded without text, and answers as the predictor does") {
  const test::Folder folder;
  const auto path = checkpoint(folder);
  Sam<float, Cpu> sam(test::small_config());
  load_weights(sam, load_sam_checkpoint(path), path.string());
  CHECK(sam.base_hash() == content_hash(load_sam_checkpoint(path)));
  SamPredictor predictor(path);
  const Image image = picture(32, 32);
  predictor.set_image(image);
  Context<Cpu> context(1);
  WorkspaceScope<Cpu> scope(context);
  const std::vector<float> input = preprocess(image, 32, sam.config.preparation);
  const auto embedding = sam.encode(context, TensorView<const float, Cpu>(input.data(), {1, 32, 32, 3}));
  const auto answer = sam.decode(context, embedding, {1, {5, 6}, {1}, {}, {}}, {}, MaskOutput::single);
  const Prediction expected = predictor.predict({.points = {{5, 6}}});
  CHECK(difference({answer.low_res.data(), answer.low_res.data() + answer.low_res.size()}, expected.low_res) < 1e-5);
}

TEST_CASE("a trained adapter is opened with its checkpoint and asked by a label's name") {
  const test::Folder folder;
  const auto path = checkpoint(folder);
  using Recipe = recipes::SSam<>;
  TextPromptedSam<float, Cpu, Recipe> model(test::small_config());
  load_weights(model, load_sam_checkpoint(path), path.string());
  Context<Cpu> context(1);
  prepare(context, model);
  test::disturb(model);
  save_adapter(folder / "adapter", model);

  SamPredictor<Recipe> predictor(path, {.adapter = folder / "adapter"});
  CHECK(test::contains(test::message_of<MismatchError>([&] {
                         SamPredictor<Recipe>(path, {.adapter = folder / "adapter", .choice = {.image_size = 64}});
                       }),
                       "image size"));
  const Image image = picture(24, 31);
  predictor.set_image(image);
  const Prediction answer = predictor.predict({.label = "Liver"});
  WorkspaceScope<Cpu> scope(context);
  const std::vector<float> input = preprocess(image, 32, model.preparation());
  const auto features = model.encode_image(context, TensorView<const float, Cpu>(input.data(), {1, 32, 32, 3}));
  const std::vector<float> text = TextFeatures::hashed(12).at("Liver");
  const auto logits = model.decode_labels(context, features, {{text.data(), {1, 12}}, {}});
  CHECK(difference({logits.data(), logits.data() + logits.size()}, answer.low_res) < 1e-4);

  SamPredictor plain(path);
  plain.set_image(image);
  CHECK(test::contains(test::message_of<ConfigError>([&] { plain.predict({.label = "Liver"}); }), "asked for a label"));
}

TEST_CASE("prompts that make no sense, and files of something else") {
  const test::Folder folder;
  SamPredictor predictor(checkpoint(folder));
  CHECK(test::contains(test::message_of<Error>([&] { predictor.predict({.points = {{1, 1}}}); }), "set_image"));
  predictor.set_image(picture(20, 30));
  const auto refused = [&](const SamPrompt& prompt, const std::string& part) {
    const std::string message = test::message_of<ConfigError>([&] { predictor.predict(prompt); });
    CAPTURE(message);
    CHECK(test::contains(message, part));
  };
  refused({}, "empty");
  refused({.points = {{31, 1}}}, "outside the image");
  refused({.points = {{std::nan(""), 1}}}, "outside the image");
  refused({.box = {{0, 0, 30, 21}}}, "outside the image");
  refused({.points = {{1, 1}}, .point_labels = {1, 0}}, "point labels");
  refused({.points = {{1, 1}}, .point_labels = {2}}, "point label");
  refused({.mask_input = std::vector<float>(7)}, "mask prompt");
  refused({.mask_input = std::vector<float>(256, std::nanf(""))}, "not finite");
  CHECK_THROWS_AS(predictor.set_embedding(HostTensor::from(Shape{1, 16, 4, 5}, std::vector<float>(320)), {20, 30}),
                  ShapeError);
  CHECK_THROWS_AS(predictor.set_input(std::vector<float>(5), {20, 30}), ShapeError);
  CHECK_THROWS_AS(SamPredictor<>(folder / "nothing.pth"), IoError);
}

TEST_CASE("everything in a picture: doubles are dropped, the surest come first, regions are mended") {
  const test::Folder folder;
  SamPredictor predictor(checkpoint(folder));
  predictor.set_image(picture(33, 47));
  AutomaticMaskOptions options{.points_per_side = 4, .pred_iou_thresh = 0, .stability_score_thresh = 0};
  std::vector<Index> done;
  options.points_per_batch = 5;
  options.progress = [&](Index points, Index all) { done.push_back(100 * points + all); };
  const auto all = generate_masks(predictor, options);
  CHECK(done == std::vector<Index>{516, 1016, 1516, 1616});
  REQUIRE(!all.empty());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const AutomaticMask& mask = all[i];
    Index area = 0;
    for (const auto value : mask.mask.values) area += value == 255 ? 1 : 0;
    CHECK(area == mask.area);
    if (i > 0) CHECK(all[i - 1].predicted_iou >= mask.predicted_iou);
    const Prediction direct = predictor.predict({.points = {mask.point}, .multimask_output = true});
    CHECK(std::any_of(direct.iou.begin(), direct.iou.end(),
                      [&](float iou) { return std::abs(iou - mask.predicted_iou) < 1e-5; }));
  }
  options.points_per_batch = 16;
  options.progress = nullptr;
  CHECK(generate_masks(predictor, options).size() == all.size());
  options.pred_iou_thresh = 1e9;
  CHECK(generate_masks(predictor, options).empty());
  options.points_per_side = 0;
  CHECK_THROWS_AS(generate_masks(predictor, options), ConfigError);

  Mask drawn(8, 9);
  for (const auto& [y, x] : {std::pair{1, 1}, {1, 2}, {1, 3}, {2, 1}, {2, 3}, {3, 1}, {3, 2}, {3, 3}, {6, 7}})
    drawn.at(y, x) = 255;
  Mask filled = drawn;
  CHECK(fill_small_holes(filled, 2));
  CHECK(filled.at(2, 2) == 255);
  CHECK(filled.at(6, 7) == 255);
  CHECK(remove_small_islands(filled, 3));
  CHECK(filled.at(6, 7) == 0);
  CHECK(filled.at(1, 1) == 255);
  CHECK_FALSE(remove_small_islands(filled, 3));
  Mask speck(4, 4);
  speck.at(1, 1) = 255;
  CHECK(remove_small_islands(speck, 5));  // the largest of what is too small stays
  CHECK(speck.at(1, 1) == 255);
  CHECK(detail::RunLengths(drawn).mask() == drawn);
  CHECK(detail::suppress({{0, 0, 9, 9}, {0, 0, 9, 8}, {20, 20, 30, 30}}, {0.5, 0.9, 0.1}, 0.7) ==
        std::vector<std::size_t>{1, 2});
}

TEST_CASE("automatic masks are segment-anything's: recorded on the recorded pictures, mended regions too") {
  const std::filesystem::path golden = SSAM_TEST_DIR "/golden";
  const StateDict pictures = load_safetensors(golden / "predictor.safetensors"),
                  truth = load_safetensors(golden / "automatic.safetensors");
  StateDict weights = load_safetensors(golden / "sam.safetensors");
  auto model =
      std::make_shared<TextPromptedSam<float, Cpu, recipes::ZeroShot>>(selftest::golden_config(weights.metadata));
  load_weights(*model, std::move(weights), "sam.safetensors");
  SamPredictor<> predictor(model, std::make_shared<Context<Cpu>>(2));
  AutomaticMaskOptions all{.points_per_side = 6,
                           .pred_iou_thresh = 0,
                           .stability_score_thresh = 0,
                           .stability_score_offset = 0.02,
                           .box_nms_thresh = 1};
  AutomaticMaskOptions some = all, regions = all;
  some.pred_iou_thresh = 0.5;
  some.stability_score_thresh = 0.6;
  some.box_nms_thresh = 0.97;
  regions.stability_score_thresh = 0.3;
  regions.box_nms_thresh = 0.9999;
  regions.min_mask_region_area = 40;
  for (int i = 0; i < 3; ++i) {
    const HostTensor& stored = pictures.at("image." + std::to_string(i));
    predictor.set_image(stored.to<std::uint8_t>().data(), stored.shape[0], stored.shape[1]);
    for (const auto& [kind, options] :
         {std::pair{"all", all}, std::pair{"some", some}, std::pair{"regions", regions}}) {
      CAPTURE(i);
      CAPTURE(kind);
      const auto recorded = [&](const char* what) {
        return truth.at(std::string(kind) + "." + std::to_string(i) + "." + what).to<double>();
      };
      const auto area = recorded("area"), box = recorded("bbox"), iou = recorded("predicted_iou"),
                 stability = recorded("stability_score"), point = recorded("point_coords");
      const auto found = generate_masks(predictor, options);
      REQUIRE(found.size() == area.size());
      for (std::size_t k = 0; k < found.size(); ++k) {
        CHECK(std::abs(static_cast<double>(found[k].area) - area[k]) <= 1);  // a logit of 1e-7 may be on either side
        CHECK(found[k].predicted_iou == doctest::Approx(iou[k]).epsilon(1e-4));
        CHECK(std::abs(found[k].stability_score - stability[k]) < 5e-3);
        for (std::size_t c = 0; c < 4; ++c) CHECK(static_cast<double>(found[k].box[c]) == box[4 * k + c]);
        CHECK(found[k].point[0] == doctest::Approx(point[2 * k]));
      }
    }
  }
}
