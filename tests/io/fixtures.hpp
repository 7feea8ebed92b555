#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <ssam/core/error.hpp>
#include <ssam/io/crc32.hpp>
#include <string>
#include <string_view>
#include <vector>

// Builders for whole and broken files, shared by the tests of the readers.
namespace fixtures {

inline std::string golden(const std::string& name) { return std::string(SSAM_TEST_DIR) + "/golden/" + name; }

/// An empty folder of its own, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "ssam_test_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw ssam::IoError("no temporary folder");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
inline std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Largest single request for memory since it was set to 0; bytes in use now, and at most since peak_bytes was set
/// (allocation.cpp counts).
extern std::atomic<std::size_t> largest_allocation;
extern std::atomic<std::size_t> live_bytes;
extern std::atomic<std::size_t> peak_bytes;

/// Calls f, which must throw Expected; the message must hold all of `parts`. Gives the message.
template <class Expected = ssam::FormatError, class F>
std::string refused(const F& f, std::initializer_list<const char*> parts) {
  try {
    f();
  } catch (const Expected& error) {
    const std::string message = error.what();
    for (const char* part : parts) {
      INFO(message);
      CHECK(message.find(part) != std::string::npos);
    }
    return message;
  } catch (const std::exception& error) {
    FAIL_CHECK("another error: " << error.what());
    return "";
  }
  FAIL_CHECK("accepted; expected a refusal that says: " << (parts.size() > 0 ? *parts.begin() : ""));
  return "";
}

/// refused() for a parser of bytes: also checks that the file name is told and that memory stays in proportion.
template <class Expected = ssam::FormatError, class Parse>
std::string refused_bytes(const Parse& parse, std::string_view bytes, std::initializer_list<const char*> parts) {
  largest_allocation = 0;
  std::size_t largest = 0;
  const std::string message = refused<Expected>(
      [&] {
        try {
          parse(bytes);
        } catch (...) {
          largest = largest_allocation;
          throw;
        }
      },
      parts);
  CHECK(message.find("the file") != std::string::npos);
  CHECK(largest <= 64 * bytes.size() + 8192);
  return message;
}

inline std::string little(std::uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += i < 8 ? static_cast<char>(value >> (8 * i) & 0xff) : char{0};
  return bytes;
}

// --- safetensors ---

/// A file of this header text and data.
inline std::string safetensors(const std::string& header, const std::string& data = "") {
  return little(header.size(), 8) + header + data;
}

// --- zip ---

/// A member; the fields a test may falsify are told apart from the true ones.
struct Member {
  std::string name;
  std::string data;
  std::uint64_t flags = 0;
  std::uint64_t method = 0;
  std::string local_name = {};       ///< if not empty, instead of name in the local header
  std::int64_t size_lie = 0;         ///< added to the sizes in the central directory
  std::int64_t offset_lie = 0;       ///< added to the local header's offset in the central directory
  std::uint32_t crc_lie = 0;         ///< xor-ed into both checksums
  std::uint32_t local_crc_lie = 0;   ///< xor-ed into the local checksum alone
  std::uint64_t local_size_lie = 0;  ///< added to the local sizes alone
};

struct ZipOptions {
  std::uint64_t base = 0;  ///< offset of the first byte in the file; beyond 4 GiB needs zip64
  bool zip64 = false;
  std::int64_t count_lie = 0;
  std::string comment = {};
  std::uint64_t zip64_count_lie = 0;
};

inline std::string zip(const std::vector<Member>& members, const ZipOptions& options = {}) {
  std::string bytes;
  std::string central;
  for (const Member& member : members) {
    const std::uint32_t crc = ssam::crc32(member.data.data(), member.data.size()) ^ member.crc_lie;
    const std::string& local_name = member.local_name.empty() ? member.name : member.local_name;
    const std::uint64_t header = options.base + bytes.size() + static_cast<std::uint64_t>(member.offset_lie);
    const std::uint64_t size = member.data.size() + static_cast<std::uint64_t>(member.size_lie);
    const std::uint64_t local_size = member.data.size() + member.local_size_lie;
    bytes += "PK\x03\x04" + little(20, 2) + little(member.flags, 2) + little(member.method, 2) + little(0, 4) +
             little(crc ^ member.local_crc_lie, 4) + little(local_size, 4) + little(local_size, 4) +
             little(local_name.size(), 2) + little(0, 2) + local_name + member.data;
    central += "PK\x01\x02" + little(20, 2) + little(20, 2) + little(member.flags, 2) + little(member.method, 2) +
               little(0, 4) + little(crc, 4) + little(size, 4) + little(size, 4) + little(member.name.size(), 2) +
               little(options.zip64 ? 12 : 0, 2) + little(0, 10) + little(options.zip64 ? 0xffffffff : header, 4) +
               member.name;
    if (options.zip64) central += little(1, 2) + little(8, 2) + little(header, 8);
  }
  const std::uint64_t offset = options.base + bytes.size();
  const std::uint64_t count = members.size() + static_cast<std::uint64_t>(options.count_lie);
  bytes += central;
  if (options.zip64) {
    const std::uint64_t end64 = options.base + bytes.size();
    bytes += "PK\x06\x06" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) +
             little(count + options.zip64_count_lie, 8) + little(count, 8) + little(central.size(), 8) +
             little(offset, 8);
    bytes += "PK\x06\x07" + little(0, 4) + little(end64, 8) + little(1, 4);
  }
  return bytes + "PK\x05\x06" + little(0, 4) + little(count, 2) + little(count, 2) + little(central.size(), 4) +
         little(options.zip64 ? 0xffffffff : offset, 4) + little(options.comment.size(), 2) + options.comment;
}

