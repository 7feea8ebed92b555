#include <ssam/io/checkpoint_file.hpp>
#include <ssam/io/save_torch.hpp>

#include "fixtures.hpp"

using namespace ssam;

TEST_CASE("a saved .pth is read back as it was, and the same state gives the same bytes") {
  const fixtures::TemporaryFolder folder;
  StateDict state = load_checkpoint(fixtures::golden("sam.safetensors"));
  state.tensors["a scalar"] = HostTensor::from(Shape{}, std::vector<std::int64_t>{7});
  state.tensors["nothing"] = HostTensor::from(Shape{0, 3}, std::vector<float>{});
  for (const DType type : {DType::f64, DType::f16, DType::bf16}) {
    state.tensors[std::string("as ") + dtype_name(type)] =
        HostTensor::from(Shape{2, 2}, std::vector<float>{1, -2, 0.5f, 3}).converted(type);
  }
  state.tensors["bytes"] = HostTensor::from(Shape{3}, std::vector<std::uint8_t>{0, 1, 255});
  state.metadata["lost"] = "yes";
  save_torch_checkpoint(folder / "a.pth", state);
  save_torch_checkpoint(folder / "b.pth", state);
  CHECK(fixtures::read(folder / "a.pth") == fixtures::read(folder / "b.pth"));
  const ByteSource source = ByteSource::file(folder / "a.pth");
  CHECK(sniff_container(source) == Container::torch_zip);
  const ZipArchive archive(source);
  for (const auto& [name, entry] : archive.entries()) CHECK(entry.data % 64 == 0);
  const StateDict read = load_checkpoint(folder / "a.pth");
  CHECK(read.tensors == state.tensors);
  CHECK(read.metadata.empty());
  CHECK(read.skipped.empty());
}

TEST_CASE("a .pth of torch.save survives being saved again") {
  const fixtures::TemporaryFolder folder;
  const StateDict state = load_checkpoint(fixtures::golden("sam.pth"));
  save_torch_checkpoint(folder / "again.pth", state);
  CHECK(load_checkpoint(folder / "again.pth").tensors == state.tensors);
}

TEST_CASE("a name that no reader accepts is not written, and the old file stays") {
  const fixtures::TemporaryFolder folder;
  fixtures::write(folder / "kept.pth", "old");
  StateDict state;
  state.tensors["a\nb"] = HostTensor::from(Shape{1}, std::vector<float>{1});
  fixtures::refused([&] { save_torch_checkpoint(folder / "kept.pth", state); }, {"kept.pth", "unusable name"});
  CHECK(fixtures::read(folder / "kept.pth") == "old");
}
