#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <ssam/data/nifti_header.hpp>
#include <ssam/data/volume.hpp>
#include <ssam/io/atomic_file.hpp>
#include <ssam/io/gzip.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {

/// Turns stored voxels into floats, in whatever pieces they come.
class NiftiVoxels {
 public:
  NiftiVoxels(const NiftiHeader& header, std::vector<float>& values) : header_(header), values_(values) {}

  void take(const char* bytes, std::size_t count) {
    if (!rest_.empty()) {  // a voxel that two pieces share
      const std::size_t missing = std::min(count, header_.bytes_each - rest_.size());
      rest_.append(bytes, missing);
      bytes += missing;
      count -= missing;
      if (rest_.size() < header_.bytes_each) return;
      convert(rest_.data(), 1);
      rest_.clear();
    }
    const std::size_t whole = count / header_.bytes_each;
    convert(bytes, whole);
    rest_.assign(bytes + whole * header_.bytes_each, count - whole * header_.bytes_each);
  }

 private:
  void convert(const char* bytes, std::size_t count) {
    switch (header_.datatype) {
      case NIFTI_TYPE_UINT8:
        return convert_as<std::uint8_t>(bytes, count);
      case NIFTI_TYPE_INT8:
        return convert_as<std::int8_t>(bytes, count);
      case NIFTI_TYPE_INT16:
        return convert_as<std::int16_t>(bytes, count);
      case NIFTI_TYPE_UINT16:
        return convert_as<std::uint16_t>(bytes, count);
      case NIFTI_TYPE_INT32:
        return convert_as<std::int32_t>(bytes, count);
      case NIFTI_TYPE_UINT32:
        return convert_as<std::uint32_t>(bytes, count);
      case NIFTI_TYPE_INT64:
        return convert_as<std::int64_t>(bytes, count);
      case NIFTI_TYPE_UINT64:
        return convert_as<std::uint64_t>(bytes, count);
      case NIFTI_TYPE_FLOAT32:
        return convert_as<float>(bytes, count);
      default:
        return convert_as<double>(bytes, count);
    }
  }
  template <class Stored>
  void convert_as(const char* bytes, std::size_t count) {
    for (std::size_t v = 0; v < count; ++v) {
      std::array<char, sizeof(Stored)> one;
      std::memcpy(one.data(), bytes + v * sizeof(Stored), sizeof(Stored));
      if (header_.swapped) std::reverse(one.begin(), one.end());
      const auto number = static_cast<double>(std::bit_cast<Stored>(one));
      values_.push_back(static_cast<float>(number * header_.slope + header_.inter));
    }
  }

  const NiftiHeader& header_;
  std::vector<float>& values_;
  std::string rest_;
};

/// A NIfTI file's bytes, packed or not.
struct NiftiBytes {
  explicit NiftiBytes(const std::filesystem::path& path) : source(ByteSource::file(path)), packed(is_gzip(stored(2))) {}

  /// Up to `count` bytes from the beginning on.
  std::string start(std::size_t count) const {
    if (!packed) return stored(count);
    std::string bytes;
    unpack_gzip(stored(std::uint64_t{1} << 20), source.name(), count, [&](const char* data, std::size_t size) {
      bytes.append(data, std::min(size, count - bytes.size()));
      return bytes.size() < count;
    });
    return bytes;
  }

  /// Whether there can be `count` bytes, so that it makes sense to ask for memory. (Deflate packs no closer than 1032
  /// to 1.)
  bool can_hold(std::uint64_t count) const { return packed ? count / 1032 <= source.size() : count <= source.size(); }

