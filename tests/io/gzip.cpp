#include <limits>
#include <ssam/io/gzip.hpp>

#include "fixtures.hpp"

using namespace ssam;
using namespace fixtures;

namespace {

std::string bytes_of_hex(std::string_view digits) {
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

// Written by zlib, level 9: one block with deflate's own code, and one with a code that it carries along.
const std::string fixed_block = bytes_of_hex(
    "1f8b0800000000000203cbc92c4b2dd251c8ce4cc94badd451282ec8494dcdb356c82149988191899985958d9d83938b9b87"
    "978f5f4050485844544c5c42524a5a46564e3e3d312747212927312505a41b99a70000f23bf72180000000");
const std::string dynamic_block = bytes_of_hex(
    "1f8b080000000000020385934b0ac3300c44f73d850ed08525cbbfe3749142c089c13481debef4027eebc1e3d1d3a8efe726"
    "41c65b8ed7f97d4adfef6dca98f2b98e311ffd2feb5af6b5dcc03caf754b6b3dc27b87ff33c4af30bd06a267e4e04e888861"
    "238844d1123954c810cd6951d42322e94e0e153224832952010e994866722894a1d01495383422d932b69ad6a9811aa14aa5"
    "52eca51a555b235e87e381a5c58dfe007fa8d07522050000");

std::string text_of_fixed() {
  std::string text = "liver, kidney, spleen; liver, kidney, spleen; liver, kidney, spleen; ";
  for (char c = 0; c < 32; ++c) text += c;
  return text + "gall bladder, gall bladder ";
}
std::string text_of_dynamic() {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "line " + std::to_string(i * i) + " of many, liver or tumor\n";
  return text;
}

void append_little(std::string& bytes, std::uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
}
/// A gzip file of one stored block, with the optional fields that `flags` name.
std::string stored(const std::string& text, char flags = 0) {
  std::string bytes{'\x1f', '\x8b', 8, flags, 0, 0, 0, 0, 0, 3};
  if (flags & 4) bytes += std::string("\3\0abc", 5);
  if (flags & 8) bytes += std::string("name\0", 5);
  if (flags & 16) bytes += std::string("comment\0", 8);
  if (flags & 2) bytes += "xx";
  bytes += '\1';
  append_little(bytes, static_cast<std::uint32_t>(text.size()), 2);
  append_little(bytes, ~static_cast<std::uint32_t>(text.size()), 2);
  bytes += text;
  append_little(bytes, crc32(text.data(), text.size()), 4);
  append_little(bytes, static_cast<std::uint32_t>(text.size()), 4);
  return bytes;
}

std::string unpacked(std::string_view bytes) { return gunzip(bytes, "the file", 1 << 16); }

}  // namespace

TEST_CASE("gzip: every kind of block and of header, and members one after the other") {
  CHECK(is_gzip(fixed_block));
  CHECK(!is_gzip("\x1f"));
  CHECK(unpacked(fixed_block) == text_of_fixed());
  CHECK(unpacked(dynamic_block) == text_of_dynamic());
  CHECK(unpacked(stored("")).empty());
  CHECK(gunzip(stored("liver"), "the file", std::numeric_limits<std::size_t>::max()) == "liver");
  for (const int flags : {0, 1, 4, 8, 16, 29}) {
    CHECK(unpacked(stored("liver", static_cast<char>(flags))) == "liver");
  }
  CHECK(unpacked(stored("a") + dynamic_block + stored("b")) == "a" + text_of_dynamic() + "b");
}

TEST_CASE("what is packed is unpacked again") {
  for (const std::string& text : {std::string(), std::string("a"), text_of_dynamic(), std::string(300000, 'x')}) {
    CHECK(is_gzip(to_gzip(text)));
    CHECK(gunzip(to_gzip(text), "the file", 1 << 20) == text);
  }
  CHECK(to_gzip(std::string(300000, 'x')).size() < 1000);
}

TEST_CASE("gzip: content that is handed to zlib in pieces unpacks to the same, and is damaged in the same place") {
  const std::string whole = stored("a") + dynamic_block + stored("") + fixed_block;
  const auto in_pieces = [](std::string_view bytes, std::size_t piece_bytes, std::size_t feed_bytes) {
    std::string out;
    const auto append = [&](const char* data, std::size_t count) { return out.append(data, count), true; };
    detail::unpack_gzip(bytes, "the file", piece_bytes, append, detail::gzip_form, feed_bytes);
    return out;
  };
  const std::string end = "offset " + std::to_string(whole.size() - 1);
  for (const std::size_t feed : {1, 2, 3, 7, 64, 1000000}) {
    for (const std::size_t piece : {1, 5, 1 << 16}) {
      CAPTURE(feed);
      CAPTURE(piece);
      CHECK(in_pieces(whole, piece, feed) == "a" + text_of_dynamic() + text_of_fixed());
      refused([&] { in_pieces(whole.substr(0, whole.size() - 1), piece, feed); },
              {"the end of the file in the middle", end.c_str()});
    }
    refused([&] { in_pieces(stored("a") + "more, but packed it is not", 9, feed); }, {"incorrect header check"});
  }
}

TEST_CASE("gzip: what is damaged is refused, and never more than allowed is unpacked") {
  const auto bad = [](const std::string& bytes, std::initializer_list<const char*> parts) {
    refused([&] { unpacked(bytes); }, parts);
  };
  bad("", {"the file", "damaged gzip file"});
  bad("not packed at all, but long enough", {"incorrect header check"});
  bad(stored("a") + "more", {"incorrect header check"});
  bad(stored("a", '\2'), {"header crc mismatch"});
  bad(stored("a", '\x20'), {"unknown header flags set"});
  std::string changed = stored("liver");
  changed[15] = 'L';
  bad(changed, {"incorrect data check", "use a whole copy"});
  changed = stored("liver");
  changed[changed.size() - 4] = 6;
  bad(changed, {"incorrect length check"});
  changed = stored("liver");
  changed[11] = 6;
  bad(changed, {"invalid stored block lengths"});
  changed = stored("liver");
  changed[10] = 7;
  bad(changed, {"invalid block type"});
  changed = stored("liver");
  changed.replace(10, 3, "\x03\x02\0", 3);  // a copy before anything was written
  bad(changed, {"invalid distance too far back"});
  bad(stored("liver") + changed, {"invalid distance too far back"});
  for (const std::string& whole : {fixed_block, dynamic_block}) {
    for (std::size_t size = 0; size < whole.size(); ++size)
      CHECK_THROWS_AS(unpacked(whole.substr(0, size)), FormatError);
    int same = 0;
    for (std::size_t bit = 80; bit < 8 * whole.size(); ++bit) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      try {
        same += unpacked(flipped) == unpacked(whole) ? 1 : 1000;  // a bit that nothing hangs on
      } catch (const FormatError&) {
        continue;
      }
    }
    CHECK(same < 16);
  }
  CHECK(gunzip(dynamic_block, "the file", text_of_dynamic().size()) == text_of_dynamic());
  refused([] { gunzip(dynamic_block, "the file", text_of_dynamic().size() - 1); }, {"the file", "more than it should"});
  refused([] { gunzip(stored("liver"), "the file", 4); }, {"at most 4 bytes"});
}
