#include <doctest/doctest.h>

#include <ssam/sam/predictor.hpp>
#include <ssam/sam/segment_volume.hpp>

#include "../small_model.hpp"

using namespace ssam;

namespace {

/// Answers prompt p with a mask of what is brighter than its first point's x (in greys), the surer the brighter.
struct BrighterThan {
  struct Config {
    Preparation preparation;
  };
  Config settings;
  Image image = {};
  std::vector<ImageSize> seen = {};

  const Config& config() const { return settings; }
  void set_image(const Image& shown) {
    image = shown;
    seen.push_back({shown.height, shown.width});
  }
  std::vector<Prediction> predict(const std::vector<SamPrompt>& prompts) const {
    std::vector<Prediction> answers;
    for (const SamPrompt& prompt : prompts) {
      Prediction answer{
          .masks = 1, .height = image.height, .width = image.width, .logits = {}, .iou = {1}, .low_res = {}};
      for (std::size_t p = 0; p < image.rgb.size(); p += 3) {
        answer.logits.push_back(static_cast<float>(image.rgb[p] - prompt.points[0][0]));
      }
      answers.push_back(std::move(answer));
    }
    return answers;
  }
};
static_assert(SlicePredictor<BrighterThan>);
static_assert(SlicePredictor<SamPredictor<>>);

/// 2 x 3 x 4 voxels of 0, 10, 20, ...; i to the front, j down, k to the left.
Volume counted_volume() {
  Volume volume;
  volume.extents = {2, 3, 4};
  volume.affine = {{{0, 0, -3, 5}, {1, 0, 0, 6}, {0, -2, 0, 7}}};
  for (int v = 0; v < 24; ++v) volume.values.push_back(static_cast<float>(10 * v));
  return volume;
}

}  // namespace

TEST_CASE("a volume is segmented slice by slice, and every voxel gets its own answer") {
  const Volume volume = counted_volume();
  BrighterThan predictor{.settings = {}};
  predictor.settings.preparation.intensity = parse_intensity("window:0,255");
  for (const char* axis : {"axial", "coronal", "sagittal", "0", "1", "2", "auto"}) {
    predictor.seen.clear();
    std::vector<Index> told;
    const LabelVolume labels = segment_volume(
        predictor, volume, std::vector<SamPrompt>{{.points = {{95, 0}}}, {.points = {{55, 0}}}, {.points = {{500, 0}}}},
        {.axis = axis, .progress = [&](Index done, Index all) {
           told.push_back(done);
           CHECK(all == slice_count(volume, slice_plane(volume, axis)));
         }});
    CHECK(labels.affine == volume.affine);
    // Above 55 the second prompt answers, and is surer than the first one; nothing is brighter than 500.
    for (int v = 0; v < 24; ++v) CHECK(labels.values[static_cast<std::size_t>(v)] == (10 * v > 55 ? 2 : 0));
    CHECK(told.size() == predictor.seen.size() + 1);
  }
  segment_volume(predictor, volume, std::vector<SamPrompt>{{.points = {{95, 0}}}}, {.axis = "axial"});
  CHECK(predictor.seen.back().height == 2);  // front to back
  CHECK(predictor.seen.back().width == 4);   // right to left
}

TEST_CASE("slices that are not asked for stay background; what is not there is refused") {
  const Volume volume = counted_volume();
  BrighterThan predictor{.settings = {}};
  predictor.settings.preparation.intensity = parse_intensity("window:0,255");
  const std::vector<SamPrompt> all{{.points = {{-1, 0}}}};
  const LabelVolume labels = segment_volume(predictor, volume, all, {.axis = "2", .first = 1, .end = 3});
  for (int v = 0; v < 24; ++v) CHECK(labels.values[static_cast<std::size_t>(v)] == (v >= 6 && v < 18 ? 1 : 0));
  for (const auto& wrong : {std::pair<Index, Index>{0, 5}, {-1, 2}, {2, 2}, {4, 5}}) {
    CHECK(test::contains(test::message_of<ConfigError>([&] {
                           segment_volume(predictor, volume, all,
                                          {.axis = "2", .first = wrong.first, .end = wrong.second});
                         }),
                         "slices of 0..3"));
  }
  CHECK_THROWS_AS(segment_volume(predictor, volume, std::vector<SamPrompt>{}), ConfigError);
  CHECK_THROWS_AS(segment_volume(predictor, volume, all, {.axis = "upright"}), ConfigError);
}

TEST_CASE("one range of values for all slices: the whole volume's, as the model was trained") {
  Volume volume = counted_volume();
  BrighterThan predictor{.settings = {}};
  const std::vector<SamPrompt> prompt{{.points = {{127, 0}}}};
  predictor.settings.preparation.intensity = parse_intensity("percentile:0,100");  // 0 to 230: 115 is the middle
  LabelVolume labels = segment_volume(predictor, volume, prompt, {.axis = "2"});
  for (int v = 0; v < 24; ++v) CHECK(labels.values[static_cast<std::size_t>(v)] == (10 * v > 115 ? 1 : 0));
  labels = segment_volume(predictor, volume, prompt, {.axis = "2", .intensity = parse_intensity("window:0,40")});
  CHECK(std::count(labels.values.begin(), labels.values.end(), 1) == 22);  // 20 and more
  predictor.settings.preparation.intensity = {};
  volume.display = IntensityRange{0, 40, "the file's window"};  // where the model says nothing
  labels = segment_volume(predictor, volume, prompt, {.axis = "2"});
  CHECK(std::count(labels.values.begin(), labels.values.end(), 1) == 22);  // 20 and more
}

TEST_CASE("a label map: the surest of several masks, the best of each answer") {
  Prediction a{.masks = 2, .height = 1, .width = 3, .logits = {9, 9, 9, 1, 2, -1}, .iou = {0.1f, 0.2f}, .low_res = {}};
  const Prediction b{.masks = 1, .height = 1, .width = 3, .logits = {0.5f, 3, 0}, .iou = {0.9f}, .low_res = {}};
  CHECK(label_map({&a, &b}).values == std::vector<std::uint8_t>{1, 2, 0});
  CHECK(label_map({}).values.empty());
  a.width = 2;
  CHECK_THROWS_AS(label_map({&b, &a}), ShapeError);
  CHECK_THROWS_AS(label_map(std::vector<const Prediction*>(256, &b)), ConfigError);
}

TEST_CASE("a SamPredictor segments a volume by label as it segments the slices") {
  auto model = std::make_shared<TextPromptedSam<float, Cpu, recipes::ZeroShot>>(
      test::random_model<recipes::ZeroShot>(test::small_config()));
  SamPredictor<> predictor(model, std::make_shared<Context<Cpu>>(1));
  Volume volume = counted_volume();
  const LabelVolume labels = segment_volume(predictor, volume, std::vector<std::string>{"Liver"}, {.axis = "coronal"});
  const SlicePlane plane = slice_plane(volume, "coronal");
  for (Index slice = 0; slice < 2; ++slice) {
    predictor.set_image(slice_image(volume, plane, slice, intensity_range(volume, {})));
    const Mask expected = predictor.predict({.label = "Liver"}).mask(), found = slice_mask(labels, plane, slice);
    REQUIRE(found.values.size() == expected.values.size());
    for (std::size_t p = 0; p < found.values.size(); ++p) CHECK((found.values[p] == 1) == (expected.values[p] == 255));
  }
}
