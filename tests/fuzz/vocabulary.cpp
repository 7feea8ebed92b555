#include <ssam/text/clip_vocabulary.hpp>

#include "as_file.hpp"

/// Any file is read, or refused with an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const AsFile file(data, size);
  try {
    ssam::load_clip_vocabulary(file.path());
  } catch (const ssam::Error&) {
  }
  return 0;
}
