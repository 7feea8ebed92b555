#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ssam/core/error.hpp>
#include <ssam/core/random.hpp>
#include <ssam/data/augment.hpp>
#include <ssam/data/decode_ahead.hpp>
#include <ssam/data/file.hpp>
#include <ssam/data/load_item.hpp>
#include <ssam/data/sample_source.hpp>
#include <ssam/io/content_hash.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// The samples of one split: every image with every label of the set, absent labels included (blank mask). Sample i is
/// item i / labels with label i % labels, in the order of the manifest. All const members may be called from many
/// threads. Decoded and resized items are kept in memory until `cache_bytes` are full; beyond these, and before they
/// are asked for the first time, those that are expected next are decoded on a thread of their own.
class Dataset {
 public:
  /// The items of `split`. Throws ConfigError when it has none, or `image_size` (pixels of a side) is not positive. Up
  /// to `cache_bytes` of memory keep decoded items.
  Dataset(Manifest manifest, Split split, Index image_size, const Preparation& preparation,
          std::size_t cache_bytes = std::size_t{1} << 30)
      : manifest_(std::move(manifest)), image_size_(image_size), preparation_(preparation), room_(cache_bytes) {
    for (std::size_t i = 0; i < manifest_.items.size(); ++i) {
      if (manifest_.items[i].split == split) items_.push_back(i);
    }
    if (items_.empty()) {
      throw ConfigError(ErrorText{.what = "the split \"" + to_string(split) + "\" has no items",
                                  .where = manifest_.file.string(),
                                  .found = split_counts(manifest_),
                                  .advice = "choose one of these, or name the split in the manifest"});
    }
    if (image_size <= 0) throw ConfigError("the image size of a data set must be positive");
    cache_.resize(items_.size());
  }

  /// Samples: items x labels.
  Index size() const { return items() * static_cast<Index>(labels().size()); }
  /// Images of the split.
  Index items() const { return static_cast<Index>(items_.size()); }
  /// Pixels of a side of the model's input.
  Index image_size() const { return image_size_; }
  /// Names, in the order of their indices.
  const std::vector<std::string>& labels() const { return manifest_.labels; }
  /// Of all splits.
  const Manifest& manifest() const { return manifest_; }
  /// How images and masks reach the model's size.
  const Preparation& preparation() const { return preparation_; }

  /// Sample `i`. Throws ShapeError outside [0, size()).
  Sample sample(Index i) const { return detail::numbered_sample(i, items(), static_cast<Index>(labels().size())); }
  /// Name of sample `i`'s label. Throws as sample().
  const std::string& label_name(Index i) const { return labels()[static_cast<std::size_t>(sample(i).label)]; }
  /// The manifest's entry of item `index` (of `sample(i).item`).
  const ManifestItem& item(Index index) const { return manifest_.items[items_[static_cast<std::size_t>(index)]]; }

  /// The file of the image of item `index`, and the slice of a volume.
  std::string item_name(Index index) const { return item_text(item(index)); }
  /// What item `index` belongs to (a patient, a video), as the manifest says; "" where it does not.
  std::string item_group(Index index) const { return item(index).group; }
  /// The file of all masks of item `index`; "" where each label has its own.
  std::string mask_name(Index index) const { return item(index).mask.string(); }

  /// Writes sample i: the normalised, padded image [image_size, image_size, 3] and its mask [image_size, image_size] of
  /// 0 and 1 (with soft masks, of the covered fractions). Without `augmentation` as stored; with it, changed by the
  /// manifest's settings in a way that depends on (seed, epoch, i) only. `image_hwc` or `mask_hw` may be null: not
  /// wanted. Throws as `load_image`.
  void load(Index i, const std::optional<AugmentationSeed>& augmentation, float* image_hwc, float* mask_hw) const {
    const Sample wanted = sample(i);
    const auto change = [&](Image& image, Mask& mask) {
      Random random = detail::augmentation_random(*augmentation, i, size());
      apply(draw_augmentation(manifest_.augment, random), image, mask);
    };
    detail::write_sample(*fetch(wanted.item), wanted.label, image_size_, preparation_, augmentation.has_value(), change,
                         image_hwc, mask_hw);
  }

