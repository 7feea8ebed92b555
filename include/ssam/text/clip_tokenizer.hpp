#pragma once

#include <algorithm>
#include <functional>
#include <queue>
#include <ssam/text/clip_vocabulary.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace ssam::inline SSAM_ABI {

/// A prompt as CLIP's text encoder takes it.
struct ClipTokens {
  std::vector<std::int32_t> ids;  ///< [context_length]: start, the text, end, then zeros
  Index end_position = 0;         ///< where the first end token stands: the encoder's feature is read there
  Index dropped = 0;              ///< tokens of the text that found no room

  /// Whether the prompt was too long: the encoder does not see its end, and callers should say so.
  bool truncated() const { return dropped > 0; }
};

namespace detail {
/// Whether `text` begins with `prefix` where case does not count. In `text`, which is in lower case, that is a matter
/// of the long s alone, which Unicode folds to s.
inline bool begins_with(std::u32string_view text, std::u32string_view prefix) {
  if (text.size() < prefix.size()) return false;
  return std::equal(prefix.begin(), prefix.end(), text.begin(),
                    [](char32_t wanted, char32_t code) { return code == wanted || (wanted == U's' && code == 0x17f); });
}

/// Length of the word at the beginning of `text`, which is not empty and does not begin with white space. Words are
/// what the pattern of clip/simple_tokenizer.py finds: a mark, an English suffix, letters, one number, or all else.
inline std::size_t clip_word_length(std::u32string_view text) {
  for (const std::u32string_view fixed :
       {U"<|startoftext|>", U"<|endoftext|>", U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
    if (begins_with(text, fixed)) return fixed.size();
  }
  if (is_number(text[0])) return 1;
  const bool letters = is_letter(text[0]);
  std::size_t length = 1;
  while (length < text.size() && !is_white_space(text[length]) && !is_number(text[length]) &&
         is_letter(text[length]) == letters) {
    ++length;
  }
  return length;
}
}  // namespace detail

/// Text to the tokens of CLIP's text encoder: byte-level BPE as OpenAI's clip/simple_tokenizer.py, over prompts as
/// clean_prompt() leaves them. The same ids as `clip.tokenize(text, truncate=True)`; Hugging Face's CLIPTokenizer
/// agrees on plain text, but replaces no character references of HTML. All members are `const` and only read: threads
/// may share a tokenizer.
class ClipTokenizer {
 public:
  /// With `vocabulary`, for an encoder of `context_length` tokens; throws ConfigError when those are fewer than two.
  explicit ClipTokenizer(ClipVocabulary vocabulary, Index context_length = 77)
      : vocabulary_(std::move(vocabulary)), context_length_(context_length) {
    if (context_length < 2) {
      throw ConfigError(ErrorText{.what = "the context of the text encoder is too short",
                                  .expected = "at least 2 tokens, start and end",
                                  .found = std::to_string(context_length)});
    }
  }

  /// The ids of `text`, UTF-8, without start and end; nothing for an empty text. What is not UTF-8 counts as U+FFFD.
  /// `<|startoftext|>` and `<|endoftext|>` in the text are those tokens, as in OpenAI's.
  std::vector<std::int32_t> encode(std::string_view text) const {
    const std::u32string cleaned = clean_prompt(text);
    std::vector<std::int32_t> ids;
    for (std::u32string_view rest = cleaned; !rest.empty();) {
      if (is_white_space(rest[0])) {
        rest.remove_prefix(1);
        continue;
      }
      const std::size_t length = detail::clip_word_length(rest);
      const std::string word = encode_utf8(rest.substr(0, length));
      if (word == detail::start_of_text) {
        ids.push_back(vocabulary_.start);
      } else if (word == detail::end_of_text) {
        ids.push_back(vocabulary_.end);
      } else {
        append_word(word, ids);
      }
      rest.remove_prefix(length);
    }
    return ids;
  }

  /// The ids of `text` as the encoder takes them. Of a text that is too long the rest is dropped, and the last id is
  /// the end token.
  ClipTokens tokenize(std::string_view text) const {
    const std::vector<std::int32_t> words = encode(text);
    const auto context = static_cast<std::size_t>(context_length_);
    const std::size_t kept = std::min(words.size(), context - 2);
    ClipTokens tokens;
    tokens.ids.reserve(context);
    tokens.ids.push_back(vocabulary_.start);
    tokens.ids.insert(tokens.ids.end(), words.begin(), words.begin() + static_cast<std::ptrdiff_t>(kept));
    tokens.ids.push_back(vocabulary_.end);
    tokens.end_position = std::find(tokens.ids.begin(), tokens.ids.end(), vocabulary_.end) - tokens.ids.begin();
    tokens.ids.resize(context, 0);
    tokens.dropped = static_cast<Index>(words.size() - kept);
    return tokens;
  }

  /// The tokens and merges.
  const ClipVocabulary& vocabulary() const { return vocabulary_; }
  /// How many ids tokenize() gives.
  Index context_length() const { return context_length_; }

 private:
  /// Appends the tokens of a word: its bytes, of which the pair with the lowest rank is merged, the leftmost first,
  /// until no pair is left. A merge needs tokens that merges before it made, so what it brings forth comes later.
  void append_word(const std::string& word, std::vector<std::int32_t>& ids) const {
    struct Piece {
      std::int32_t token;  // -1: merged into the one before
      std::size_t before;
      std::size_t after;
    };
    const std::size_t none = word.size();
    std::vector<Piece> pieces(word.size());
    for (std::size_t i = 0; i < word.size(); ++i) {
      const auto byte = static_cast<unsigned char>(word[i]);
      const bool last = i + 1 == word.size();
      pieces[i] = {last ? vocabulary_.last_bytes[byte] : vocabulary_.bytes[byte], i == 0 ? none : i - 1, i + 1};
    }
    using Candidate = std::tuple<std::int32_t, std::size_t, std::uint64_t>;  // rank, left piece, pair
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
    const auto propose = [&](std::size_t left) {
      if (left == none || pieces[left].after == none) return;
      const std::uint64_t pair = ClipVocabulary::pair(pieces[left].token, pieces[pieces[left].after].token);
      const auto found = vocabulary_.merges.find(pair);
      if (found != vocabulary_.merges.end()) candidates.emplace(found->second.rank, left, pair);
    };
    for (std::size_t i = 0; i < word.size(); ++i) propose(i);
    while (!candidates.empty()) {
      const auto [rank, left, pair] = candidates.top();
      candidates.pop();
      const std::size_t right = pieces[left].after;
      if (pieces[left].token < 0 || right == none) continue;
      if (ClipVocabulary::pair(pieces[left].token, pieces[right].token) != pair) continue;  // merged otherwise since
      pieces[left].token = vocabulary_.merges.at(pair).token;
      pieces[left].after = pieces[right].after;
      pieces[right].token = -1;
      if (pieces[left].after != none) pieces[pieces[left].after].before = left;
      propose(pieces[left].before);
      propose(left);
    }
    for (const Piece& piece : pieces) {
      if (piece.token >= 0) ids.push_back(piece.token);
    }
  }

  ClipVocabulary vocabulary_;
  Index context_length_;
};

/// The tokenizer of the vocabulary at `path`, for an encoder of `context_length` tokens. Forms of files, and what is
/// thrown: see load_clip_vocabulary().
inline ClipTokenizer load_clip_tokenizer(const std::filesystem::path& path, Index context_length = 77) {
  return ClipTokenizer(load_clip_vocabulary(path), context_length);
}

}  // namespace ssam::inline SSAM_ABI
