#pragma once

#include <string>
#include <vector>

#include "program.hpp"

namespace ssam::cli {

/// The arguments as the parser knows them: "help" and "help VERB" become --help and VERB --help. Throws UsageError,
/// which names the nearest verb, when there is none or no such verb.
std::vector<std::string> plain_arguments(const CLI::App& app, std::vector<std::string> arguments);

/// Throws UsageError for an option whose value is empty, or is the name of another option: its own value was forgotten.
void check_values(const CLI::App& app);

/// What the parser refused, in one line that names the nearest option of the verb, or where its help is.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error);

/// " --image-size or --batch": which of these options the chosen verb has.
std::string options_of_verb(const CLI::App& app, const std::vector<std::string>& names);

}  // namespace ssam::cli