  /// Says which samples will be asked for next: their items are read on a thread until then. What is not asked for does
  /// no harm; an item that cannot be read throws when it is asked for. Throws as sample().
  void expect(std::span<const Index> samples) const {
    std::vector<Index> wanted;
    for (const Index i : samples) wanted.push_back(sample(i).item);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      std::erase_if(wanted, [&](Index index) { return cache_[static_cast<std::size_t>(index)] != nullptr; });
    }
    ahead_.expect(wanted);
  }

  /// Size of an item's image on disk. Throws as `load_image`.
  ImageSize original_size(Index item) const { return fetch(item)->original; }
  /// The image of item `item_index` as it is on disk.
  Image original_image(Index item_index) const {
    return load_item_image(item(item_index), preparation_.intensity, volumes_);
  }
  /// Millimetres between the pixels of item `index`, where its file knows them: of slices of volumes. Throws as
  /// `load_volume`.
  std::optional<PixelSpacing> pixel_spacing(Index index) const {
    return item_spacing(item(index), preparation_.intensity, volumes_);
  }
  /// All masks of item `item_index` at the size of the image on disk. Throws as `load_label_masks`.
  LabelMasks original_masks(Index item_index) const {
    const auto stored = fetch(item_index);
    return load_label_masks(manifest_, item(item_index), stored->original, stored->orientation, nullptr, volumes_);
  }
  /// The mask (0 and 1) of sample i at the size of the image on disk. Throws as `load_label_masks`.
  Mask original_mask(Index i) const {
    const Sample wanted = sample(i);
    return original_masks(wanted.item).binary(wanted.label);
  }

 private:
  using Prepared = std::shared_ptr<const detail::PreparedItem>;

  Prepared fetch(Index index) const {
    const auto place = static_cast<std::size_t>(index);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (cache_[place]) return cache_[place];
    }
    const std::optional<Prepared> made = ahead_.take(index);
    const Prepared decoded = made ? *made : read(index);
    bool room = keep(place, decoded);
    // To read a volume takes longer than to cut it up: all its slices are kept at once, as far as there is room.
    if (!item(index).slice) return decoded;
    const std::lock_guard<std::mutex> one_at_a_time(filling_);
    for (std::size_t other = 0; room && other < items_.size(); ++other) {
      if (item(static_cast<Index>(other)).image == item(index).image && !is_kept(other)) {
        room = keep(other, read(static_cast<Index>(other)));
      }
    }
    return decoded;
  }

  bool is_kept(std::size_t place) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return cache_[place] != nullptr;
  }

  /// Whether there was room.
  bool keep(std::size_t place, const Prepared& decoded) const {
    const std::size_t bytes = decoded->bytes();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (cache_[place]) return true;
    if (bytes > room_) return false;
    room_ -= bytes;
    cache_[place] = decoded;
    return true;
  }

  Prepared read(Index index) const {
    ImageNotes notes;
    const Image image = load_item_image(item(index), preparation_.intensity, volumes_, &notes);
    auto decoded = std::make_shared<detail::PreparedItem>();
    decoded->original = {image.height, image.width};
    decoded->orientation = notes.orientation;
    decoded->image = prepare_image(image, image_size_, preparation_);
    const LabelMasks masks =
        load_label_masks(manifest_, item(index), decoded->original, notes.orientation, nullptr, volumes_);
    for (Index label = 0; label < static_cast<Index>(labels().size()); ++label) {
      decoded->masks.push_back(masks.present(label) ? prepare_mask(masks.binary(label), image_size_, preparation_)
                                                    : Mask{});
    }
    return decoded;
  }

  Manifest manifest_;
  std::vector<std::size_t> items_;  ///< places in manifest_.items
  Index image_size_;
  Preparation preparation_;
  mutable VolumeStore volumes_;
  mutable std::mutex mutex_, filling_;
  mutable std::vector<Prepared> cache_;
  mutable std::size_t room_;
  mutable detail::MadeAhead<Prepared> ahead_{[this](Index index) { return read(index); }};  // last: ends first
};

