#pragma once

#include <ssam/core/decimal.hpp>
#include <ssam/io/json_file.hpp>
#include <ssam/text/clip_checkpoint.hpp>
#include <ssam/text/clip_tokenizer.hpp>

#include "compare.hpp"

namespace ssam::selftest {

/// Replays `clip_text.safetensors`, a text encoder: what the published code made of token ids, `ids` and `features` in
/// it or in `clip_text_io.safetensors`. A table of embeddings may be given by the rows that the ids use.
inline std::vector<CaseResult> replay_clip_text(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "clip_text.safetensors", io = folder / "clip_text_io.safetensors";
  StateDict weights = load_safetensors(file);
  const StateDict record = std::filesystem::exists(io) ? load_safetensors(io) : weights;
  const HostTensor features = record.at("features");
  const std::vector<std::int64_t> ids = record.at("ids").to<std::int64_t>();
  if (weights.contains("token_rows")) {
    const std::vector<std::int64_t> used = weights.at("token_ids").to<std::int64_t>();
    const std::vector<float> rows = weights.at("token_rows").to<float>();
    const auto width = static_cast<std::size_t>(weights.at("token_rows").shape[1]);
    const auto tokens = static_cast<std::size_t>(*std::max_element(used.begin(), used.end()) + 1);
    std::vector<float> table(tokens * width);
    for (std::size_t i = 0; i < used.size(); ++i) {
      std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(i * width), width,
                  table.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(used[i]) * width));
    }
    weights.tensors["token_embedding.weight"] =
        HostTensor::from(Shape{static_cast<Index>(tokens), static_cast<Index>(width)}, table);
  }
  for (const char* name : {"token_ids", "token_rows", "ids", "features"}) weights.tensors.erase(name);
  const std::optional<Index> heads = parse_whole<Index>(weights.metadata["heads"]);
  if (!heads) {
    throw FormatError(ErrorText{.what = "the metadata of a golden file lacks an entry", .expected = "heads"});
  }
  StateDict text = ssam::detail::clip_text_state(std::move(weights));
  ClipTextEncoder<float, Cpu> encoder(clip_text_config(text, file.string(), *heads));
  load_state(encoder, std::move(text), file.string());

  Context<Cpu> context;
  const auto length = static_cast<std::size_t>(encoder.config.context);
  std::vector<float> ours;
  for (std::size_t at = 0; at + length <= ids.size(); at += length) {
    const std::vector<std::int32_t> prompt(ids.begin() + static_cast<std::ptrdiff_t>(at),
                                           ids.begin() + static_cast<std::ptrdiff_t>(at + length));
    const std::vector<float> feature = encoder.feature(context, prompt);
    ours.insert(ours.end(), feature.begin(), feature.end());
  }
  Comparison comparison("clip text encoder");
  comparison.add("features of " + std::to_string(ids.size() / length) + " prompts", ours, features);
  return {comparison.result()};
}

/// Replays `clip_tokens.json`: labels and the ids that the published tokenizer gives them. The error is the share of
/// labels whose ids differ.
inline std::vector<CaseResult> replay_clip_tokens(const std::filesystem::path& folder,
                                                  const std::filesystem::path& vocabulary) {
  const nlohmann::json record = load_json(folder / "clip_tokens.json");
  const ClipTokenizer tokenizer = load_clip_tokenizer(vocabulary);
  CaseResult result{"clip tokenizer", 0, "ids of " + std::to_string(record.at("labels").size()) + " labels"};
  double wrong = 0;
  for (std::size_t i = 0; i < record.at("labels").size(); ++i) {
    const auto label = record.at("labels")[i].get<std::string>();
    std::vector<std::int32_t> ids = record.at("ids")[i];
    const ClipTokens ours = tokenizer.tokenize(label);
    ids.resize(ours.ids.size(), 0);
    if (ours.ids == ids) continue;
    ++wrong;
    result.worst = "'" + label + "'";
  }
  result.error = wrong / static_cast<double>(record.at("labels").size());
  return {result};
}

}  // namespace ssam::selftest
