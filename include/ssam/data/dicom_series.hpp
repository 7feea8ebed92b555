#pragma once

#include <map>
#include <ssam/data/dicom_file.hpp>
#include <ssam/data/volume.hpp>

namespace ssam::inline SSAM_ABI::detail {

/// A slice on its way into a volume: frame number `frame` of file number `file`.
struct DicomSlice {
  std::size_t file = 0, frame = 0;
  std::array<double, 3> position{};
};

inline std::string described(const DicomHeader& header, std::size_t files) {
  return (header.series.empty() ? "(no number)" : header.series) + " (" + header.modality +
         (header.description.empty() ? "" : ", " + shown(header.description)) + ", " + std::to_string(files) +
         (files == 1 ? " file)" : " files)");
}

/// The files of one series in `folder`: of `wanted`, or of the only one there is. `notes`: what was passed over.
inline std::vector<DicomHeader> find_dicom_series(const std::filesystem::path& folder, const std::string& wanted,
                                                  std::vector<std::string>& notes) {
  std::map<std::string, std::vector<DicomHeader>> series;
  std::size_t others = 0, pictureless = 0;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    const std::optional<DicomFile> file = read_dicom_file(path);
    if (!file) {
      ++others;
      continue;
    }
    DicomHeader header = dicom_header_of(*file);
    if (header.frames.empty()) {
      ++pictureless;
    } else {
      series[header.series].push_back(std::move(header));
    }
  }
  const auto passed_over = [&](std::size_t count, const std::string& kind) {
    if (count > 0) notes.push_back(std::to_string(count) + " of the folder's files " + kind + ": passed over");
  };
  passed_over(others, "are no DICOM files");
  passed_over(pictureless, "are DICOM files without a picture");
  std::string list;
  for (const auto& [number, files] : series) list += (list.empty() ? "" : ", ") + described(files[0], files.size());
  if (series.empty()) {
    throw FormatError(ErrorText{.what = "no DICOM picture in this folder",
                                .where = folder.string(),
                                .found = std::to_string(paths.size()) + " files without one",
                                .advice = "folders in it are not searched"});
  }
  if (wanted.empty() && series.size() > 1) {
    throw ConfigError(ErrorText{.what = "several DICOM series in this folder",
                                .where = folder.string(),
                                .expected = "the number of one",
                                .found = list,
                                .advice = "choose one"});
  }
  const auto chosen = wanted.empty() ? series.begin() : series.find(wanted);
  if (chosen == series.end()) {
    throw ConfigError(ErrorText{
        .what = "no such DICOM series in this folder", .where = folder.string(), .expected = wanted, .found = list});
  }
  return std::move(chosen->second);
}

