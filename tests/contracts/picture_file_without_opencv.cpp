// Refused: ssam: a picture's file needs OpenCV

#undef SSAM_WITH_OPENCV
#include <ssam/ssam.hpp>

void ask(ssam::SamPredictor<>& sam) { sam.set_image("picture.png"); }
