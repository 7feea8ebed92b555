#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <ssam/core/error.hpp>
#include <ssam/io/crc32.hpp>
#include <ssam/io/names.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ssam::inline SSAM_ABI {

namespace detail {
/// Unpacks the members of a gzip file (RFC 1952) one after the other; the packing is deflate (RFC 1951).
class Gunzip {
 public:
  Gunzip(std::string_view bytes, const std::string& where, std::size_t max_bytes)
      : bytes_(bytes), where_(where), max_bytes_(max_bytes) {}

  std::string run() {
    do {
      read_header();
      member_ = out_.size();
      while (!read_block()) continue;
      read_trailer();
    } while (at_ < bytes_.size());
    return std::move(out_);
  }

 private:
  static constexpr std::size_t longest_code = 15;

  /// A Huffman code as a table: the next 15 bits of the stream give symbol * 16 + length, 0 where there is no code.
  using Code = std::vector<std::uint16_t>;

  [[noreturn]] void fail(const std::string& found) const {
    throw FormatError(ErrorText{.what = "damaged gzip file",
                                .where = at_offset(where_, at_),
                                .found = found,
                                .advice = "use a whole copy of it"});
  }

  /// The next `count` (at most 16) bits, the first of them lowest; 0 beyond the end.
  std::uint32_t peek(std::size_t count) {
    while (held_ < count) {
      const std::uint32_t byte = at_ < bytes_.size() ? static_cast<unsigned char>(bytes_[at_]) : 0;
      bits_ |= byte << held_;
      held_ += 8;
      ++at_;
    }
    return bits_ & ((1u << count) - 1);
  }

  void skip(std::size_t count) {
    bits_ >>= count;
    held_ -= count;
    if (at_ - held_ / 8 > bytes_.size()) {
      at_ = bytes_.size();
      fail("its end too early");
    }
  }

  std::uint32_t take(std::size_t count) {
    const std::uint32_t value = peek(count);
    skip(count);
    return value;
  }

  /// Goes to the next whole byte that was not taken.
  void align() {
    at_ -= held_ / 8;
    bits_ = 0;
    held_ = 0;
  }

  std::size_t take_byte() { return take(8); }

  void read_header() {
    if (bytes_.size() - at_ < 18 || take_byte() != 0x1f || take_byte() != 0x8b) {
      fail("no gzip header, and a file that goes on");
    }
    const std::size_t method = take_byte();
    const std::size_t flags = take_byte();
    if (method != 8 || (flags & 0xe0) != 0) fail("a header of an unknown kind");
    for (int i = 0; i < 6; ++i) take_byte();  // time, level, system
    if ((flags & 4) != 0) {
      std::size_t extra = take_byte();
      extra += take_byte() << 8;
      for (; extra > 0; --extra) take_byte();
    }
    for (const std::size_t text : {8u, 16u}) {  // name and comment, each ended by a 0
      if ((flags & text) == 0) continue;
      while (take_byte() != 0) continue;
    }
    if ((flags & 2) != 0) take(16);  // checksum of the header
  }

  void read_trailer() {
    align();
    if (bytes_.size() - at_ < 8) fail("its end too early");
    const std::size_t crc = take(16) | std::size_t{take(16)} << 16;
    const std::size_t size = take(16) | std::size_t{take(16)} << 16;
    align();
    if (size != ((out_.size() - member_) & 0xffffffff)) fail("another size than it says");
    if (crc != crc32(out_.data() + member_, out_.size() - member_)) fail("a wrong checksum");
  }

  void reserve(std::size_t count) {
    if (count <= max_bytes_ - out_.size()) return;
    throw FormatError(ErrorText{.what = "the file unpacks to more than anything that belongs here",
                                .where = where_,
                                .expected = "at most " + std::to_string(max_bytes_) + " bytes"});
  }

  /// Unpacks one block of deflate; true when it was the last of the member.
  bool read_block() {
    const bool last = take(1) != 0;
    switch (take(2)) {
      case 0:
        copy_stored();
        break;
      case 1:
        unpack(fixed_literals(), code_of(std::vector<std::uint8_t>(30, 5)));
        break;
      case 2:
        unpack_dynamic();
        break;
      default:
        fail("a block of an unknown kind");
    }
    return last;
  }

  void copy_stored() {
    skip(held_ % 8);
    const std::size_t count = take(16);
    if ((take(16) ^ 0xffff) != count) fail("a stored block whose size is not told twice alike");
    align();
    if (count > bytes_.size() - at_) fail("its end too early");
    reserve(count);
    out_ += bytes_.substr(at_, count);
    at_ += count;
  }