inline double dot(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

/// The directions along rows and columns that all slices share; as if lying on the back where none says one. Throws
/// FormatError.
inline std::array<double, 6> common_orientation(const std::vector<DicomHeader>& files) {
  const auto first = files[0].frames[0].orientation;
  for (const DicomHeader& file : files) {
    for (const DicomFrame& frame : file.frames) {
      bool same = frame.orientation.has_value() == first.has_value();
      for (std::size_t i = 0; same && first && i < 6; ++i) {
        same = std::abs((*frame.orientation)[i] - (*first)[i]) < 1e-3;
      }
      if (!same) {
        refuse_dicom(file.path, "slices of one direction",
                     "another direction than that of " + files[0].path.filename().string(),
                     "take scouts and other planes out of the folder");
      }
    }
  }
  if (!first) return {1, 0, 0, 0, 1, 0};
  const double* along = first->data();
  if (std::abs(dot(along, along) - 1) > 1e-2 || std::abs(dot(along + 3, along + 3) - 1) > 1e-2 ||
      std::abs(dot(along, along + 3)) > 1e-2) {
    refuse_dicom(files[0].path, "two directions at right angles, of length 1", "others in (0020,0037)");
  }
  return *first;
}

/// The slices of a series in order, and the step from one to the next in mm. By position along the slices' normal; by
/// number where no file says a position. Throws FormatError for a stack with gaps, doublets or unlike files.
inline std::vector<DicomSlice> order_slices(const std::vector<DicomHeader>& files,
                                            const std::array<double, 6>& orientation, std::array<double, 3>& step,
                                            std::vector<std::string>& notes) {
  const DicomHeader& first = files[0];
  const auto spacing = first.frames[0].spacing;
  std::vector<DicomSlice> slices;
  std::size_t placed = 0;
  for (std::size_t f = 0; f < files.size(); ++f) {
    if (files[f].rows != first.rows || files[f].columns != first.columns) {
      refuse_dicom(files[f].path, "slices of " + Shape{first.rows, first.columns}.str() + " pixels",
                   Shape{files[f].rows, files[f].columns}.str(), "keep one size in the folder");
    }
    for (std::size_t k = 0; k < files[f].frames.size(); ++k) {
      const DicomFrame& frame = files[f].frames[k];
      if (frame.spacing.has_value() != spacing.has_value() ||
          (spacing && (std::abs((*frame.spacing)[0] - (*spacing)[0]) > 1e-3 * (*spacing)[0] ||
                       std::abs((*frame.spacing)[1] - (*spacing)[1]) > 1e-3 * (*spacing)[1]))) {
        refuse_dicom(files[f].path, "the pixel spacing of " + first.path.filename().string(), "another one");
      }
      placed += frame.position ? 1 : 0;
      slices.push_back({f, k, frame.position.value_or(std::array<double, 3>{})});
    }
  }
  const double* u = orientation.data();
  const double* v = u + 3;
  const std::array<double, 3> normal{u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
  const double said = first.frames[0].thickness;
  const double single = said > 0 ? said : 1;
  for (std::size_t c = 0; c < 3; ++c) step[c] = normal[c] * single;
  if (placed == 0) {
    std::stable_sort(slices.begin(), slices.end(), [&](const DicomSlice& a, const DicomSlice& b) {
      return files[a.file].number < files[b.file].number;
    });
    if (slices.size() > 1) notes.push_back("the slices do not say where they are: taken in the order of their numbers");
    if (slices.size() > 1 && said == 0) notes.push_back("the distance of the slices is not said: taken to be 1 mm");
    return slices;
  }
  if (placed != slices.size()) {
    refuse_dicom(first.path, "a position for every slice", std::to_string(slices.size() - placed) + " without one");
  }
  const auto height = [&](const DicomSlice& slice) { return dot(slice.position.data(), normal.data()); };
  std::stable_sort(slices.begin(), slices.end(),
                   [&](const DicomSlice& a, const DicomSlice& b) { return height(a) < height(b); });
  if (slices.size() == 1) return slices;
  const auto last = static_cast<double>(slices.size() - 1);
  for (std::size_t c = 0; c < 3; ++c) step[c] = (slices.back().position[c] - slices.front().position[c]) / last;
  std::vector<double> gaps;
  for (std::size_t s = 1; s < slices.size(); ++s) gaps.push_back(height(slices[s]) - height(slices[s - 1]));
  std::vector<double> sorted = gaps;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
  const double usual = sorted[sorted.size() / 2];
  for (std::size_t s = 0; s < gaps.size(); ++s) {
    if (std::abs(gaps[s] - usual) <= 0.1 * usual && gaps[s] > 1e-4) continue;
    refuse_dicom(files[slices[s + 1].file].path, "slices " + shortest(usual) + " mm apart",
                 gaps[s] <= 1e-4 ? "two slices in one place" : shortest(gaps[s]) + " mm to the one before it",
                 gaps[s] <= 1e-4 ? "keep one of the echoes or time points in the folder"
                                 : "a slice is missing, or they were taken at uneven distances");
  }
  for (std::size_t s = 0; s < slices.size(); ++s) {
    double off = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      off += std::abs(slices[s].position[c] - slices[0].position[c] - static_cast<double>(s) * step[c]);
    }
    if (off > 0.1 * usual + 0.1) {
      refuse_dicom(files[slices[s].file].path, "slices on a straight line", shortest(off) + " mm beside it");
    }
  }
  return slices;
}

/// The grid of the sorted slices: i along the rows, j along the columns, k from slice to slice. DICOM's axes run to the
/// left and the back, ours to the right and the front.
inline VolumeGrid dicom_grid(const std::vector<DicomHeader>& files, const std::vector<DicomSlice>& slices,
                             const std::array<double, 6>& orientation, const std::array<double, 3>& step,
                             std::vector<std::string>& notes) {
  VolumeGrid grid;
  grid.extents = {files[0].columns, files[0].rows, static_cast<Index>(slices.size())};
  const DicomFrame& first = files[0].frames[0];
  if (!first.spacing) notes.push_back("the distance of the pixels is not said: taken to be 1 mm");
  const std::array<double, 2> spacing = first.spacing.value_or(std::array{1.0, 1.0});
  for (std::size_t r = 0; r < 3; ++r) {
    const double sign = r < 2 ? -1 : 1;
    grid.affine[r] = {sign * orientation[r] * spacing[1], sign * orientation[r + 3] * spacing[0], sign * step[r],
                      sign * slices[0].position[r]};
    for (double& number : grid.affine[r]) number += 0.0;  // no -0
  }
  grid.millimetres = first.spacing && (slices.size() == 1 || first.position || first.thickness > 0);
  check_affine(grid, files[0].path.string(), "an orientation");
  return grid;
}

}  // namespace ssam::inline SSAM_ABI::detail
