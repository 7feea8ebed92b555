#include <cstdlib>
#include <ssam/io/safetensors.hpp>

/// Any bytes are refused with a FormatError, or load, and then survive being written and loaded again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ssam::StateDict state;
  try {
    state = ssam::parse_safetensors(bytes, "input");
  } catch (const ssam::FormatError&) {
    return 0;
  }
  const std::string written = ssam::safetensors_bytes(state);
  const ssam::StateDict again = ssam::parse_safetensors(written, "written");
  if (again.tensors != state.tensors || again.metadata != state.metadata) std::abort();
  if (ssam::safetensors_bytes(again) != written || ssam::content_hash(again) != ssam::content_hash(state)) std::abort();
  return 0;
}
