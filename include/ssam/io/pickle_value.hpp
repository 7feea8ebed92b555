#pragma once

#include <array>
#include <cstdint>
#include <ssam/io/host_tensor.hpp>
#include <string_view>

namespace ssam::inline SSAM_ABI {

/// One Python object of a checkpoint's pickle. Containers, texts and tensors live in the Pickle that made it.
struct PickleValue {
  /// What it is. `make_...` and later are callables and types that a pickle may name.
  enum class Kind : std::uint8_t {
    none,               ///< None
    boolean,            ///< integer: 0 or 1
    integer,            ///< of at most 63 bits
    real,               ///< or an integer beyond 63 bits; its value is of no use to a checkpoint and not kept
    text,               ///< a str
    tuple,              ///< immutable sequence
    list,               ///< mutable sequence
    dict,               ///< keys and values
    ordered_dict,       ///< a collections.OrderedDict
    module,             ///< a module of a TorchScript program: its attributes, as a dictionary
    storage,            ///< what a persistent id names
    tensor,             ///< a view of a storage
    make_ordered_dict,  ///< from here on: the callables and types a pickle may name
    make_tensor,        ///< torch._utils._rebuild_tensor_v2
    make_parameter,     ///< torch._utils._rebuild_parameter, also with state
    make_size,          ///< torch.Size
    storage_type,       ///< integer: the DType
    object,             ///< any other Python object or type: nothing but its name is kept
  };
  Kind kind = Kind::none;    ///< of the object
  std::uint32_t index = 0;   ///< of the container, storage or tensor; the length of a text or name
  std::int64_t integer = 0;  ///< the number; the offset of a text or name
};

/// A run of elements inside a file's storage, as a persistent id names it.
struct PickleStorage {
  std::string_view key;            ///< name of the storage in the file
  DType dtype = DType::f32;        ///< of its elements
  std::int64_t elements = 0;       ///< of the whole storage in the file
  std::int64_t view_begin = 0;     ///< first element of the run
  std::int64_t view_elements = 0;  ///< elements of the run
};

/// A tensor inside a storage: offset and strides in elements, none negative; not yet checked against the storage.
struct PickleTensor {
  std::uint32_t storage = 0;                               ///< number of the storage, as Pickle::storage() takes it
  std::int64_t offset = 0;                                 ///< first element
  Shape shape;                                             ///< extents, outermost first
  std::array<std::int64_t, Shape::max_rank> strides = {};  ///< elements from one index to the next, per axis
};

}  // namespace ssam::inline SSAM_ABI
