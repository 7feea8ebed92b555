#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <ssam/core/shape.hpp>
#include <ssam/io/gzip.hpp>
#include <ssam/io/json_file.hpp>
#include <ssam/text/clean_text.hpp>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// The tokens of a byte-level BPE vocabulary as CLIP has it, by their ids: bytes, bytes that end a word, what merges
/// make of two tokens, and the marks of start and end.
struct ClipVocabulary {
  /// What two neighbouring tokens become.
  struct Merge {
    std::int32_t rank = 0;   ///< the lowest is done first
    std::int32_t token = 0;  ///< the id of both together
  };

  std::array<std::int32_t, 256> bytes = {};         ///< by the byte
  std::array<std::int32_t, 256> last_bytes = {};    ///< by the byte, where it ends a word
  std::unordered_map<std::uint64_t, Merge> merges;  ///< by pair()
  std::int32_t start = 0;                           ///< `<|startoftext|>`
  std::int32_t end = 0;                             ///< `<|endoftext|>`
  Index size = 0;                                   ///< number of tokens

  /// The key in `merges` of the token `left` before the token `right`.
  static std::uint64_t pair(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
};

/// How many merges CLIP takes of its file of 262,144: with 512 bytes and two marks that makes 49,408 tokens.
inline constexpr Index clip_merges = 48'894;

namespace detail {
/// Most bytes of a vocabulary, unpacked.
inline constexpr std::size_t max_vocabulary_bytes = std::size_t{64} << 20;

inline constexpr std::string_view end_of_word = "</w>";
inline constexpr std::string_view start_of_text = "<|startoftext|>";
inline constexpr std::string_view end_of_text = "<|endoftext|>";

using TokenIds = std::unordered_map<std::string, std::int32_t>;
using MergeWords = std::vector<std::pair<std::string, std::string>>;

/// How vocabularies write each byte: printable Latin-1 as it is, the other bytes as U+0100 and on. In the order of the
/// ids: the printable ones come first.
inline std::vector<std::pair<unsigned char, std::string>> byte_letters() {
  const auto is_printable = [](unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
  };
  std::vector<std::pair<unsigned char, std::string>> letters;
  char32_t other = 0x100;
  for (const bool printable : {true, false}) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      if (is_printable(byte) != printable) continue;
      const char32_t letter = printable ? char32_t{byte} : other++;
      letters.emplace_back(static_cast<unsigned char>(byte), encode_utf8(std::u32string(1, letter)));
    }
  }
  return letters;
}

[[noreturn]] inline void refuse_vocabulary(const std::string& where, const std::string& what,
                                           const std::string& expected = {}, const std::string& found = {},
                                           const std::string& advice = {}) {
  throw FormatError(ErrorText{.what = what, .where = where, .expected = expected, .found = found, .advice = advice});
}

/// Takes the tokens and merges of a file, `where`, as a vocabulary. Every token must come from somewhere, and before it
/// is used: encoding relies on that.
inline ClipVocabulary make_clip_vocabulary(const TokenIds& tokens, const MergeWords& merges, const std::string& where) {
  const auto id_of = [&](std::string_view token) {
    const auto found = tokens.find(std::string(token));
    if (found == tokens.end()) {
      refuse_vocabulary(where, "this is no vocabulary of CLIP", "the token " + shown(token), "none",
                        "use the vocabulary that belongs to the text encoder");
    }
    return found->second;
  };
  ClipVocabulary vocabulary;
  vocabulary.size = static_cast<Index>(tokens.size());
  vocabulary.start = id_of(start_of_text);
  vocabulary.end = id_of(end_of_text);
  std::unordered_set<std::int32_t> made;
  for (const auto& [byte, letter] : byte_letters()) {
    vocabulary.bytes[byte] = id_of(letter);
    vocabulary.last_bytes[byte] = id_of(letter + std::string(end_of_word));
    made.insert({vocabulary.bytes[byte], vocabulary.last_bytes[byte]});
  }
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const auto& [left, right] = merges[i];
    const std::string place = where + ", merge " + std::to_string(i + 1);
    const auto part = [&](const std::string& word) {
      const auto found = tokens.find(word);
      if (found == tokens.end() || !made.contains(found->second)) {
        refuse_vocabulary(place, "a merge of what is no token", "bytes or what merges before made of them",
                          shown(word));
      }
      return found->second;
    };
    const std::uint64_t key = ClipVocabulary::pair(part(left), part(right));
    const auto product = tokens.find(left + right);
    if (product == tokens.end()) {
      refuse_vocabulary(place, "a merge makes a token that the vocabulary does not have", {}, shown(left + right),
                        "use merges and vocabulary of one tokenizer");
    }
    if (!made.insert(product->second).second)
      refuse_vocabulary(place, "a token is made twice", {}, shown(left + right));
    vocabulary.merges[key] = {static_cast<std::int32_t>(i), product->second};
  }
  if (made.size() + 2 != tokens.size() || made.contains(vocabulary.start) || made.contains(vocabulary.end)) {
    refuse_vocabulary(where, "merges and tokens do not belong together",
                      std::to_string(static_cast<Index>(tokens.size()) - 514) + " merges, one for each token",
                      std::to_string(merges.size()), "use whole copies of the files of one tokenizer");
  }
  return vocabulary;
}