// --- pickle ---

inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }
inline std::string text(const std::string& value) { return std::string("X") + little(value.size(), 4) + value; }
inline std::string integer(std::int64_t value) { return "\x8a\x08" + little(static_cast<std::uint64_t>(value), 8); }
inline std::string tuple(const std::string& values) { return std::string("(") + values + "t"; }
inline std::string integers(const std::vector<std::int64_t>& values) {
  std::string all;
  for (const std::int64_t value : values) all += integer(value);
  return tuple(all);
}
inline std::string global(const std::string& module, const std::string& name) {
  return std::string("c") + module + "\n" + name + "\n";
}
inline std::string ordered_dict() { return global("collections", "OrderedDict") + ")R"; }
/// A dictionary from key, value, key, value, ... already pickled.
inline std::string dict(const std::string& items) { return "}(" + items + "u"; }

struct TensorSpec {
  std::string key = "0";
  std::string type = "FloatStorage";
  std::int64_t storage_elements = 6;
  std::int64_t offset = 0;
  std::vector<std::int64_t> size = {2, 3};
  std::vector<std::int64_t> stride = {3, 1};
};
inline std::string storage(const TensorSpec& spec) {
  return tuple(text("storage") + global("torch", spec.type) + text(spec.key) + text("cpu") +
               integer(spec.storage_elements)) +
         "Q";
}
inline std::string tensor(const TensorSpec& spec = {}) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(storage(spec) + integer(spec.offset) + integers(spec.size) + integers(spec.stride) + "\x89" +
               ordered_dict()) +
         "R";
}

/// The bytes of the floats 0, 1, 2, ...
inline std::string floats(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<float>(i);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return bytes;
}

/// The members of a torch.save archive of this pickle and storage "0".
inline std::vector<Member> torch_members(const std::string& data_pkl, const std::string& storage_bytes = floats(6)) {
  return {{"archive/data.pkl", data_pkl},
          {"archive/byteorder", "little"},
          {"archive/data/0", storage_bytes},
          {"archive/version", "3\n"}};
}
inline std::string torch_zip(const std::string& data_pkl, const std::string& storage_bytes = floats(6)) {
  return zip(torch_members(data_pkl, storage_bytes));
}

}  // namespace fixtures
