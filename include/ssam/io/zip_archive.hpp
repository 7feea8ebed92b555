#pragma once

#include <map>
#include <set>
#include <ssam/io/byte_source.hpp>
#include <ssam/io/crc32.hpp>
#include <string>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// One file of a zip archive.
struct ZipEntry {
  std::uint64_t header = 0;  ///< offset of its local header
  std::uint64_t data = 0;    ///< offset of its first byte
  std::uint64_t size = 0;    ///< in bytes, as they lie in the archive
  std::uint32_t crc = 0;     ///< CRC-32 of the content
};

/// The directory of a zip archive as torch.save and torch.jit.save write them: stored entries only (but for the source
/// text of a TorchScript program, which nobody reads), no encryption, no comment. Every field that a zip tells twice
/// must agree, entries may not overlap, names may not leave the archive or differ by case only.
class ZipArchive {
 public:
  /// Reads the directory and all local headers; `source` must outlive the archive. Throws FormatError.
  explicit ZipArchive(const ByteSource& source) : source_(source) {
    const Directory directory = read_end();
    read_directory(directory);
    check_overlaps(directory.offset);
  }

  /// All members by name.
  const std::map<std::string, ZipEntry>& entries() const { return entries_; }

  /// The entry of this name, or nullptr.
  const ZipEntry* find(const std::string& name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : &found->second;
  }

  /// Throws FormatError unless `data` (entry.size bytes, read from the entry) has the checksum of `entry`, whose `name`
  /// is for the message.
  void check_crc(const std::string& name, const ZipEntry& entry, const void* data) const {
    const std::uint32_t crc = crc32(data, static_cast<std::size_t>(entry.size));
    if (crc == entry.crc) return;
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return;  // a fuzzer cannot guess checksums, and would never see what lies behind this check
#endif
    throw FormatError(ErrorText{.what = "the checksum of an archive member is wrong",
                                .where = at_offset(member(name), entry.data),
                                .expected = std::to_string(entry.crc),
                                .found = std::to_string(crc),
                                .advice = "the file is damaged: use a whole copy of it"});
  }

  /// The bytes of the member `entry`, checked; `name` is for messages. Throws FormatError when it is larger than
  /// `max_bytes`.
  std::string read(const std::string& name, const ZipEntry& entry, std::size_t max_bytes) const {
    if (entry.size > max_bytes) {
      throw FormatError(ErrorText{.what = "an archive member is too large",
                                  .where = member(name),
                                  .expected = "at most " + std::to_string(max_bytes) + " bytes",
                                  .found = std::to_string(entry.size)});
    }
    std::string bytes = source_.read_string(entry.data, static_cast<std::size_t>(entry.size));
    check_crc(name, entry, bytes.data());
    return bytes;
  }

 private:
  struct Directory {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint64_t count = 0;
  };

  /// Little-endian fields of a record at a known place.
  struct Record {
    std::string bytes;
    std::uint64_t offset;
    std::uint64_t get(std::size_t position, std::size_t width) const {
      std::uint64_t value = 0;
      std::memcpy(&value, bytes.data() + position, width);
      return value;
    }
  };

  static constexpr std::uint64_t end_size = 22;
  static constexpr std::uint64_t locator_size = 20;
  static constexpr std::uint64_t end64_size = 56;
  static constexpr std::uint64_t central_size = 46;
  static constexpr std::uint64_t local_size = 30;
  static constexpr std::uint64_t max_entries = max_tensors + 100;
  static constexpr std::uint64_t all16 = 0xffff;
  static constexpr std::uint64_t all32 = 0xffffffff;

  std::string member(std::string_view name) const { return source_.name() + ", member " + shown(name); }

  [[noreturn]] void fail(std::uint64_t offset, const std::string& found, const std::string& name = {}) const {
    throw FormatError(ErrorText{.what = "malformed zip archive",
                                .where = at_offset(name.empty() ? source_.name() : member(name), offset),
                                .found = found,
                                .advice = "a file of torch.save is expected: fetch or save it again"});
  }

  Record record(std::uint64_t offset, std::uint64_t size) const {
    return {source_.read_string(offset, static_cast<std::size_t>(size)), offset};
  }