  /// Hands `count` bytes from `offset` on to `voxels`; `end` bytes must be there in all.
  void read(std::uint64_t offset, std::uint64_t count, std::uint64_t end, NiftiVoxels& voxels) const {
    constexpr std::size_t piece = std::size_t{1} << 16;
    if (!packed) {
      for (std::uint64_t done = 0; done < count; done += piece) {
        const std::string bytes =
            source.read_string(offset + done, static_cast<std::size_t>(std::min<std::uint64_t>(piece, count - done)));
        voxels.take(bytes.data(), bytes.size());
      }
      return;
    }
    std::uint64_t at = 0;
    unpack_gzip(stored(source.size()), source.name(), piece, [&](const char* data, std::size_t size) {
      const std::uint64_t from = std::clamp(offset, at, at + size), to = std::clamp(offset + count, at, at + size);
      voxels.take(data + (from - at), static_cast<std::size_t>(to - from));
      at += size;
      return at <= end;  // what stands behind the voxels is nothing of ours
    });
    if (at < end) too_short(end, at);
  }

  [[noreturn]] void too_short(std::uint64_t end, std::uint64_t found) const {
    refuse_nifti(source.name(), std::to_string(end) + " bytes, by its header",
                 std::to_string(found) + " bytes" + (packed ? " of packed content" : ""));
  }

  /// Up to `count` bytes as they lie in the file.
  std::string stored(std::uint64_t count) const {
    return source.read_string(0, static_cast<std::size_t>(std::min(count, source.size())));
  }

  ByteSource source;
  bool packed;  ///< whether it is a gzip file
};

/// The file beside `path` that has its name and the other extension of a pair; `path` itself where there is none.
inline std::filesystem::path nifti_partner(const std::filesystem::path& path, const std::string& extension) {
  std::filesystem::path stem = path;
  if (stem.extension() == ".gz") stem.replace_extension();
  for (const char* packed : {"", ".gz"}) {
    std::filesystem::path other = stem;
    other.replace_extension(extension + packed);
    if (std::filesystem::exists(other)) return other;
  }
  return path;
}

/// Where a header says that the voxels are.
inline VolumeGrid nifti_grid(const NiftiHeader& header, const std::string& where) {
  VolumeGrid grid;
  for (std::size_t i = 0; i < 3; ++i) grid.extents[i] = static_cast<Index>(header.extents[i]);
  grid.nifti = header.placement;
  grid.affine = nifti_affine(header.placement, grid.extents);
  grid.millimetres = says_millimetres(header.placement, grid.extents);
  check_affine(grid, where, header.placement.sform_code > 0 ? "an sform" : "a qform");
  return grid;
}

}  // namespace detail

/// Where the voxels of a NIfTI file are, by its header alone; `path` is no `.img`. Throws as load_nifti.
inline VolumeGrid load_nifti_grid(const std::filesystem::path& path) {
  const std::string where = path.string();
  const std::string start = detail::NiftiBytes(path).start(detail::nifti_header_bytes);
  return detail::nifti_grid(detail::parse_nifti_header(start, where), where);
}

/// What to take out of a NIfTI file.
struct NiftiOptions {
  std::optional<Index> volume = {};  ///< of a file with several (a fourth axis): the number of one, from 0
};

