#pragma once

#include <ssam/core/parameter.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace ssam::inline SSAM_ABI {

/// Where a visitor stands in a model: "image_encoder.blocks.3.attn.qkv.weight". Segments are string literals or
/// numbers, so that a walk works in constant expressions.
class Path {
 public:
  /// A name or, where that is null, a number.
  struct Segment {
    const char* name = nullptr;  ///< null: a number
    Index number = 0;            ///< place in a list of layers
  };
  static constexpr int max_depth = 16;  ///< segments that a path can have

  /// Goes into `name`, a string literal. Throws Error beyond max_depth.
  constexpr void push(const char* name) { push(Segment{name, 0}); }
  /// Goes into entry `number` of a list. Throws Error beyond max_depth.
  constexpr void push(Index number) { push(Segment{nullptr, number}); }
  /// Goes out of the innermost segment.
  constexpr void pop() { --depth_; }
  /// The part that the layers on the way here say they belong to.
  constexpr Part part() const { return part_; }
  /// Calls f() as inside a layer of this type.
  template <class Layer, class F>
  constexpr void inside(const F& f) {
    const Part outer = part_;
    if constexpr (requires { Layer::part; }) part_ = Layer::part;
    f();
    part_ = outer;
  }
  /// Number of segments.
  constexpr int depth() const { return depth_; }
  /// Segment `i`, 0 is the outermost.
  constexpr const Segment& operator[](int i) const { return segments_[i]; }

  /// Whether the outermost segment is `name`.
  constexpr bool starts_with(std::string_view name) const {
    return depth_ > 0 && segments_[0].name != nullptr && std::string_view(segments_[0].name) == name;
  }

  /// The segments with dots between them: a checkpoint's name.
  std::string str() const {
    std::string text;
    for (int i = 0; i < depth_; ++i) {
      if (i > 0) text += '.';
      text += segments_[i].name != nullptr ? segments_[i].name : std::to_string(segments_[i].number);
    }
    return text;
  }

 private:
  constexpr void push(const Segment& segment) {
    if (depth_ == max_depth) throw Error("a model is nested deeper than 16 levels");
    segments_[depth_++] = segment;
  }
  Segment segments_[max_depth] = {};
  int depth_ = 0;
  Part part_ = Part::backbone;
};

/// The visitor that every layer's `visit(self, visitor)` talks to. Calls `leaf(path, parameter, group, layout)` for
/// each parameter that exists, in a fixed order, under its checkpoint name.
template <class Leaf>
class Walker {
 public:
  /// `leaf` must outlive the walker.
  constexpr explicit Walker(Leaf& leaf) : leaf_(leaf) {}

  /// A `parameter` of the layer, `name` under the layer's own; an Absent one is passed over. `layout` says how a
  /// checkpoint stores it.
  template <class P>
  constexpr void parameter(const char* name, P& parameter, Group group, Layout layout = Layout::same) {
    if constexpr (P::present) {
      path_.push(name);
      leaf_(std::as_const(path_), parameter, group, layout);
      path_.pop();
    }
  }

  /// The parameters of an inner `layer`, under `name`.
  template <class Layer>
  constexpr void child(const char* name, Layer& layer) {
    path_.push(name);
    inlined(layer);
    path_.pop();
  }

  /// The parameters of `layers`, a vector of layers, under `name`.0, `name`.1, ...
  template <class Layers>
  constexpr void children(const char* name, Layers& layers) {
    path_.push(name);
    for (Index i = 0; i < static_cast<Index>(layers.size()); ++i) {
      path_.push(i);
      inlined(layers[static_cast<std::size_t>(i)]);
      path_.pop();
    }
    path_.pop();
  }

  /// The layer's parameters under the current name (a wrapper that has none of its own).
  template <class Layer>
  constexpr void inlined(Layer& layer) {
    using Type = std::remove_const_t<Layer>;
    path_.template inside<Type>([&] { Type::visit(layer, *this); });
  }

 private:
  Leaf& leaf_;
  Path path_;
};

