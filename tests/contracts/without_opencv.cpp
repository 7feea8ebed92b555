// Refused: ssam: save_png needs OpenCV

#undef SSAM_WITH_OPENCV
#include <ssam/ssam.hpp>

void write() { ssam::save_png("mask.png", ssam::Mask(2, 3)); }