/// The two words of a line, parted by one blank.
inline std::pair<std::string, std::string> merge_of_line(std::string_view line, const std::string& where) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t blank = line.find(' ');
  if (blank == 0 || blank >= line.size() - 1 || line.find_first_of(" \t", blank + 1) != std::string_view::npos ||
      !is_utf8(line)) {
    refuse_vocabulary(where, "this is no merge", "two words with a blank between", shown(line));
  }
  return {std::string(line.substr(0, blank)), std::string(line.substr(blank + 1))};
}

/// The first `most` merges of a text with one in each line, after a line that tells the version.
inline MergeWords merges_of_text(std::string_view text, const std::string& where, std::size_t most) {
  const std::string_view first = text.substr(0, text.find('\n'));
  if (first.find("#version") == std::string_view::npos) {
    refuse_vocabulary(where, "this is no file of merges", "a first line with '#version'", shown(first),
                      "CLIP's are bpe_simple_vocab_16e6.txt.gz and merges.txt");
  }
  MergeWords merges;
  std::size_t line = 1;
  for (text.remove_prefix(std::min(first.size() + 1, text.size())); !text.empty() && merges.size() < most;) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    merges.push_back(merge_of_line(text.substr(0, length), where + ", line " + std::to_string(++line)));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return merges;
}

/// A vocabulary of merges alone: ids go in the order bytes, last bytes, merges, start, end.
inline ClipVocabulary vocabulary_of_merges(std::string_view text, const std::string& where, Index count) {
  const MergeWords merges = merges_of_text(text, where, static_cast<std::size_t>(count));
  if (static_cast<Index>(merges.size()) < count) {
    refuse_vocabulary(where, "the file has too few merges", std::to_string(count), std::to_string(merges.size()),
                      "use a whole copy of it");
  }
  TokenIds tokens;
  const auto add = [&](std::string token) {
    tokens.emplace(std::move(token), static_cast<std::int32_t>(tokens.size()));
  };
  const auto letters = byte_letters();
  for (const auto& [byte, letter] : letters) add(letter);
  for (const auto& [byte, letter] : letters) add(letter + std::string(end_of_word));
  for (const auto& [left, right] : merges) add(left + right);
  add(std::string(start_of_text));
  add(std::string(end_of_text));
  return make_clip_vocabulary(tokens, merges, where);
}

/// The tokens of a JSON object of ids, each id once.
inline TokenIds tokens_of_json(const nlohmann::json& object, const std::string& where) {
  constexpr std::int64_t most = 1 << 24;
  TokenIds tokens;
  std::unordered_set<std::int64_t> used;
  for (const auto& [token, id] : object.items()) {
    const bool fits = id.is_number_unsigned() && id.get<std::uint64_t>() < most;
    if (!fits || !used.insert(id.get<std::int64_t>()).second) {
      refuse_vocabulary(where + ", token " + shown(token), "wrong id",
                        "a number below " + std::to_string(most) + " that no other token has", id.dump().substr(0, 40));
    }
    tokens.emplace(token, id.get<std::int32_t>());
  }
  return tokens;
}

