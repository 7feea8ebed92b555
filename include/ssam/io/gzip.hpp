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

namespace detail {

/// What zlib calls the two forms: gzip files, and deflate without any header.
inline constexpr int gzip_form = 16 + MAX_WBITS, bare_form = -MAX_WBITS;

/// Unpacks a gzip file (or the other `form`) whose content is `bytes`, all of its members one after the other, and
/// hands what it holds to `sink(const char* data, std::size_t count)` piece by piece, of at most `piece_bytes`, until
/// that says false. zlib's counts have 32 bits: the content is fed to it in pieces of at most `feed_bytes`. Throws as
/// gunzip().
template <class Sink>
void unpack_gzip(std::string_view bytes, const std::string& where, std::size_t piece_bytes, Sink&& sink,
                 int form = gzip_form, std::size_t feed_bytes = std::size_t{1} << 30) {
  z_stream stream{};
  if (inflateInit2(&stream, form) != Z_OK) throw Error("zlib cannot start: there is no memory left");
  struct End {
    z_stream& stream;
    ~End() { inflateEnd(&stream); }
  } const end{stream};
  std::size_t fed = 0;
  const auto fail = [&](const std::string& found) {
    throw FormatError(ErrorText{.what = form == gzip_form ? "damaged gzip file" : "damaged deflated data",
                                .where = at_offset(where, fed - stream.avail_in),
                                .found = found,
                                .advice = "use a whole copy of it"});
  };
  std::string piece(piece_bytes, '\0');
  for (;;) {
    if (stream.avail_in == 0) {
      const std::size_t part = std::min(feed_bytes, bytes.size() - fed);
      // zlib reads only; its type of input is not const unless ZLIB_CONST is defined before its first include.
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + fed));
      stream.avail_in = static_cast<uInt>(part);
      fed += part;
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    if (!sink(piece.data(), piece.size() - stream.avail_out)) return;
    const bool used_up = fed == bytes.size() && stream.avail_in == 0;
    if (status == Z_STREAM_END) {
      if (used_up || form == bare_form) return;  // behind bare ones padding may follow
      if (inflateReset(&stream) != Z_OK) fail("a member that cannot be begun");
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK || (used_up && stream.avail_out != 0)) {
      fail(stream.msg != nullptr ? stream.msg : "the end of the file in the middle of it");
    }
  }
}

/// All that a gzip file (or the other `form`) holds. Throws as gunzip().
inline std::string unpack_at_most(std::string_view bytes, const std::string& where, std::size_t max_bytes, int form) {
  std::string out;
  const std::size_t piece = std::min(max_bytes, (std::size_t{1} << 16) - 1) + 1;
  const auto append = [&](const char* data, std::size_t count) {
    out.append(data, count);
    if (out.size() <= max_bytes) return true;
    throw FormatError(ErrorText{.what = form == gzip_form ? "a gzip file unpacks to more than it should"
                                                          : "deflated data unpack to more than they should",
                                .where = where,
                                .expected = "at most " + std::to_string(max_bytes) + " bytes"});
  };
  unpack_gzip(bytes, where, piece, append, form);
  return out;
}

}  // namespace detail

/// What a gzip file holds whose content is `bytes`, all of its members one after the other. `where` names it in
/// messages. Throws FormatError for what is damaged, cut off or goes on with something else, and where it would unpack
/// to more than `max_bytes`.
inline std::string gunzip(std::string_view bytes, const std::string& where, std::size_t max_bytes) {
  return detail::unpack_at_most(bytes, where, max_bytes, detail::gzip_form);
}

/// `bytes` as a gzip file of one member. Throws Error where there is no memory.
inline std::string to_gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw Error("zlib cannot start: there is no memory left");
  }
  struct End {
    z_stream& stream;
    ~End() { deflateEnd(&stream); }
  } const end{stream};
  std::string out, piece(std::size_t{1} << 16, '\0');
  std::size_t taken = 0;
  for (int status = Z_OK; status != Z_STREAM_END;) {
    const std::size_t part = std::min(bytes.size() - taken, std::size_t{1} << 30);
    const bool last = taken + part == bytes.size();
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + taken));
    stream.avail_in = static_cast<uInt>(part);
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    status = deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
    taken += part - stream.avail_in;
    out.append(piece.data(), piece.size() - stream.avail_out);
  }
  return out;
}

}  // namespace ssam::inline SSAM_ABI