  /// The end record must be the last 22 bytes: without a comment there is no second place where another could hide.
  Directory read_end() const {
    if (source_.size() < end_size) fail(0, "a file too short for an archive");
    const std::uint64_t end_offset = source_.size() - end_size;
    const Record end = record(end_offset, end_size);
    if (end.get(0, 4) != 0x06054b50) fail(end_offset, "no end-of-central-directory record (a truncated file?)");
    if (end.get(20, 2) != 0) fail(end_offset, "an archive comment");
    Directory directory{end.get(16, 4), end.get(12, 4), end.get(10, 2)};
    std::uint64_t directory_end = end_offset;
    bool zip64 = false;
    if (end_offset >= locator_size) {
      const Record locator = record(end_offset - locator_size, locator_size);
      zip64 = locator.get(0, 4) == 0x07064b50;
      if (zip64) directory_end = read_end64(locator, directory);
    }
    const bool needs_zip64 = end.get(10, 2) == all16 || end.get(12, 4) == all32 || end.get(16, 4) == all32;
    if (needs_zip64 && !zip64) fail(end_offset, "no zip64 record where one is needed");
    if (end.get(4, 2) != 0 || end.get(6, 2) != 0 || end.get(8, 2) != end.get(10, 2)) {
      fail(end_offset, "an archive of several disks");
    }
    if (directory.offset > directory_end || directory.size != directory_end - directory.offset) {
      fail(end_offset, "a central directory that does not end where the end record begins");
    }
    if (directory.count > max_entries) fail(end_offset, std::to_string(directory.count) + " members");
    return directory;
  }

  /// Takes the zip64 values, which must agree with those the 32 bit record could hold; gives the record's offset.
  std::uint64_t read_end64(const Record& locator, Directory& directory) const {
    const std::uint64_t offset = locator.get(8, 8);
    if (locator.offset < end64_size || offset != locator.offset - end64_size || locator.get(4, 4) != 0 ||
        locator.get(16, 4) > 1) {
      fail(locator.offset, "an inconsistent zip64 locator");
    }
    const Record end = record(offset, end64_size);
    const Directory wide{end.get(48, 8), end.get(40, 8), end.get(32, 8)};
    const auto agree = [](std::uint64_t narrow, std::uint64_t value, std::uint64_t sentinel) {
      return narrow == sentinel || narrow == value;
    };
    if (end.get(0, 4) != 0x06064b50 || end.get(4, 8) != end64_size - 12 || end.get(16, 4) != 0 || end.get(20, 4) != 0 ||
        end.get(24, 8) != wide.count || !agree(directory.offset, wide.offset, all32) ||
        !agree(directory.size, wide.size, all32) || !agree(directory.count, wide.count, all16)) {
      fail(offset, "an inconsistent zip64 end record");
    }
    directory = wide;
    return offset;
  }

