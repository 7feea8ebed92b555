// Where shapes do not fit, the error says what was found and in which layer.

#include <doctest/doctest.h>

#include "../small_model.hpp"

using namespace ssam;

TEST_CASE("A layer whose weight has another shape is named, in both passes of training and in inference") {
  using Model = TextPromptedSam<float, Cpu, recipes::FullFineTuning<>>;
  Model model = test::random_model<recipes::FullFineTuning<>>(test::small_config());
  Context<Cpu> context;
  WorkspaceScope<Cpu> scope(context);
  const Tensor<float, Cpu> images({1, 32, 32, 3}), text({1, 12});
  const Tensor<float, Cpu> wrong({16, 20});
  auto& weight = model.sam.image_encoder.blocks[1].mlp.lin2.weight.value;
  const Tensor<float, Cpu> right = weight;
  const std::string expected =
      "shapes do not fit [linear of image_encoder.blocks.1.mlp.lin2.weight]: expected x [n, in], w [out, in], "
      "y [n, out], found [16, 64], [16, 20], [16, 16]";
  Model::Record record;
  weight = wrong;
  CHECK(test::message_of<ShapeError>([&] { model.encode_image(context, images); }) == expected);
  CHECK(test::message_of<ShapeError>([&] { model.forward(context, images, text, record); }) == expected);
  weight = right;
  const auto probability = model.forward(context, images, text, record);
  weight = wrong;
  CHECK(test::message_of<ShapeError>([&] {
          model.backward(context, record, probability);
        }).find(" of image_encoder.blocks.1.mlp.lin2.weight]") != std::string::npos);
}

TEST_CASE("A norm, a decoder's layer and a prompt of another shape are named, too") {
  auto model = test::random_model<recipes::ZeroShot>(test::small_config());
  Context<Cpu> context;
  WorkspaceScope<Cpu> scope(context);
  const auto embedding = model.encode_image(context, Tensor<float, Cpu>({1, 32, 32, 3}));
  model.sam.mask_decoder.transformer.layers[0].norm2.weight.value = Tensor<float, Cpu>({7});
  const std::string found = test::message_of<ShapeError>([&] {
    model.decode_labels(context, embedding, {.text = Tensor<float, Cpu>({1, 12})});
  });
  CHECK(found.find("[layer_norm_forward of mask_decoder.transformer.layers.0.norm2.weight]: expected one value per "
                   "column, found 7, [") != std::string::npos);
}

TEST_CASE("An op by itself says what it was given") {
  Context<Cpu> context;
  const Tensor<float, Cpu> x({2, 3}), row({4});
  Tensor<float, Cpu> y({2, 3});
  CHECK(test::message_of<ShapeError>([&] {
          ops::multiply_row<float>(context, x.view().matrix(), row, y.view().matrix());
        }) == "shapes do not fit [multiply_row]: expected as many elements in the row as columns, found [4], 3");
}
