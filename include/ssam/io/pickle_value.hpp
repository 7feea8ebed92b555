#pragma once

#include <array>
#include <cstdint>
#include <ssam/io/host_tensor.hpp>
#include <string_view>

namespace ssam::inline SSAM_ABI {

/// One Python object of a checkpoint's pickle. Containers, texts and tensors live in the Pickle that made it.
struct PickleValue {
  enum class Kind : std::uint8_t {
    none,
    boolean,  ///< integer: 0 or 1
    integer,
    real,  ///< or an integer beyond 63 bits; its value is of no use to a checkpoint and not kept
    text,
    tuple,
    list,
    dict,
    ordered_dict,
    storage,
    tensor,
    make_ordered_dict,  ///< from here on: the callables and types a pickle may name
    make_tensor,
    make_parameter,
    make_size,
    storage_type,  ///< integer: the DType
    object,        ///< any other Python object or type: nothing but its name is kept
  };
  Kind kind = Kind::none;
  std::uint32_t index = 0;   ///< of the container, storage or tensor; the length of a text or name
  std::int64_t integer = 0;  ///< the number; the offset of a text or name
};

/// A run of elements inside a file's storage, as a persistent id names it.
struct PickleStorage {
  std::string_view key;
  DType dtype = DType::f32;
  std::int64_t elements = 0;  ///< of the whole storage in the file
  std::int64_t view_begin = 0;
  std::int64_t view_elements = 0;
};

/// A tensor inside a storage: offset and strides in elements, none negative; not yet checked against the storage.
struct PickleTensor {
  std::uint32_t storage = 0;
  std::int64_t offset = 0;
  Shape shape;
  std::array<std::int64_t, Shape::max_rank> strides = {};
};

}  // namespace ssam::inline SSAM_ABI
