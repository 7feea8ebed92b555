#include <cstdlib>
#include <ssam/io/checkpoint_file.hpp>

/// Any checkpoint, of torch.save above all, is refused with a FormatError or loads into tensors that can be written as
/// safetensors and loaded again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ssam::StateDict state;
  try {
    state = ssam::parse_checkpoint(bytes, "input");
  } catch (const ssam::FormatError&) {
    return 0;
  }
  state.tensors.erase("__metadata__");  // the one name that safetensors cannot hold
  const ssam::StateDict again = ssam::parse_safetensors(ssam::safetensors_bytes(state), "written");
  if (again.tensors != state.tensors) std::abort();
  return 0;
}
