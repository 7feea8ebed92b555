#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <ssam/text/clip_tokenizer.hpp>

#include "../data/files.hpp"

using namespace ssam;

namespace {

using Ids = std::vector<std::int32_t>;

const std::string version_line = "\"our own#version: 0.2\n";
const std::string own_merges = "l i\nv e\nve r</w>\nli ver</w>\na a\naa a</w>\na b\n";
constexpr Index own_count = 7;

/// The id of a byte: printable Latin-1 first, then the others.
std::int32_t letter(int byte) {
  if (byte >= 0x21 && byte <= 0x7e) return byte - 0x21;
  if (byte >= 0xa1 && byte < 0xad) return byte - 0xa1 + 94;
  if (byte > 0xad) return byte - 0xae + 106;
  return 188 + (byte <= 0x20 ? byte : byte == 0xad ? 67 : byte - 0x7f + 33);
}

/// The ids of words of which nothing is merged.
Ids spelled(const std::vector<std::string>& words) {
  Ids ids;
  for (const std::string& word : words) {
    for (const char c : word) ids.push_back(letter(static_cast<unsigned char>(c)));
    ids.back() += 256;
  }
  return ids;
}

ClipTokenizer speller() {
  const test::Folder folder;
  return ClipTokenizer(load_clip_vocabulary(folder.write("merges.txt", version_line), 0));
}
ClipTokenizer own(Index context_length = 77) {
  const test::Folder folder;
  return ClipTokenizer(load_clip_vocabulary(folder.write("a.txt", version_line + own_merges), own_count),
                       context_length);
}

/// vocab.json of `own`.
nlohmann::json own_tokens() {
  nlohmann::json tokens;
  for (int byte = 0; byte < 256; ++byte) {
    const std::int32_t id = letter(byte);
    const std::string name = encode_utf8(std::u32string(1, static_cast<char32_t>(id < 188 ? byte : 0x100 + id - 188)));
    tokens[name] = id;
    tokens[name + "</w>"] = id + 256;
  }
  int id = 512;
  for (const char* token : {"li", "ve", "ver</w>", "liver</w>", "aa", "aaa</w>", "ab"}) tokens[token] = id++;
  tokens["<|startoftext|>"] = id++;
  tokens["<|endoftext|>"] = id;
  return tokens;
}
nlohmann::json own_tokenizer(bool pairs) {
  nlohmann::json merges = nlohmann::json::array();
  for (std::size_t at = 0; at < own_merges.size();) {
    const std::size_t end = own_merges.find('\n', at), blank = own_merges.find(' ', at);
    nlohmann::json merge = own_merges.substr(at, end - at);
    if (pairs) {
      merge = nlohmann::json::array({own_merges.substr(at, blank - at), own_merges.substr(blank + 1, end - blank - 1)});
    }
    merges.push_back(merge);
    at = end + 1;
  }
  nlohmann::json root;
  root["added_tokens"] = {{{"content", "<|startoftext|>"}, {"id", 519}}, {{"content", "<|endoftext|>"}, {"id", 520}}};
  root["model"] = {{"type", "BPE"}, {"end_of_word_suffix", "</w>"}, {"vocab", own_tokens()}, {"merges", merges}};
  return root;
}

}  // namespace

TEST_CASE("words: as the pattern of CLIP's tokenizer cuts them") {
  const ClipTokenizer tokenizer = speller();
  const auto words = [&](std::string_view text, const std::vector<std::string>& expected) {
    CAPTURE(std::string(text));
    CHECK(tokenizer.encode(text) == spelled(expected));
  };
  words("", {});
  words(" \t\r\n\u00a0\u3000", {});
  words("Liver", {"liver"});
  words("  L Hook\n\nElectrocautery ", {"l", "hook", "electrocautery"});
  words("it's 3.5mm (left)!", {"it", "'s", "3", ".", "5", "mm", "(", "left", ")!"});
  words("we'll they'VE 'tis 'x x'''s", {"we", "'ll", "they", "'ve", "'t", "is", "'", "x", "x", "'''", "s"});
  words("T2-weighted_1st", {"t", "2", "-", "weighted", "_", "1", "st"});
  words("na\u00efve \u00c9COLE", {"na\u00efve", "\u00e9cole"});
  words("\u0397\u03a0\u0391\u03a1, \u03a7\u03a3", {"\u03b7\u03c0\u03b1\u03c1", ",", "\u03c7\u03c2"});
  words("\u041f\u0415\u0427\u0415\u041d\u042c", {"\u043f\u0435\u0447\u0435\u043d\u044c"});
  words("\u809d\u81d3\u3001\u80c6\u56ca", {"\u809d\u81d3", "\u3001", "\u80c6\u56ca"});
  words("\u0663\u00bd\u2167", {"\u0663", "\u00bd", "\u2177"});  // numbers: Arabic 3, a half, Roman 8
  words("a\U0001fac1\U0001f600b", {"a", "\U0001fac1\U0001f600", "b"});
  words("\u0130", {"i", "\u0307"});
  words("'\u017f", {"'\u017f"});  // a long s counts as s where case does not count
}

