#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <ssam/core/error.hpp>
#include <ssam/data/manifest.hpp>
#include <ssam/io/names.hpp>
#include <string>
#include <vector>

// What the readers of layouts share: lists of files that do not depend on the order of a directory, pairs of images and
// masks by name, and refusals that name what has no partner.
namespace ssam::inline SSAM_ABI::detail {

using FilePath = std::filesystem::path;

/// The extension of a file in small letters: ".png".
inline std::string extension_of(const FilePath& file) { return lower_case(file.extension().string()); }

/// Refuses a link that leads nowhere: what it stands for would be missed without a word. Throws IoError.
inline void require_target(const std::filesystem::directory_entry& entry) {
  std::error_code failure;
  if (!entry.is_symlink(failure) || entry.exists(failure)) return;
  throw IoError(ErrorText{.what = "a link leads nowhere",
                          .where = entry.path().string(),
                          .found = std::filesystem::read_symlink(entry.path(), failure).string(),
                          .advice = "bring back what it names, or remove it"});
}

/// All files below a folder, sorted; those whose names begin with a dot are nobody's data. Throws IoError, also for
/// links that lead nowhere, and for two ways to one folder, whose files would be there twice.
inline std::vector<FilePath> files_below(const FilePath& folder) {
  std::vector<FilePath> files;
  std::error_code failure;
  std::map<FilePath, FilePath> folders{{std::filesystem::weakly_canonical(folder, failure), folder}};
  const auto options = std::filesystem::directory_options::follow_directory_symlink;
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, options, failure);
       !failure && entry != std::filesystem::recursive_directory_iterator(); entry.increment(failure)) {
    const bool hidden = entry->path().filename().string().starts_with(".");
    std::error_code broken;
    if (hidden && entry->is_directory(broken)) entry.disable_recursion_pending();
    if (hidden) continue;
    require_target(*entry);
    if (entry->is_regular_file(broken)) files.push_back(entry->path());
    if (!entry->is_directory(broken)) continue;
    const auto [known, added] = folders.emplace(std::filesystem::canonical(entry->path(), broken), entry->path());
    if (added) continue;
    throw IoError(ErrorText{.what = "two ways lead to one folder",
                            .where = entry->path().string(),
                            .found = known->second.string(),
                            .advice = "remove the link: its files would be there twice"});
  }
  if (failure) {
    throw IoError(ErrorText{.what = "cannot list the folder",
                            .where = folder.string(),
                            .found = failure.message(),
                            .advice = "check the path"});
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// All pictures below a folder, sorted. Throws IoError, and FormatError for pictures that cannot be read: they would be
/// left out unnoticed.
inline std::vector<FilePath> pictures_below(const FilePath& folder) {
  static const std::set<std::string> readable{".png", ".jpg", ".jpeg", ".bmp"};
  static const std::set<std::string> pictures{".tif", ".tiff", ".gif", ".webp", ".jp2",  ".ppm", ".pgm", ".npy",
                                              ".npz", ".nii",  ".dcm", ".mha",  ".nrrd", ".svg", ".psd", ".heic"};
  std::vector<FilePath> found;
  for (const FilePath& file : files_below(folder)) {
    const std::string extension = extension_of(file);
    if (readable.count(extension) > 0) found.push_back(file);
    const bool packed = extension == ".gz" && extension_of(file.stem()) == ".nii";
    if (pictures.count(extension) == 0 && !packed) continue;
    throw FormatError(ErrorText{.what = "a picture in a format that is not read",
                                .where = file.string(),
                                .expected = "PNG, JPEG or BMP",
                                .found = extension,
                                .advice = "convert all of them to PNG, masks without smoothing"});
  }
  return found;
}

/// The first number in a name; -1 when there is none.
inline int number_in(const std::string& name) {
  const std::size_t start = name.find_first_of("0123456789");
  return start == std::string::npos ? -1 : std::atoi(name.c_str() + start);
}

/// What a folder's `name`, in small or capital letters, says that its pictures are for.
inline std::optional<Split> split_named(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  if (name == "train" || name == "training") return Split::train;
  if (name == "val" || name == "valid" || name == "validation") return Split::val;
  if (name == "test" || name == "testing") return Split::test;
  return std::nullopt;
}

/// The folder of a file below `root`, "patient 3/series 1"; "" directly in it.
inline std::string folder_below(const FilePath& file, const FilePath& root) {
  return file.lexically_relative(root).parent_path().generic_string();
}

/// "12 images have no mask": where, which, and what to do. Nothing where `names` is empty.
inline void refuse_those(const std::vector<std::string>& names, const std::string& what, const FilePath& where,
                         const std::string& advice) {
  if (names.empty()) return;
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 5); ++i) list += (i > 0 ? ", " : "") + names[i];
  if (names.size() > 5) list += ", ...";
  throw IoError(ErrorText{
      .what = std::to_string(names.size()) + " " + what, .where = where.string(), .found = list, .advice = advice});
}