namespace detail {
/// Any leaf of a walk, its type forgotten: a model's visit is compiled for this one instead of for every leaf.
/// `IsConst`: whether parameters are only read.
template <class Scalar, class Device, bool IsConst>
class AnyLeaf {
 public:
  template <class Leaf>
  explicit AnyLeaf(Leaf& leaf)
      : leaf_(&leaf), frozen_(&call<Leaf, Frozen>), trained_(&call<Leaf, Trained>), tracked_(&call<Leaf, Tracked>) {}

  template <class P>
  void operator()(const Path& path, P& parameter, Group group, Layout layout) const {
    using Plain = std::remove_const_t<P>;
    static_assert(std::is_same_v<Plain, Parameter<Scalar, Device, Frozen>> ||
                      std::is_same_v<Plain, Parameter<Scalar, Device, Trained>> ||
                      std::is_same_v<Plain, Parameter<Scalar, Device, Tracked>>,
                  "ssam: all parameters of a model are of its Scalar_ on its Device_");
    (P::trained ? trained_ : P::tracked ? tracked_ : frozen_)(leaf_, path, &parameter, group, layout);
  }

 private:
  using Void = std::conditional_t<IsConst, const void, void>;
  using Call = void (*)(void*, const Path&, Void*, Group, Layout);

  template <class Leaf, class Training>
  static void call(void* leaf, const Path& path, Void* parameter, Group group, Layout layout) {
    using P = Parameter<Scalar, Device, Training>;
    using MaybeConst = std::conditional_t<IsConst, const P, P>;
    (*static_cast<Leaf*>(leaf))(path, *static_cast<MaybeConst*>(parameter), group, layout);
  }

  void* leaf_;
  Call frozen_, trained_, tracked_;
};

/// A model that says what its parameters are made of, and has memory.
template <class Model>
concept TypedModel = requires {
  typename Model::Scalar_;
  typename Model::Device_;
}
&&!is_meta<typename Model::Device_>;
}  // namespace detail

/// Calls `leaf(const Path&, parameter, Group, Layout)` for every parameter of a model or layer.
template <class Model, class Leaf>
constexpr void walk(Model& model, Leaf&& leaf) {
  if constexpr (detail::TypedModel<std::remove_const_t<Model>>) {
    using Any = detail::AnyLeaf<typename Model::Scalar_, typename Model::Device_, std::is_const_v<Model>>;
    std::remove_reference_t<Leaf>& named = leaf;
    Any any(const_cast<std::remove_const_t<std::remove_reference_t<Leaf>>&>(named));
    Walker<Any>(any).inlined(model);
  } else {
    Walker<std::remove_reference_t<Leaf>>(leaf).inlined(model);
  }
}

namespace detail {
/// Visitor of layers instead of parameters: calls `f(path, layer)` for every layer, the outer ones first.
template <class F>
class LayerWalker {
 public:
  constexpr explicit LayerWalker(F& f) : f_(f) {}
  template <class P>
  constexpr void parameter(const char*, P&, Group, Layout = Layout::same) {}
  template <class Layer>
  constexpr void child(const char* name, Layer& layer) {
    path_.push(name);
    inlined(layer);
    path_.pop();
  }
  template <class Layers>
  constexpr void children(const char* name, Layers& layers) {
    path_.push(name);
    for (Index i = 0; i < static_cast<Index>(layers.size()); ++i) {
      path_.push(i);
      inlined(layers[static_cast<std::size_t>(i)]);
      path_.pop();
    }
    path_.pop();
  }
  template <class Layer>
  constexpr void inlined(Layer& layer) {
    f_(std::as_const(path_), layer);
    std::remove_const_t<Layer>::visit(layer, *this);
  }

 private:
  F& f_;
  Path path_;
};
}  // namespace detail

/// Calls `f(const Path&, layer)` for every layer of a model, the outer ones first.
template <class Model, class F>
constexpr void walk_layers(Model& model, F&& f) {
  detail::LayerWalker<std::remove_reference_t<F>> walker(f);
  std::remove_const_t<Model>::visit(model, walker);
}

}  // namespace ssam::inline SSAM_ABI
