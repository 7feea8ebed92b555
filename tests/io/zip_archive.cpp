#include <ssam/io/checkpoint_file.hpp>
#include <ssam/io/zip_archive.hpp>

#include "fixtures.hpp"

using namespace ssam;
using namespace fixtures;

namespace {

const std::string good_pickle = pickle(dict(text("w") + tensor()));

StateDict parse(std::string_view bytes) { return parse_checkpoint(bytes, "the file"); }

void bad(const std::vector<Member>& members, std::initializer_list<const char*> parts, const ZipOptions& options = {}) {
  refused_bytes(parse, zip(members, options), parts);
}
/// The good archive with one member changed.
template <class Change>
std::vector<Member> changed(std::size_t which, const Change& change) {
  std::vector<Member> members = torch_members(good_pickle);
  change(members[which]);
  return members;
}
std::vector<Member> with(const Member& extra) {
  std::vector<Member> members = torch_members(good_pickle);
  members.push_back(extra);
  return members;
}
/// `bytes` with the last `from` replaced by `to` of the same length.
std::string patched(std::string bytes, std::string_view from, std::string_view to) {
  bytes.replace(bytes.rfind(from), from.size(), to);
  return bytes;
}

}  // namespace

TEST_CASE("crc32 gives the check value of its polynomial at every length") {
  CHECK(crc32("123456789", 9) == 0xcbf43926);
  CHECK(crc32("", 0) == 0);
  const std::string bytes = floats(20);
  std::uint32_t state = 0xffffffff;  // bit by bit
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    state ^= static_cast<unsigned char>(bytes[i]);
    for (int bit = 0; bit < 8; ++bit) state = state >> 1 ^ ((state & 1) != 0 ? 0xedb88320 : 0);
    CHECK(crc32(bytes.data(), i + 1) == ~state);
  }
}

TEST_CASE("a stored archive loads, with and without zip64, also beyond 4 GiB") {
  const auto members = torch_members(good_pickle);
  CHECK(parse(zip(members)).at("w").to<float>()[5] == 5);
  CHECK(parse(zip(members, {.zip64 = true})).at("w").to<float>()[5] == 5);
  TemporaryFolder folder;
  const ZipOptions far{.base = std::uint64_t{5} << 30, .zip64 = true};
  write(folder / "far.pth", "PK\x03\x04");  // sparse; a hole in front of the first member is not read
  std::filesystem::resize_file(folder / "far.pth", far.base);
  {
    std::ofstream file(folder / "far.pth", std::ios::binary | std::ios::app);
    file << zip(members, far);
  }
  CHECK(load_checkpoint(folder / "far.pth").at("w").to<float>()[5] == 5);
}

TEST_CASE("Z1: the end record and the two directories must agree") {
  const std::string good = zip(torch_members(good_pickle));
  for (std::size_t missing = 1; missing < good.size(); missing += 7) {
    refused_bytes(parse, good.substr(0, good.size() - missing), {"the file"});
  }
  refused_bytes(parse, good.substr(0, good.size() - 2) + "\x05" + std::string(1, '\0'), {"an archive comment"});
  refused_bytes(parse, good + "x", {"no end-of-central-directory"});
  bad(torch_members(good_pickle), {"does not end where"}, {.comment = good.substr(good.size() - 22)});
  bad(torch_members(good_pickle), {"no end-of-central-directory"}, {.comment = "hello"});
  refused_bytes(parse, good + good.substr(good.size() - 22), {"does not end where the end record begins"});
  bad(torch_members(good_pickle), {"fewer members"}, {.count_lie = 1});
  bad(torch_members(good_pickle), {"more members"}, {.count_lie = -1});
  bad(torch_members(good_pickle), {"inconsistent zip64"}, {.zip64 = true, .zip64_count_lie = 1});
  const std::string wide = zip(torch_members(good_pickle), {.zip64 = true});
  refused_bytes(parse, patched(wide, "PK\x06\x07", "PK\x06\x08"), {"no zip64 record"});
  refused_bytes(parse, patched(wide, "PK\x06\x06", "PK\x06\x05"), {"inconsistent zip64"});
  refused_bytes(parse, patched(wide, little(44, 8), little(45, 8)), {"inconsistent zip64"});
  bad(changed(2, [](Member& m) { m.local_name = "archive/data/1"; }), {"another name", "archive/data/0"});
  bad(changed(2, [](Member& m) { m.local_size_lie = 4; }), {"contradicts", "archive/data/0"});
  bad(changed(2, [](Member& m) { m.local_crc_lie = 1; }), {"contradicts", "archive/data/0"});
  refused_bytes(parse, patched(good, "PK\x01\x02", "PK\x01\x03"), {"no central directory entry"});
  bad(changed(2, [](Member& m) { m.offset_lie = 1; }), {"no local header", "archive/data/0"});
}

