#include <cstdlib>
#include <ssam/io/torch_checkpoint.hpp>

/// Any pickle is refused with a FormatError, or gives tensors that lie inside a storage of 64 bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string storage(64, 'x');
  const std::string name = "input";
  const ssam::ByteSource source = ssam::ByteSource::memory(storage, name);
  const auto locate = [&](const ssam::PickleStorage& wanted, const std::string& where) {
    ssam::detail::check_storage_size(wanted, storage.size(), where);
    return ssam::detail::StorageRecord{0, storage.size(), nullptr};
  };
  try {
    const ssam::Pickle pickle(bytes, name, 0);
    if (pickle.size() > size) std::abort();
    ssam::detail::TorchState found = ssam::detail::TorchStateFinder(pickle, name).find();
    const ssam::StateDict state = ssam::detail::read_storages(source, pickle, std::move(found), nullptr, locate);
    for (const auto& [key, tensor] : state.tensors) {
      for (const std::byte value : tensor.bytes) {
        if (value != std::byte{'x'}) std::abort();
      }
      tensor.elements();  // throws ShapeError, which is not caught
    }
  } catch (const ssam::FormatError&) {
  }
  return 0;
}
