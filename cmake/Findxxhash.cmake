# xxHash as a header only. Defines xxhash::xxhash.
find_path(xxhash_INCLUDE_DIR xxhash.h)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  xxhash REQUIRED_VARS xxhash_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "ssam hashes checkpoints with xxhash.h: install libxxhash-dev (Debian) or set xxhash_INCLUDE_DIR to its folder")
if(xxhash_FOUND AND NOT TARGET xxhash::xxhash)
  add_library(xxhash::xxhash INTERFACE IMPORTED)
  set_target_properties(xxhash::xxhash PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${xxhash_INCLUDE_DIR}")
endif()
mark_as_advanced(xxhash_INCLUDE_DIR)
