// A label's name becomes a mask, by an adapter that was trained on it (03_adapt_to_your_images leaves one).
//
//     04_label_to_mask CHECKPOINT ADAPTER_FOLDER picture.png LABEL mask.png

#include <cstdio>
#include <ssam/ssam.hpp>

int main(int argc, char** argv) {
  if (argc < 6) return std::printf("usage: 04_label_to_mask CHECKPOINT ADAPTER_FOLDER picture.png LABEL mask.png\n"), 2;
  ssam::SamPredictor<ssam::recipes::SSam<>> sam(argv[1], {.adapter = argv[2]});
  sam.set_image(argv[3]);
  const ssam::Mask mask = sam.predict({.label = argv[4]}).mask();
  ssam::save_png(argv[5], mask);
  const auto inside = std::count(mask.values.begin(), mask.values.end(), 255);
  std::printf("%s: %s, written to %s\n", argv[4], inside > 0 ? "found" : "absent", argv[5]);
  return inside > 0 ? 0 : 1;
}
