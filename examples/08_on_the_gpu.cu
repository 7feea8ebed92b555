// The device is a type: the same function for the host and for an NVIDIA GPU, in one program. CudaTf32 and CudaBf16 in
// place of Cuda multiply on tensor cores.
//
//     08_on_the_gpu CHECKPOINT picture.png

#include <cstdio>
#include <ssam/ssam.hpp>

template <class Device>
ssam::Prediction ask(const char* checkpoint, const char* picture) {
  ssam::SamPredictor<ssam::recipes::ZeroShot, Device> sam(checkpoint);
  sam.set_image(picture);
  return sam.predict({.points = {{80, 60}}});
}

int main(int argc, char** argv) try {
  if (argc < 3) return std::printf("usage: 08_on_the_gpu CHECKPOINT picture.png\n"), 2;
  const ssam::Prediction on_gpu = ask<ssam::Cuda>(argv[1], argv[2]), on_host = ask<ssam::Cpu>(argv[1], argv[2]);
  int pixels = 0;
  for (std::size_t i = 0; i < on_host.logits.size(); ++i) {
    pixels += (on_gpu.logits[i] > 0) != (on_host.logits[i] > 0) ? 1 : 0;
  }
  std::printf("predicted IoU %.4f on the GPU, %.4f on the host; the masks differ in %d of %zu pixels\n", on_gpu.iou[0],
              on_host.iou[0], pixels, on_host.logits.size());
  return pixels <= static_cast<int>(on_host.logits.size() / 100) ? 0 : 1;
} catch (const ssam::Error& error) {  // without a GPU: which one is needed, and what there is
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