namespace detail {

/// 64 bits are enough to tell the files of one data set apart.
inline std::string short_hex(const ContentHash& hash) { return hash.hex().substr(0, 16); }

/// Adds files to hashes. Volumes, of which many items have a slice, are read once and added by a hash of their bytes.
class FileHasher {
 public:
  void add(ContentHash& hash, const std::filesystem::path& path, const ManifestItem& item) {
    if (!item.slice) return add_bytes(hash, path);
    auto known = volumes_.find(path);
    if (known == volumes_.end()) {
      ContentHash whole;
      add_bytes(whole, path);
      known = volumes_.emplace(path, whole.hex()).first;
    }
    hash.text(known->second);
    hash.text(item.axis);
    hash.number(static_cast<std::uint64_t>(*item.slice));
  }

 private:
  /// Of a file, or of all files of a series' folder.
  static void add_bytes(ContentHash& hash, const std::filesystem::path& path) {
    std::vector<std::filesystem::path> files{path};
    for (const auto& [end, other] : {std::pair{".hdr", ".img"}, {".img", ".hdr"}}) {  // a NIfTI pair
      std::filesystem::path partner = path;
      if (path.extension() == end && std::filesystem::exists(partner.replace_extension(other)))
        files.push_back(partner);
    }
    if (std::filesystem::is_directory(path)) {
      files.assign(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator());
      std::sort(files.begin(), files.end());
    }
    for (const std::filesystem::path& file : files) {
      if (!std::filesystem::is_regular_file(file) && file != path) continue;
      const std::vector<std::uint8_t> bytes = read_bytes(file);
      hash.text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
  }

  std::map<std::filesystem::path, std::string> volumes_;
};

inline void add_shape(ContentHash& hash, const MaskShape& shape) {
  hash.number(shape.polygon.size());
  for (const double value : shape.polygon) hash.number(std::bit_cast<std::uint64_t>(value));
  hash.number(shape.runs.counts.size());
  for (const std::uint32_t count : shape.runs.counts) hash.number(count);
}

/// Of an item's mask files or shapes, in the order of the labels; a label without any counts too.
inline std::string masks_hash(FileHasher& files, const ManifestItem& item) {
  ContentHash hash;
  if (!item.mask.empty()) files.add(hash, item.mask, item);
  for (const std::filesystem::path& mask : item.masks) {
    hash.number(mask.empty() ? 0 : 1);
    if (!mask.empty()) files.add(hash, mask, item);
  }
  for (const std::vector<MaskShape>& label : item.shapes) {
    hash.number(label.size());
    for (const MaskShape& shape : label) add_shape(hash, shape);
  }
  return short_hex(hash);
}

/// label -> value or colour.
template <class Code>
nlohmann::json code_table(const std::vector<std::string>& labels, const std::vector<Code>& codes) {
  nlohmann::json table = nlohmann::json::object();
  for (std::size_t k = 0; k < codes.size(); ++k) table[labels[k]] = codes[k];
  return table;
}

}  // namespace detail

/// What a split is by content, as JSON to be kept beside what was made of it: labels, tables, augmentation, and of
/// every item, in order, hashes of the bytes of its image and of its masks. Names and places of files do not count.
/// Reads every file once. Throws IoError.
inline nlohmann::json data_fingerprint(const Dataset& data) {
  const Manifest& manifest = data.manifest();
  const AugmentationSettings& augment = manifest.augment;
  nlohmann::json images = nlohmann::json::array(), masks = nlohmann::json::array();
  detail::FileHasher files;
  for (Index i = 0; i < data.items(); ++i) {
    ContentHash image;
    files.add(image, data.item(i).image, data.item(i));
    images.push_back(detail::short_hex(image));
    masks.push_back(detail::masks_hash(files, data.item(i)));
  }
  return {{"labels", manifest.labels},
          {"values", detail::code_table(manifest.labels, manifest.values)},
          {"colors", detail::code_table(manifest.labels, manifest.colors)},
          {"background", {manifest.background_values, manifest.background_colors}},
          {"augment",
           {{"rotation", augment.rotation},
            {"flip", augment.flip},
            {"saturation", augment.saturation},
            {"brightness", augment.brightness}}},
          {"images", std::move(images)},
          {"masks", std::move(masks)}};
}

static_assert(SampleSource<Dataset>);

}  // namespace ssam::inline SSAM_ABI