TEST_CASE("cleaning: character references, quotes, wide forms, controls") {
  const auto cleaned = [](std::string_view text) { return encode_utf8(clean_prompt(text)); };
  CHECK(cleaned("a &amp; b &lt; c") == "a & b < c");
  CHECK(cleaned("&amp;amp;amp;lt;") == "<");
  CHECK(cleaned("<p> &amp;amp;amp;lt;") == "<p> &amp;lt;");  // with tags, twice and no more
  CHECK(cleaned("&EACUTE &Eacute;&eacute &#233;&#xE9;&#XE9") == "&eacute \u00e9\u00e9 \u00e9\u00e9\u00e9");
  CHECK(cleaned("&notit; &notin; &copy2 &amplifier") == "\u00acit; \u2209 \u00a92 &lifier");
  CHECK(cleaned("&CounterClockwiseContourIntegral; &NotEqualTilde;") == "\u2233 \u2242\u0338");
  CHECK(cleaned("& &; &#; &#x; &#xg; &x; &nbsp;") == "& &; &#; &#x; &#xg; &x;");
  CHECK(cleaned("&#0;&#xd800;&#1114112;&#99999999999999999999;&#1;&#xfffe;&#128;&#150;") ==
        "\ufffd\ufffd\ufffd\ufffd\u20ac\u2013");
  CHECK(cleaned("don\u2019t \u201cx\u201d \u02bcn \u0149") == "don't \"x\" 'n 'n");
  CHECK(cleaned("\ufb01bro\ufb05 \u01c4 \u0132") == "fibro\u017ft d\u017e ij");
  CHECK(cleaned("\uff34\uff12\u3000\uff01 \uffe5\uffe3") == "t2 ! \u00a5 \u0304");
  CHECK(cleaned(std::string("a\0b\x01\x7f\xef\xbb\xbf\x1b[1;31mc\x1b[", 18)) == "abc[");
  CHECK(cleaned("a\vz b\fz c\rz d\u0085z e\u2028z") == "az b z c z d\u2026z e z");
  CHECK(cleaned("\u2002a\u205f\u1680\u0062\u200b") == "a b\u200b");
}

TEST_CASE("UTF-8: what is none becomes U+FFFD, once for each longest beginning") {
  CHECK(decode_utf8("a\u00e9\u809d\U0001fac1") == U"a\u00e9\u809d\U0001fac1");
  CHECK(encode_utf8(U"a\u00e9\u809d\U0001fac1\U0010ffff") == "a\u00e9\u809d\U0001fac1\U0010ffff");
  const std::vector<std::pair<std::string, std::size_t>> cases{
      {"\x80", 1},         {"\xff", 1},         {"\xc0\xaf", 2},     {"\xc3", 1},     {"\xe2\x82", 1},
      {"\xe0\x80\x80", 3}, {"\xed\xa0\x80", 3}, {"\xf0\x9f\x98", 1}, {"\xf0\x80", 2}, {"\xf4\x90\x80\x80", 4}};
  for (const auto& [bytes, count] : cases) {
    CHECK(decode_utf8(bytes) == std::u32string(count, U'\ufffd'));
    CHECK(decode_utf8(bytes + "x") == std::u32string(count, U'\ufffd') + U"x");
  }
  CHECK(speller().encode("a\xe2\x82 b") == spelled({"a", "\ufffd", "b"}));
}