/// The vocabulary of Hugging Face's tokenizer.json, `root`.
inline ClipVocabulary vocabulary_of_tokenizer(const nlohmann::json& root, const std::string& where) {
  const nlohmann::json& model = root.at("model");
  const auto text = [&](const char* key) {
    return model.contains(key) && model.at(key).is_string() ? model.at(key).get<std::string>() : std::string("nothing");
  };
  for (const auto& [key, value] : {std::pair("type", "BPE"), std::pair("end_of_word_suffix", "</w>")}) {
    if (text(key) != value) {
      refuse_vocabulary(where + ", key 'model." + key + "'", "this is no tokenizer of CLIP", value, shown(text(key)),
                        "use the tokenizer that belongs to the text encoder");
    }
  }
  if (!model.contains("vocab") || !model.at("vocab").is_object() || !model.contains("merges") ||
      !model.at("merges").is_array()) {
    refuse_vocabulary(where + ", key 'model'", "this is no tokenizer of CLIP", "'vocab' {...} and 'merges' [...]");
  }
  TokenIds tokens = tokens_of_json(model.at("vocab"), where);
  if (root.contains("added_tokens") && root.at("added_tokens").is_array()) {
    for (const nlohmann::json& added : root.at("added_tokens")) {
      if (!added.is_object() || !added.contains("content") || !added.at("content").is_string() ||
          !added.contains("id")) {
        refuse_vocabulary(where + ", key 'added_tokens'", "wrong value", "'content' and 'id' of each");
      }
      const std::string content = added.at("content").get<std::string>();
      const TokenIds one = tokens_of_json({{content, added.at("id")}}, where);
      if (content == start_of_text || content == end_of_text) tokens.insert(one.begin(), one.end());
      const auto found = tokens.find(content);
      if (found == tokens.end() || found->second != one.begin()->second) {
        refuse_vocabulary(where + ", key 'added_tokens'", "a tokenizer with tokens beside CLIP's", {}, shown(content));
      }
    }
  }
  MergeWords merges;
  for (const nlohmann::json& merge : model.at("merges")) {
    const std::string place = where + ", merge " + std::to_string(merges.size() + 1);
    const bool two = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
    if (!two && !merge.is_string()) refuse_vocabulary(place, "this is no merge", "two words", merge.type_name());
    merges.push_back(merge_of_line(
        two ? merge[0].get<std::string>() + " " + merge[1].get<std::string>() : merge.get<std::string>(), place));
  }
  return make_clip_vocabulary(tokens, merges, where);
}

/// The vocabulary in the JSON file `path`: tokenizer.json, or vocab.json with merges.txt beside it.
inline ClipVocabulary vocabulary_of_json(const std::filesystem::path& path) {
  const std::string where = path.string();
  nlohmann::json root;
  try {
    root = load_json(path);
  } catch (const ConfigError& failure) {  // a key given twice
    throw FormatError(failure.what());
  }
  if (root.is_object() && root.contains("model") && root.at("model").is_object()) {
    return vocabulary_of_tokenizer(root, where);
  }
  if (!root.is_object() || !root.contains(std::string(end_of_text))) {
    refuse_vocabulary(where, "this JSON is no vocabulary of CLIP",
                      "tokenizer.json, or vocab.json with the token " + shown(end_of_text), root.type_name());
  }
  const TokenIds tokens = tokens_of_json(root, where);
  const std::filesystem::path beside = path.parent_path() / "merges.txt";
  if (tokens.size() < 514) return make_clip_vocabulary(tokens, {}, where);  // refused
  return make_clip_vocabulary(
      tokens, merges_of_text(read_file(beside, max_vocabulary_bytes), beside.string(), tokens.size() - 514),
      where + " and merges.txt");
}
}  // namespace detail

/// Reads the vocabulary of a CLIP tokenizer; its contents say which form it has:
/// - OpenAI's bpe_simple_vocab_16e6.txt.gz, packed or not, or Hugging Face's merges.txt alone: the first `merges` of
/// it,
/// - Hugging Face's vocab.json, with merges.txt beside it,
/// - Hugging Face's tokenizer.json,
/// - a folder with one of them: tokenizer.json, vocab.json, bpe_simple_vocab_16e6.txt.gz or .txt, in this order.
///
/// JSON has at most 16 MiB, others 64 MiB, packed and unpacked. Throws IoError, and FormatError for what is damaged,
/// too large, another kind of file, or not the vocabulary of a CLIP; ConfigError unless `merges` is in 0..16,000,000.
inline ClipVocabulary load_clip_vocabulary(const std::filesystem::path& path, Index merges = clip_merges) {
  if (merges < 0 || merges > 16'000'000) {
    throw ConfigError(ErrorText{.what = "impossible number of merges", .found = std::to_string(merges)});
  }
  std::error_code none;
  if (std::filesystem::is_directory(path, none)) {
    for (const char* name :
         {"tokenizer.json", "vocab.json", "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"}) {
      if (std::filesystem::exists(path / name, none)) return load_clip_vocabulary(path / name, merges);
    }
    throw IoError(ErrorText{.what = "the folder has no vocabulary of CLIP",
                            .where = path.string(),
                            .expected = "tokenizer.json, vocab.json with merges.txt, or bpe_simple_vocab_16e6.txt.gz"});
  }
  std::string bytes = read_file(path, detail::max_vocabulary_bytes);
  if (is_gzip(bytes)) {
    bytes = gunzip(bytes, path.string(), detail::max_vocabulary_bytes);
  } else if (path.extension() == ".gz") {
    detail::refuse_vocabulary(path.string(), "this is no gzip file", {}, shown(bytes.substr(0, 8)),
                              "it was not downloaded whole, or unpacked already: then name it .txt");
  } else {
    const std::size_t first = bytes.find_first_not_of(" \t\r\n");
    if (first != std::string::npos && bytes[first] == '{') return detail::vocabulary_of_json(path);
  }
  return detail::vocabulary_of_merges(bytes, path.string(), merges);
}

}  // namespace ssam::inline SSAM_ABI