  void read_directory(const Directory& directory) {
    const Record all = record(directory.offset, directory.size);
    std::set<std::string> folded_names;
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < directory.count; ++i) {
      const std::uint64_t offset = directory.offset + at;
      if (directory.size - at < central_size) fail(offset, "fewer members than the end record says");
      const Record fields{all.bytes.substr(at, central_size), offset};
      if (fields.get(0, 4) != 0x02014b50) fail(offset, "no central directory entry");
      const std::uint64_t name_size = fields.get(28, 2);
      const std::uint64_t extra_size = fields.get(30, 2);
      const std::uint64_t variable = name_size + extra_size + fields.get(32, 2);
      if (variable > directory.size - at - central_size) fail(offset, "a truncated central directory entry");
      const std::string name = all.bytes.substr(at + central_size, name_size);
      check_name(name, offset);
      if (!folded_names.insert(detail::lower_case(name)).second) fail(offset, "a name that another member has", name);
      const Record extra{all.bytes.substr(at + central_size + name_size, extra_size), offset};
      entries_.emplace(name, read_entry(name, fields, extra, directory.offset));
      at += central_size + variable;
    }
    if (at != directory.size) fail(directory.offset + at, "more members than the end record says");
  }

  void check_name(const std::string& name, std::uint64_t offset) const {
    bool good = !name.empty() && name.size() <= max_name_bytes && name.find('\\') == std::string::npos &&
                name.find('\0') == std::string::npos && is_utf8(name);
    for (std::size_t begin = 0; good && begin <= name.size();) {
      const std::size_t end = std::min(name.find('/', begin), name.size());
      const std::string part = name.substr(begin, end - begin);
      good = !part.empty() && part != "." && part != "..";
      begin = end + 1;
    }
    if (!good) fail(offset, "an unusable member name " + shown(name));
  }

  /// The 64 bit values of a central entry's zip64 extra field, for those that are all ones.
  void read_extra64(const std::string& name, const Record& extra, std::uint64_t (&values)[3]) const {
    for (std::size_t at = 0; at < extra.bytes.size();) {
      if (extra.bytes.size() - at < 4) fail(extra.offset, "a truncated extra field", name);
      const std::uint64_t id = extra.get(at, 2);
      const std::uint64_t size = extra.get(at + 2, 2);
      at += 4;
      if (size > extra.bytes.size() - at) fail(extra.offset, "a truncated extra field", name);
      if (id == 1) {
        std::size_t used = 0;
        for (std::uint64_t& value : values) {
          if (value != all32) continue;
          if (size - used < 8) fail(extra.offset, "a truncated zip64 field", name);
          value = extra.get(at + used, 8);
          used += 8;
        }
        return;
      }
      at += size;
    }
    for (const std::uint64_t value : values) {
      if (value == all32) fail(extra.offset, "no zip64 field where one is needed", name);
    }
  }

  ZipEntry read_entry(const std::string& name, const Record& fields, const Record& extra, std::uint64_t limit) const {
    const std::uint64_t flags = fields.get(8, 2);
    constexpr std::uint64_t encrypted = 0x2041;  // encryption, strong encryption, masked headers
    if ((flags & encrypted) != 0) fail(fields.offset, "an encrypted member", name);
    const std::uint64_t method = fields.get(10, 2);
    const bool source_text = method == 8 && name.find("/code/") == name.find('/');
    if (method != 0 && !source_text) fail(fields.offset, "a compressed member (torch.save only stores)", name);
    std::uint64_t sizes[3] = {fields.get(24, 4), fields.get(20, 4), fields.get(42, 4)};
    read_extra64(name, extra, sizes);
    ZipEntry entry{
        .header = sizes[2], .data = 0, .size = sizes[1], .crc = static_cast<std::uint32_t>(fields.get(16, 4))};
    if (sizes[0] != sizes[1] && !source_text) fail(fields.offset, "a stored member with two sizes", name);
    if (fields.get(34, 2) != 0) fail(fields.offset, "a member on another disk", name);
    if (limit < local_size || entry.header > limit - local_size) fail(fields.offset, "a member outside the file", name);

    const Record local = record(entry.header, local_size);
    const std::uint64_t name_size = local.get(26, 2);
    const std::uint64_t variable = name_size + local.get(28, 2);
    if (local.get(0, 4) != 0x04034b50) fail(entry.header, "no local header", name);
    if (variable > limit - entry.header - local_size) fail(entry.header, "a truncated local header", name);
    entry.data = entry.header + local_size + variable;
    if (entry.size > limit - entry.data) fail(entry.header, "a member that runs out of the file", name);
    if (name_size != name.size() || record(entry.header + local_size, name_size).bytes != name) {
      fail(entry.header, "a local header of another name", name);
    }
    // With a data descriptor behind the data (torch.save writes one) the local header may leave size and CRC out.
    const bool descriptor = (flags & 8) != 0;
    const auto agrees = [&](std::uint64_t value, std::uint64_t truth) {
      return value == truth || (descriptor && value == 0);
    };
    const auto size_agrees = [&](std::uint64_t value, std::uint64_t truth) {
      return value == all32 || agrees(value, truth);
    };
    if (local.get(6, 2) != flags || local.get(8, 2) != method || !agrees(local.get(14, 4), entry.crc) ||
        !size_agrees(local.get(18, 4), sizes[1]) || !size_agrees(local.get(22, 4), sizes[0])) {
      fail(entry.header, "a local header that contradicts the central directory", name);
    }
    return entry;
  }

  void check_overlaps(std::uint64_t limit) const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const auto& [name, entry] : entries_) ranges.emplace_back(entry.header, entry.data + entry.size);
    std::sort(ranges.begin(), ranges.end());
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const std::uint64_t next = i + 1 < ranges.size() ? ranges[i + 1].first : limit;
      if (ranges[i].second > next) fail(ranges[i].first, "members that overlap");
    }
  }

  const ByteSource& source_;
  std::map<std::string, ZipEntry> entries_;
};

}  // namespace ssam::inline SSAM_ABI