/// Files by their path below `root` without the extension: "patient 3/slice 17". Throws FormatError for two of one
/// name.
inline std::map<std::string, FilePath> by_stem(const std::vector<FilePath>& files, const FilePath& root) {
  std::map<std::string, FilePath> found;
  for (const FilePath& file : files) {
    const std::string stem = file.lexically_relative(root).replace_extension().generic_string();
    const auto [known, added] = found.emplace(stem, file);
    if (added) continue;
    throw FormatError(ErrorText{.what = "two pictures have one name: which of them is meant?",
                                .where = root.string(),
                                .found = known->second.filename().string() + ", " + file.filename().string(),
                                .advice = "remove or rename one of them"});
  }
  return found;
}

/// Those of `files` that have no partner.
inline std::vector<std::string> keys_without(const std::map<std::string, FilePath>& files,
                                             const std::map<std::string, FilePath>& partners) {
  std::vector<std::string> missing;
  for (const auto& [stem, file] : files) {
    if (partners.count(stem) == 0) missing.push_back(stem);
  }
  return missing;
}

/// Those of `files` that have a partner.
inline std::map<std::string, FilePath> only_of(std::map<std::string, FilePath> files,
                                               const std::map<std::string, FilePath>& partners) {
  for (const std::string& stem : keys_without(files, partners)) files.erase(stem);
  return files;
}

/// Images and masks of one folder each that have the same names; anything without a partner is refused.
inline void require_pairs(const std::map<std::string, FilePath>& images, const std::map<std::string, FilePath>& masks,
                          const FilePath& image_folder, const FilePath& mask_folder) {
  refuse_those(keys_without(images, masks), "images have no mask", image_folder,
               "a mask has its image's name; add what is missing to " + mask_folder.string() +
                   ", all background where nothing is to be seen");
  refuse_those(keys_without(masks, images), "masks have no image", mask_folder, "a mask has its image's name");
}

/// The part of a folder that belongs to a split: the folder itself as training pictures, or its subfolders train, val
/// and test.
struct SplitFolder {
  FilePath folder;
  Split split = Split::train;
};

/// Subfolders named after splits that hold `content`; else the folder itself.
inline std::vector<SplitFolder> split_folders(const FilePath& folder, const std::string& content) {
  std::vector<SplitFolder> found;
  std::error_code failure;
  std::vector<FilePath> entries;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  std::vector<std::string> others;
  for (const FilePath& entry : entries) {
    const auto split = split_named(entry.filename().string());
    if (!std::filesystem::is_directory(entry / content, failure)) continue;
    if (split) {
      found.push_back({entry, *split});
    } else {
      others.push_back(entry.filename().string());
    }
  }
  if (!found.empty() && std::filesystem::is_directory(folder / content, failure)) others.push_back(content);
  refuse_those(others, "folders of images belong to no split", folder,
               "name them train, val or test; beside these no images stand directly in the data set's folder");
  if (found.empty()) found.push_back({folder, Split::train});
  return found;
}

/// What every layout's manifest keeps: at least one item, and each image once. Throws IoError, FormatError.
inline Manifest finish_layout(Manifest manifest, const FilePath& place, const std::string& expected) {
  manifest.file = place;
  if (manifest.items.empty() || manifest.labels.empty()) {
    throw IoError(ErrorText{
        .what = manifest.items.empty() ? "no pictures are laid out as this data set's" : "the data set has no labels",
        .where = place.string(),
        .expected = expected,
        .advice = "check the path"});
  }
  std::set<FilePath> seen;  // of a volume's slices, each is an item
  for (const ManifestItem& item : manifest.items) {
    if (item.slice || seen.insert(item.image.lexically_normal()).second) continue;
    throw FormatError(ErrorText{
        .what = "an image is annotated twice", .where = item.image.string(), .advice = "remove one of the two"});
  }
  return manifest;
}

}  // namespace ssam::inline SSAM_ABI::detail