/// Reads a volume from NIfTI-1 or NIfTI-2, of either byte order: `.nii`, `.nii.gz`, or one file of a pair `.hdr` and
/// `.img`. Values are scaled as the header says (a slope of 0 or NaN is none) and become floats. The affine is the
/// header's matrix (sform), else its quaternion (qform), in millimetres. With neither, the volume lies as Analyze's do,
/// x to the left, and a note says so. 8-bit values without a scale are shown as they are (Volume::display). Throws
/// IoError, FormatError for what is damaged or holds no single numbers (Analyze without NIfTI's mark, colours, complex
/// numbers), ConfigError where several volumes leave a choice.
inline Volume load_nifti(const std::filesystem::path& path, const NiftiOptions& options = {}) {
  const bool image = (path.extension() == ".gz" ? path.stem() : path).extension() == ".img";
  const std::filesystem::path header_path = image ? detail::nifti_partner(path, ".hdr") : path;
  const std::string where = header_path.string();
  std::optional<detail::NiftiBytes> file(header_path);
  const detail::NiftiHeader header = detail::parse_nifti_header(file->start(detail::nifti_header_bytes), where);
  if (header.pair) {
    const std::filesystem::path voxels = detail::nifti_partner(header_path, ".img");
    if (voxels == header_path) {
      detail::refuse_nifti(where, "an .img beside this .hdr", "no such file", "bring both files of the pair together");
    }
    file.emplace(voxels);
  }
  const auto all = static_cast<Index>(header.volumes);
  if (!options.volume && all > 1) {
    throw ConfigError(ErrorText{.what = "the file holds " + std::to_string(all) + " volumes (a fourth axis)",
                                .where = where,
                                .expected = "the number of one, 0.." + std::to_string(all - 1),
                                .advice = "choose one; in a data set, write each into a file of its own"});
  }
  const Index chosen = options.volume.value_or(0);
  if (chosen < 0 || chosen >= all) {
    throw ConfigError(ErrorText{.what = "the file has no such volume",
                                .where = where,
                                .expected = "0.." + std::to_string(all - 1),
                                .found = std::to_string(chosen)});
  }
  Volume volume;
  static_cast<VolumeGrid&>(volume) = detail::nifti_grid(header, where);
  const std::uint64_t bytes = static_cast<std::uint64_t>(volume.voxels()) * header.bytes_each;
  const std::uint64_t end = header.offset + bytes * header.volumes;
  if (!file->can_hold(end)) file->too_short(end, file->source.size());
  const bool placed = header.placement.sform_code > 0 || header.placement.qform_code > 0;
  if (!placed) volume.notes.push_back("the file does not say how the patient lies: taken to be as in Analyze files");
  volume.values.reserve(static_cast<std::size_t>(volume.voxels()));
  detail::NiftiVoxels voxels(header, volume.values);
  file->read(header.offset + bytes * static_cast<std::uint64_t>(chosen), bytes, end, voxels);
  if (header.datatype == NIFTI_TYPE_UINT8 && header.slope == 1 && header.inter == 0) {
    volume.display = IntensityRange{0, 255, "8 bits"};
  }
  return volume;
}

/// Writes labels as NIfTI: uint8, `.nii` or, packed, `.nii.gz` by the name. Of a volume that was read from NIfTI the
/// place of the voxels is written as it was read, number by number; of any other the affine as matrix, and as
/// quaternion where one can say the same. The file is complete or not there at all. Throws ConfigError for another
/// name, IoError, ShapeError where there are no voxels.
inline void save_nifti(const std::filesystem::path& path, const LabelVolume& labels) {
  const std::string name = path.filename().string();
  if (!name.ends_with(".nii") && !name.ends_with(".nii.gz")) {
    throw ConfigError(ErrorText{.what = "a volume needs the name of a NIfTI file",
                                .where = path.string(),
                                .expected = "a name that ends in .nii or .nii.gz"});
  }
  if (labels.voxels() == 0 || static_cast<Index>(labels.values.size()) != labels.voxels()) {
    throw ShapeError(ErrorText{.what = "the labels do not fill their volume",
                               .expected = std::to_string(labels.voxels()) + " values, at least 1",
                               .found = std::to_string(labels.values.size())});
  }
  const NiftiPlacement place = detail::placement_of(labels);
  const bool long_axis = *std::max_element(labels.extents.begin(), labels.extents.end()) > 32767;
  std::string bytes =
      place.version == 2 || long_axis
          ? detail::compose_nifti_header<nifti_2_header>(labels, place, std::string_view("n+2\0\r\n\032\n", 8))
          : detail::compose_nifti_header<nifti_1_header>(labels, place, std::string_view("n+1\0", 4));
  bytes.append(reinterpret_cast<const char*>(labels.values.data()), labels.values.size());
  atomic_write(path, name.ends_with(".gz") ? to_gzip(bytes) : bytes);
}

}  // namespace ssam::inline SSAM_ABI