  /// The code whose symbol i has a length of `lengths[i]` bits, 0 for none.
  Code code_of(const std::vector<std::uint8_t>& lengths) const {
    Code code(std::size_t{1} << longest_code, 0);
    std::uint32_t next = 0;  // the next code of `length` bits, highest bit first
    for (std::size_t length = 1; length <= longest_code; ++length, next <<= 1) {
      for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol) {
        if (lengths[symbol] != length) continue;
        if (next >> length != 0) fail("a code with too many symbols");
        std::size_t reversed = 0;
        for (std::size_t bit = 0; bit < length; ++bit) reversed |= (next >> bit & 1u) << (length - 1 - bit);
        for (std::size_t i = reversed; i < code.size(); i += std::size_t{1} << length) {
          code[i] = static_cast<std::uint16_t>(symbol << 4 | length);
        }
        ++next;
      }
    }
    return code;
  }

  Code fixed_literals() const {
    std::vector<std::uint8_t> lengths(288, 8);
    std::fill(lengths.begin() + 144, lengths.begin() + 256, std::uint8_t{9});
    std::fill(lengths.begin() + 256, lengths.begin() + 280, std::uint8_t{7});
    return code_of(lengths);
  }

  std::size_t take_symbol(const Code& code) {
    const std::uint16_t entry = code[peek(longest_code)];
    if (entry == 0) fail("bits that are no code");
    skip(entry & 15u);
    return entry >> 4;
  }

  void unpack_dynamic() {
    constexpr std::array<std::uint8_t, 19> order{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    const std::size_t literals = take(5) + 257;
    const std::size_t distances = take(5) + 1;
    std::vector<std::uint8_t> lengths(order.size(), 0);
    const std::size_t told = take(4) + 4;
    for (std::size_t i = 0; i < told; ++i) lengths[order[i]] = static_cast<std::uint8_t>(take(3));
    const Code code = code_of(lengths);
    lengths.clear();
    while (lengths.size() < literals + distances) {
      const std::size_t symbol = take_symbol(code);
      if (symbol < 16) {
        lengths.push_back(static_cast<std::uint8_t>(symbol));
        continue;
      }
      if (symbol == 16 && lengths.empty()) fail("a repetition of nothing");
      const std::uint8_t repeated = symbol == 16 ? lengths.back() : std::uint8_t{0};
      const std::size_t count = symbol == 16 ? 3 + take(2) : symbol == 17 ? 3 + take(3) : 11 + take(7);
      lengths.insert(lengths.end(), count, repeated);
    }
    if (lengths.size() != literals + distances) fail("more lengths of codes than it says");
    const auto middle = lengths.begin() + static_cast<std::ptrdiff_t>(literals);
    unpack(code_of({lengths.begin(), middle}), code_of({middle, lengths.end()}));
  }

  void unpack(const Code& literals, const Code& distances) {
    for (;;) {
      const std::size_t symbol = take_symbol(literals);
      if (symbol < 256) {
        reserve(1);
        out_ += static_cast<char>(symbol);
      } else if (symbol == 256) {
        return;
      } else {
        const std::size_t length = take_length(symbol - 257);
        const std::size_t distance = take_distance(take_symbol(distances));
        if (distance > out_.size() - member_) fail("a repetition of what lies before the beginning");
        reserve(length);
        for (std::size_t i = 0; i < length; ++i) out_ += out_[out_.size() - distance];
      }
    }
  }

  /// Lengths 3 to 10 have a symbol each; then every four symbols one more bit follows. The last symbol means 258.
  std::size_t take_length(std::size_t symbol) {
    if (symbol > 28) fail("a length of an unknown kind");
    if (symbol == 28) return 258;
    if (symbol < 8) return symbol + 3;
    const std::size_t more = symbol / 4 - 1;
    return 3 + ((4 + symbol % 4) << more) + take(more);
  }

  /// Distances 1 to 4 have a symbol each; then every two symbols one more bit follows.
  std::size_t take_distance(std::size_t symbol) {
    if (symbol > 29) fail("a distance of an unknown kind");
    if (symbol < 4) return symbol + 1;
    const std::size_t more = symbol / 2 - 1;
    return 1 + ((2 + symbol % 2) << more) + take(more);
  }

  std::string_view bytes_;
  const std::string& where_;
  std::size_t max_bytes_;
  std::string out_;
  std::size_t member_ = 0;  // where the member's bytes begin in out_
  std::size_t at_ = 0;      // the byte after those in bits_
  std::uint32_t bits_ = 0;  // read, not taken
  std::size_t held_ = 0;    // their number
};
}  // namespace detail

/// Whether `bytes` begin like a gzip file.
inline bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

/// What the gzip file `bytes` holds: all its members, one after the other, with their checksums compared. Throws
/// FormatError for what is damaged or no such file, and when it unpacks to more than `max_bytes`; `where` stands for
/// the file in messages.
inline std::string gunzip(std::string_view bytes, const std::string& where, std::size_t max_bytes) {
  return detail::Gunzip(bytes, where, max_bytes).run();
}

}  // namespace ssam::inline SSAM_ABI