TEST_CASE("Unicode's classes: as many characters, and the same, as Python counts") {
  std::uint64_t letters = 0, letter_sum = 0, numbers = 0, number_sum = 0, lowered = 0, from = 0, to = 0;
  for (char32_t code = 0; code < 0x110000; ++code) {
    letters += is_letter(code) ? 1 : 0;
    letter_sum += is_letter(code) ? code : 0;
    numbers += is_number(code) ? 1 : 0;
    number_sum += is_number(code) ? code : 0;
    if (lower_case(code) == code) continue;
    ++lowered;
    from += code;
    to += lower_case(code);
  }
  CHECK(letters == 131756);
  CHECK(letter_sum == 13903637152);
  CHECK(numbers == 1791);
  CHECK(number_sum == 99177065);
  CHECK(lowered == 1432);
  CHECK(from == 32222007);
  CHECK(to == 34914066);
  CHECK(lower_case(U"\u03a3 \u03a3\u03a3 A\u03a3' \u0391'\u03a3.\u0391 1\u03a3") ==
        U"\u03c3 \u03c3\u03c2 a\u03c2' \u03b1'\u03c3.\u03b1 1\u03c3");
}

TEST_CASE("compose: Unicode's normal form NFC, as Python has it") {
  CHECK(compose(U"liver") == U"liver");
  CHECK(compose(U"e\u0301 A\u030a \u212b") == U"\u00e9 \u00c5 \u00c5");
  CHECK(compose(U"o\u0302\u0301 o\u0323\u0302 o\u0302\u0323") == U"\u1ed1 \u1ed9 \u1ed9");  // marks in any order
  CHECK(compose(U"a\u0301\u0300 \u0301a \u0301") == U"\u00e1\u0300 \u0301a \u0301");
  CHECK(compose(U"\u1112\u1161\u11ab\u1100\u1173\u11af \uac00\u11a8") == U"\ud55c\uae00 \uac01");
  CHECK(compose(U"\u30ab\u3099 \u0915\u093c \u0958") == U"\u30ac \u0915\u093c \u0915\u093c");
  CHECK(compose(U"a\u0315\u0300\u05ae\u0300b") == U"\u00e0\u05ae\u0300\u0315b");
  std::uint64_t changed = 0, sum = 0;
  for (char32_t code = 0; code < 0x110000; ++code) {
    const std::u32string whole(1, code), composed = compose(whole);
    if (composed == whole) continue;
    ++changed;
    for (const char32_t part : composed) sum += part;
  }
  CHECK(changed == 1120);
  CHECK(sum == 46558064);
  CHECK(speller().encode("nai\u0308ve \uff76\uff9e") == spelled({"na\u00efve", "\u30ac"}));
}

