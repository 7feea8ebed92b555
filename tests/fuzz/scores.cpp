#include <cstdlib>
#include <ssam/io/scores_file.hpp>

/// Any text is refused with a FormatError, or gives scores that are written and read again as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string name = "input";
  ssam::Scores scores;
  try {
    scores = ssam::parse_scores(text, name);
  } catch (const ssam::FormatError&) {
    return 0;
  }
  if (!(ssam::parse_scores(ssam::scores_csv(scores), name) == scores)) std::abort();
  return 0;
}
