// A layer of one's own: every output of a frozen linear layer is scaled by a trained gain (as IA3 does). Its gradients
// are checked, and a recipe puts it into the model.
//
//     06_your_own_layer

#include <cstdio>
#include <ssam/ssam.hpp>

using namespace ssam;

/// y = gain * (x W^T) + b. What a LinearLayer must have is said in ssam/nn/contracts.hpp.
template <class Scalar, class Device>
class GainLinear {
 public:
  using Matrix = MatrixView<Scalar, Device>;
  using ConstMatrix = MatrixView<const Scalar, Device>;
  struct Record {
    TensorView<const Scalar, Device> plain;  // x W^T, on the workspace until the step ends
  };

  constexpr GainLinear() = default;
  constexpr explicit GainLinear(const Shape& weight_shape)
      : weight(weight_shape), bias(Shape{weight_shape[0]}), gain(Shape{weight_shape[0]}) {}

  void forward(Context<Device>& context, ConstMatrix x, Matrix y, Record& record) const {
    const TensorView<Scalar, Device> plain = allocate<Scalar>(context, {y.rows, y.cols});
    ops::linear<Scalar>(context, x, weight.value.view().matrix(y.cols), {}, plain.matrix());
    ops::multiply_row<Scalar>(context, plain.matrix(), gain.value, y);
    ops::add_row<Scalar>(context, bias.value, y);
    record.plain = plain;
  }

  /// Adds to the gain's gradient; overwrites dx unless nobody wants it.
  void backward(Context<Device>& context, const Record& record, ConstMatrix dy, Matrix dx) {
    ops::dot_rows<Scalar>(context, dy, record.plain.matrix(), gain.ensure_grad());
    if (dx.empty()) return;
    WorkspaceScope<Device> scope(context);
    const TensorView<Scalar, Device> scaled = allocate<Scalar>(context, {dy.rows, dy.cols});
    ops::multiply_row<Scalar>(context, dy, gain.value, scaled.matrix());
    ops::matmul<Scalar>(context, ops::Transpose::no, ops::Transpose::no, scaled.matrix(),
                        std::as_const(weight.value).view().matrix(dy.cols), dx);
  }

  TensorView<const Scalar, Device> bias_view() const { return bias.value; }
  TensorView<Scalar, Device> bias_grad() { return bias.ensure_grad(); }

  /// A gain of 1: the model starts as the checkpoint has it.
  void initialize(Random&) {
    const std::vector<Scalar> ones(static_cast<std::size_t>(gain.value.size()), Scalar(1));
    gain.value = Tensor<Scalar, Device>(gain.value.shape(), ones);
  }

  /// Names of the checkpoint; the gain is the adapter's, which no checkpoint has.
  template <class Self, class Visitor>
  static constexpr void visit(Self& self, Visitor& visitor) {
    visitor.parameter("weight", self.weight, Group::weights);
    visitor.parameter("bias", self.bias, Group::biases);
    visitor.parameter("gain", self.gain, Group::bottleneck);
  }

  Parameter<Scalar, Device, Frozen> weight, bias;
  Parameter<Scalar, Device, Trained> gain;
};

struct Gains : FrozenRecipe {
  static constexpr const char* name = "gains";
  template <class S, class D>
  using AttentionLinear = GainLinear<S, D>;
  template <class S, class D>
  using MlpLinear = GainLinear<S, D>;
  using TextAffine = Trained;
};
constexpr ParameterCount count = parameter_count<Gains>(vit_b(256));
static_assert(count.group(CountGroup::bottleneck) == 12 * (3 * 768 + 768 + 4 * 768 + 768));

int main() {
  GainLinear<double, Cpu> layer(Shape{4, 3});
  testing::randomize_parameters(layer, 1);
  const testing::GradientReport report = testing::check_layer(layer, {5, 3}, {5, 4});
  std::printf("gradients of %d tensors differ from central differences by %.1e at most, in %s\n", report.tensors,
              report.error, report.where.c_str());
  std::printf("the recipe trains %lld of %lld parameters of ViT-B\n", static_cast<long long>(count.trained),
              static_cast<long long>(count.total));
  return report.passed() ? 0 : 1;
}