TEST_CASE("merges: the lowest rank first, the leftmost of equal ones") {
  const ClipTokenizer tokenizer = own();
  const std::int32_t a = letter('a'), last_a = a + 256;
  CHECK(tokenizer.encode("LIVER") == Ids{515});
  CHECK(tokenizer.encode("liver's") == Ids{515, letter('\''), letter('s') + 256});
  CHECK(tokenizer.encode("lives") == Ids{512, 513, letter('s') + 256});
  CHECK(tokenizer.encode("livers") == Ids{512, 513, letter('r'), letter('s') + 256});
  CHECK(tokenizer.encode("a") == Ids{last_a});
  CHECK(tokenizer.encode("aa") == Ids{a, last_a});
  CHECK(tokenizer.encode("aaa") == Ids{517});
  CHECK(tokenizer.encode("aaaa") == Ids{516, a, last_a});
  CHECK(tokenizer.encode("aaaaa") == Ids{516, 517});
  CHECK(tokenizer.encode("aabx") == Ids{516, letter('b'), letter('x') + 256});  // not a, ab: its rank is higher
  CHECK(tokenizer.encode("abx") == Ids{518, letter('x') + 256});
  CHECK(tokenizer.encode("<|startoftext|>a<|ENDOFTEXT|>") == Ids{519, last_a, 520});
  const Ids many = tokenizer.encode(std::string(300'001, 'a'));  // in less than quadratic time
  CHECK(many.size() == 150'000);
  CHECK(many.back() == 517);
}

TEST_CASE("tokenize: start, end, zeros; what is too long is cut and said") {
  const ClipTokens tokens = own(6).tokenize("liver");
  CHECK(tokens.ids == Ids{519, 515, 520, 0, 0, 0});
  CHECK(tokens.end_position == 2);
  CHECK(!tokens.truncated());
  const ClipTokens empty = own(6).tokenize("");
  CHECK(empty.ids == Ids{519, 520, 0, 0, 0, 0});
  CHECK(empty.end_position == 1);
  const ClipTokens full = own(6).tokenize("liver liver liver liver");
  CHECK(full.ids == Ids{519, 515, 515, 515, 515, 520});
  CHECK(!full.truncated());
  const ClipTokens cut = own(6).tokenize("liver liver liver liver aaa a");
  CHECK(cut.ids == Ids{519, 515, 515, 515, 515, 520});
  CHECK(cut.end_position == 5);
  CHECK(cut.dropped == 2);
  CHECK(cut.truncated());
  CHECK(own(6).tokenize("liver <|endoftext|> liver").end_position == 2);  // where the largest id stands first
  CHECK(own(2).tokenize("liver").ids == Ids{519, 520});
  CHECK(own().tokenize("liver").ids.size() == 77);
  CHECK(own().context_length() == 77);
  CHECK_THROWS_AS(own(1), ConfigError);
}

TEST_CASE("all forms of a vocabulary give the same ids") {
  const test::Folder folder;
  const std::string prompt = "Liver, a lively na\u00efve aabaab \U0001fac1 3.5";
  const Ids expected = own().encode(prompt);
  const auto same = [&](const std::filesystem::path& path) {
    CAPTURE(path.string());
    const ClipTokenizer tokenizer(load_clip_vocabulary(path, own_count));
    CHECK(tokenizer.encode(prompt) == expected);
    CHECK(tokenizer.vocabulary().size == 521);
    CHECK(tokenizer.vocabulary().end == 520);
  };
  same(folder.write("crlf.txt", version_line + "l i\r\nv e\r\nve r</w>\r\nli ver</w>\r\na a\r\naa a</w>\r\na b"));
  same(folder.write("more.txt", version_line + own_merges + "b b\nwhat comes now is not read"));
  folder.write("merges.txt", version_line + own_merges);
  same(folder.write("vocab.json", own_tokens().dump()));
  same(folder / "merges.txt");
  same(folder / "");
  CHECK(load_clip_tokenizer(folder / "vocab.json", 5).tokenize("liver").ids == Ids{519, 515, 520, 0, 0});
  same(folder.write("a.json", own_tokenizer(false).dump(1)));
  same(folder.write("tokenizer.json", own_tokenizer(true).dump()));
  folder.write("vocab.json", std::string("{}"));
  same(folder / "");  // tokenizer.json comes first
  // As gzip: a header, one stored block, checksum and size.
  const std::string text = version_line + own_merges;
  std::string packed("\x1f\x8b\x08\0\0\0\0\0\0\x03\x01", 11);
  const auto number = [&](std::size_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) packed += static_cast<char>(value >> (8 * i) & 0xff);
  };
  number(text.size(), 2);
  number(~text.size(), 2);
  packed += text;
  number(crc32(text.data(), text.size()), 4);
  number(text.size(), 4);
  same(folder.write("any_name", packed));
  CHECK_THROWS_AS(load_clip_vocabulary(folder.write("cut.gz", packed.substr(0, 60)), own_count), FormatError);
}

TEST_CASE("vocabularies that are none are refused") {
  const test::Folder folder;
  const auto refused = [&](const std::string& name, const std::string& contents, const std::string& part,
                           Index merges = own_count) {
    const auto path = folder.write(name, contents);
    const std::string message = test::message_of<FormatError>([&] { load_clip_vocabulary(path, merges); });
    CAPTURE(message);
    CAPTURE(part);
    CHECK(test::contains(message, part));
    CHECK(test::contains(message, (folder / "").string()));
  };
  refused("a.gz", version_line + own_merges, "this is no gzip file");
  refused("a.txt", "", "'#version'");
  refused("a.txt", own_merges, "'#version'");
  refused("a.txt", version_line + own_merges, "too few merges", 8);
  const std::string few = test::message_of<FormatError>([&] { load_clip_tokenizer(folder / "a.txt"); });
  CHECK(test::contains(few, "expected 48894, found 7"));
  for (const char* line : {"li", "l i v", "l  i", " l", "l ", "", "l\ti", "l \xff"}) {
    refused("a.txt", version_line + "v e\n" + line + "\na a\n", "line 3]: expected two words", 3);
  }
  refused("a.txt", version_line + "l i\nl i\n", "merge 2]: found 'li'", 2);
  refused("a.txt", version_line + "aa a\na a\n", "merge of what is no token", 2);
  refused("a.txt", version_line + "l xyz\n", "merge of what is no token", 1);

  folder.write("merges.txt", version_line + own_merges);
  const auto tokens = [&](const char* token, const nlohmann::json& id) {
    nlohmann::json changed = own_tokens();
    changed[token] = id;
    return changed.dump();
  };
  const auto without = [&](const char* token) {
    nlohmann::json changed = own_tokens();
    changed.erase(token);
    return changed.dump();
  };
  refused("vocab.json", "{\"labels\": 1}", "this JSON is no vocabulary");
  refused("vocab.json", "{\"<|endoftext|>\": 1}", "<|startoftext|>");
  refused("vocab.json", "{\"a\": 1, \"a\": 2}", "given twice");
  refused("vocab.json", "{\"a\": ", "this is not JSON");
  refused("vocab.json", without("<|endoftext|>"), "<|endoftext|>");
  refused("vocab.json", without("<|startoftext|>"), "<|startoftext|>");
  refused("vocab.json", without("a</w>"), "expected the token 'a</w>'");
  refused("vocab.json", without("liver</w>"), "makes a token that the vocabulary does not have");
  refused("vocab.json", tokens("new", 521), "do not belong together");
  refused("vocab.json", tokens("li", 0), "that no other token has");
  for (const char* id : {"-1", "\"1\"", "1.5", "16777216", "null"}) {
    refused("vocab.json", tokens("li", nlohmann::json::parse(id)), "token 'li'");
  }
  folder.write("merges.txt", version_line + "l i\nv e\n");
  refused("vocab.json", own_tokens().dump(), "expected 7 merges, one for each token, found 2");
  std::filesystem::remove(folder / "merges.txt");
  CHECK_THROWS_AS(load_clip_vocabulary(folder / "vocab.json"), IoError);

  const auto changed = [&](const char* pointer, const char* value) {
    nlohmann::json root = own_tokenizer(true);
    root[nlohmann::json::json_pointer(pointer)] = nlohmann::json::parse(value);
    return root.dump();
  };
  refused("tokenizer.json", changed("/model/type", "\"Unigram\""), "expected BPE, found 'Unigram'");
  refused("tokenizer.json", changed("/model/end_of_word_suffix", "null"), "expected </w>");
  refused("tokenizer.json", changed("/model/vocab", "3"), "'vocab' {...}");
  refused("tokenizer.json", changed("/model/merges", "3"), "'merges' [...]");
  refused("tokenizer.json", changed("/model/merges/1", "3"), "merge 2]: expected two words");
  refused("tokenizer.json", changed("/model/merges/1", "[\"a\", \"b c\"]"), "merge 2]: expected two words");
  refused("tokenizer.json", changed("/added_tokens/0/id", "7"), "tokens beside CLIP's");
  refused("tokenizer.json", changed("/added_tokens/0/id", "\"7\""), "wrong id");
  refused("tokenizer.json", changed("/added_tokens/0/content", "\"<new>\""), "tokens beside CLIP's");
  refused("tokenizer.json", changed("/added_tokens/0", "1"), "'content' and 'id'");

  const test::Folder other;
  CHECK_THROWS_AS(load_clip_tokenizer(other / "absent"), IoError);
  CHECK_THROWS_AS(load_clip_tokenizer(other / ""), IoError);
  CHECK_THROWS_AS(load_clip_vocabulary(other / "", -1), ConfigError);
  std::filesystem::resize_file(other.write("huge.txt", version_line), (std::uintmax_t{64} << 20) + 1);
  CHECK_THROWS_AS(load_clip_tokenizer(other / "huge.txt"), FormatError);
}

// The vocabulary is OpenAI's and not part of this project: the path of any form of it, in the environment. A test of
// its own (clip_vocabulary), which is skipped where there is none.
TEST_CASE("CLIP's own vocabulary gives the recorded ids" * doctest::skip()) {
  const char* path = std::getenv("SSAM_CLIP_VOCABULARY");
  if (path == nullptr) {
    std::puts("skipped: SSAM_CLIP_VOCABULARY names no vocabulary");
    return;
  }
  const ClipTokenizer tokenizer = load_clip_tokenizer(path);
  CHECK(tokenizer.vocabulary().size == 49408);
  const nlohmann::json record = load_json(SSAM_TEST_DIR "/golden/clip_tokens.json");
  REQUIRE(record.at("labels").size() == 13);
  for (std::size_t i = 0; i < record.at("labels").size(); ++i) {
    const std::string label = record.at("labels")[i];
    Ids ids = record.at("ids")[i].get<Ids>();
    CAPTURE(label);
    CHECK(tokenizer.tokenize(label).end_position == static_cast<Index>(ids.size()) - 1);
    ids.resize(77, 0);
    CHECK(tokenizer.tokenize(label).ids == ids);
  }
}