TEST_CASE("Z2: compressed and encrypted members are refused; the data descriptors of torch.save are not") {
  bad(changed(2, [](Member& m) { m.method = 8; }), {"a compressed member", "archive/data/0"});
  bad(changed(0, [](Member& m) { m.method = 99; }), {"a compressed member"});
  // The source text of a TorchScript program is compressed, and never read.
  const std::string deflated = "not even a deflate stream";
  CHECK(parse(zip(with({.name = "archive/code/__torch__.py", .data = deflated, .method = 8}))).tensors.size() == 1);
  bad(with({.name = "archive/code/__torch__.py", .data = deflated, .method = 12}), {"a compressed member"});
  bad(with({.name = "archive/data/code/x", .data = deflated, .method = 8}), {"a compressed member"});
  bad(changed(2, [](Member& m) { m.flags = 1; }), {"an encrypted member"});
  bad(changed(2, [](Member& m) { m.flags = 0x2000; }), {"an encrypted member"});
  CHECK(parse(zip(changed(2, [](Member& m) { m.flags = 8; }))).tensors.size() == 1);
  const std::string real = read(golden("sam.pth"));  // its local headers leave size and CRC to the descriptor
  CHECK(real.substr(6, 2) == little(0x0808, 2));
  CHECK(parse(real).tensors.size() == 202);
}

TEST_CASE("Z3: names that leave the archive, are ambiguous or not where torch.save puts them") {
  for (const std::string& name :
       {std::string("../x"), std::string("archive/../x"), std::string("/x"), std::string("archive\\x"),
        std::string("archive//x"), std::string("archive/./x"), std::string("archive/"), std::string("archive/a\0b", 11),
        std::string("archive/\xff"), "archive/" + std::string(2000, 'n')}) {
    bad(with({name, "x"}), {"unusable member name"});
  }
  bad(with({"", "x"}), {"unusable member name"});
  bad(with({"archive/data/0", floats(6)}), {"another member has", "archive/data/0"});
  bad(with({"archive/DATA/0", floats(6)}), {"another member has"});
  bad(with({"elsewhere/x", "x"}), {"outside 'archive/'", "'elsewhere/x'"});
  bad({{"archive/version", "3"}}, {"no data.pkl"});
  bad({{"data.pkl", good_pickle}, {"version", "3"}, {"data/0", floats(6)}}, {"data.pkl in ''"});
  bad({{"a/b/data.pkl", good_pickle}}, {"data.pkl in 'a/b/'"});
  bad(with({"archive/deep/data.pkl", good_pickle}), {"2 files data.pkl"});
  bad(with({"other/data.pkl", good_pickle}), {"2 files data.pkl"});
}

