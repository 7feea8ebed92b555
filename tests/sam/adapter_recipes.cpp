#include <doctest/doctest.h>

#include "../small_model.hpp"

using namespace ssam;

TEST_CASE("a LoRA adapter of another rank is refused by name") {
  const test::Folder folder;
  const SamConfig config = test::small_config();
  auto model = test::prepared_model<recipes::LoRA<4>>(config);
  const AdapterInfo info = test::small_info<recipes::LoRA<4>>(config);
  test::disturb(model);
  save_adapter(folder / "rank 4", model, info);

  auto same = test::prepared_model<recipes::LoRA<4>>(config);
  load_adapter(same, folder / "rank 4");
  CHECK(test::everything(same).tensors == test::everything(model).tensors);

  auto wider = test::prepared_model<recipes::LoRA<8>>(config);
  const StateDict before = test::everything(wider);
  const std::string message = test::message_of<MismatchError>([&] { load_adapter(wider, folder / "rank 4"); });
  CHECK(test::contains(message, "trainable_lora_down.weight is [4, 16], not [8, 16] (another rank)"));
  CHECK(test::everything(wider).tensors == before.tensors);
}

TEST_CASE("the adapter of a zero-shot model is empty") {
  const test::Folder folder;
  const SamConfig config = test::small_config();
  auto model = test::random_model<recipes::ZeroShot>(config);
  const AdapterInfo info = test::small_info<recipes::ZeroShot>(config);
  CHECK(info.count.trained == 0);
  save_adapter(folder / "nothing", model, info);
  CHECK(load_safetensors((folder / "nothing") / adapter_weights_file).tensors.empty());
  load_adapter(model, folder / "nothing");
}
