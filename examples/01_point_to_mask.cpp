// A point becomes a mask: SAM's own checkpoint (.pth) or any other that ssam reads, a picture, and where to write.
//
//     01_point_to_mask sam_vit_b_01ec64.pth picture.png mask.png

#include <ssam/ssam.hpp>

int main(int, char** argv) {
  ssam::SamPredictor sam(argv[1]);
  sam.set_image(argv[2]);
  const ssam::Prediction answer = sam.predict({.points = {{80, 60}}});  // x, y in pixels of the picture
  ssam::save_png(argv[3], answer.mask());
}