TEST_CASE("Z4: members that overlap or run out of the file") {
  // A member inside the data of another: the same bytes under two names.
  std::vector<Member> members = torch_members(good_pickle);
  const Member inner{"archive/data/1", "four"};
  members[2].data = zip({inner}).substr(0, 30 + inner.name.size() + inner.data.size());
  members.push_back(inner);
  const std::string honest = zip(members);
  const std::size_t inside = honest.find(inner.name);
  members[4].offset_lie =
      static_cast<std::int64_t>(inside) - static_cast<std::int64_t>(honest.find(inner.name, inside + 1));
  bad(members, {"members that overlap"});
  const auto larger = [](std::int64_t lie) {
    return [lie](Member& m) {
      m.size_lie = lie;
      m.local_size_lie = static_cast<std::uint64_t>(lie);
    };
  };
  bad(changed(0, larger(50)), {"members that overlap"});
  bad(changed(2, larger(100'000)), {"runs out of the file", "archive/data/0"});
  bad(changed(2, larger(1'000'000'000)), {"runs out of the file"});
  bad(changed(2, [](Member& m) { m.offset_lie = 1'000'000; }), {"outside the file"});
}

TEST_CASE("Z5: wrong checksums") {
  bad(changed(0, [](Member& m) { m.crc_lie = 1; }), {"checksum", "archive/data.pkl", "offset"});
  bad(changed(2, [](Member& m) { m.crc_lie = 1; }), {"checksum", "data/0", "offset"});
  bad(changed(3, [](Member& m) { m.crc_lie = 1; }), {"checksum", "archive/version"});
}

TEST_CASE("Z6: big-endian files and unknown versions") {
  bad(changed(1, [](Member& m) { m.data = "big"; }), {"byte order", "'big'", "archive/byteorder"});
  for (const char* version : {"", "x", "0", "11", "100", "-1", "3.0", " 3", "3 4"}) {
    bad(changed(3, [&](Member& m) { m.data = version; }), {"unknown version", "archive/version"});
  }
  bad(changed(3, [&](Member& m) { m.data = std::string(1000, '3'); }), {"too large", "archive/version"});
  std::vector<Member> members = torch_members(good_pickle);
  members.pop_back();
  bad(members, {"unknown version"});
}

TEST_CASE("Z7: what else is met under the name of a checkpoint is told by its content") {
  const auto refuse = [](const std::string& bytes, const char* what) {
    refused_bytes(parse, bytes, {what, "the file"});
  };
  std::string tar = "archive/data.pkl" + std::string(241, '\0') + "ustar" + std::string(700, '\0');
  refuse("", "an empty file");
  refuse(tar, "a tar archive");
  refuse("7z\xbc\xaf\x27\x1c" + std::string(100, 'x'), "a 7z archive");
  refuse("Rar!\x1a\x07\x01" + std::string(100, 'x'), "a RAR archive");
  refuse("\x1f\x8b\x08" + std::string(100, 'x'), "a gzip file");
  refuse("BZh9" + std::string(100, 'x'), "a bzip2 file");
  refuse(std::string("\xfd"
                     "7zXZ\0",
                     6) +
             std::string(100, 'x'),
         "an xz file");
  refuse("\x28\xb5\x2f\xfd" + std::string(100, 'x'), "a Zstandard file");
  refuse("\x89HDF\r\n\x1a\n" + std::string(100, 'x'), "an HDF5 file");
  refuse("\x93NUMPY\x01" + std::string(100, 'x'), "a NumPy array");
  refuse("\n <!DOCTYPE HTML><html><body>404</body></html>", "a web page");
  refuse("<html><head>", "a web page");
  refuse("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a Git LFS pointer");
  refuse("\x80\x02}q\x01.", "a bare pickle");
  refuse("\x80\x04\x95" + std::string(100, 'x'), "a bare pickle");
  refuse("PK\x05\x06" + std::string(18, '\0'), "an empty zip");
  refuse("Not a checkpoint at all.", "begins with 'Not a checkpoint'");
  refuse("abc", "begins with 'abc'");
  refuse(zip({{"arr_0.npy", "x"}}), "no data.pkl");
  // The readers of one format say the same.
  refused([&] { parse_torch_checkpoint(tar, "the file"); }, {"a tar archive"});
  refused([&] { parse_torch_checkpoint(safetensors("{}"), "the file"); }, {"may be safetensors", "load_checkpoint()"});
}
