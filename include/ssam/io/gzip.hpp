#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <ssam/core/error.hpp>
#include <ssam/io/names.hpp>
#include <string>
#include <string_view>

namespace ssam::inline SSAM_ABI {

/// Whether these are the first `bytes` of a gzip file.
inline bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

/// What a gzip file holds whose content is `bytes`, all of its members one after the other. `where` names it in
/// messages. Throws FormatError for what is damaged, cut off or goes on with something else, and where it would unpack
/// to more than `max_bytes`.
inline std::string gunzip(std::string_view bytes, const std::string& where, std::size_t max_bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) throw Error("zlib cannot start: there is no memory left");
  struct End {
    z_stream& stream;
    ~End() { inflateEnd(&stream); }
  } const end{stream};
  const auto fail = [&](const std::string& found) {
    throw FormatError(ErrorText{.what = "damaged gzip file",
                                .where = at_offset(where, bytes.size() - stream.avail_in),
                                .found = found,
                                .advice = "use a whole copy of it"});
  };
  constexpr std::size_t most = std::size_t{1} << 30;
  if (bytes.size() > most) fail("more than 1 GiB");
  // zlib reads only; its type of input is not const unless ZLIB_CONST is defined before its first include.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::string piece(std::min(max_bytes, (std::size_t{1} << 16) - 1) + 1, '\0');
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    out.append(piece.data(), piece.size() - stream.avail_out);
    if (out.size() > max_bytes) {
      throw FormatError(ErrorText{.what = "a gzip file unpacks to more than it should",
                                  .where = where,
                                  .expected = "at most " + std::to_string(max_bytes) + " bytes"});
    }
    if (status == Z_STREAM_END) {
      if (stream.avail_in == 0) return out;
      if (inflateReset(&stream) != Z_OK) fail("a member that cannot be begun");
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) {
      fail(stream.msg != nullptr ? stream.msg : "the end of the file in the middle of it");
    }
  }
}

}  // namespace ssam::inline SSAM_ABI
