#include "usage.hpp"

#include <algorithm>
#include <ssam/core/closest_name.hpp>

namespace ssam::cli {

namespace {

std::vector<std::string> verb_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(verb->get_name());
  }
  return names;
}

/// The innermost one: of `ssam data check`, check.
const CLI::App* chosen_verb(const CLI::App& app) {
  const CLI::App* verb = nullptr;
  for (auto chosen = app.get_subcommands(); !chosen.empty(); chosen = verb->get_subcommands()) verb = chosen.front();
  return verb;
}

/// "data check"
std::string full_name(const CLI::App& verb) {
  std::string name = verb.get_name();
  for (const CLI::App* outer = verb.get_parent(); outer->get_parent() != nullptr; outer = outer->get_parent()) {
    name.insert(0, outer->get_name() + " ");
  }
  return name;
}

/// Throws UsageError unless the word at `place` is a verb of `app`, or an option; and so on inside that verb.
void require_verb(const CLI::App& app, const std::vector<std::string>& arguments, std::size_t place) {
  const std::vector<std::string> verbs = verb_names(app);
  if (verbs.empty()) return;
  const std::string outer = app.get_parent() == nullptr ? "ssam" : "ssam " + full_name(app);
  std::string list;
  for (const std::string& verb : verbs) list += (list.empty() ? "" : ", ") + verb;
  if (place >= arguments.size()) {
    throw UsageError((place == 0 ? std::string("no verb is given") : outer + " needs a verb") + ": one of " + list +
                     "; see " + outer + " --help");
  }
  const std::string& word = arguments[place];
  if (word.starts_with("-")) return;
  const auto inner = app.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == word; });
  if (!inner.empty()) return require_verb(*inner.front(), arguments, place + 1);
  const std::string near = closest_name(word, verbs);
  throw UsageError((place == 0 ? std::string("there is no verb '") : outer + " has no verb '") + word + "'; " +
                   (near.empty() ? "known are: " + list : "did you mean '" + near + "'?"));
}

std::vector<std::string> option_names(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string help_of(const CLI::App* verb) {
  return "see ssam " + (verb == nullptr ? std::string() : full_name(*verb) + " ") + "--help";
}

}  // namespace

std::vector<std::string> plain_arguments(const CLI::App& app, std::vector<std::string> arguments) {
  if (!arguments.empty() && arguments[0] == "help") {
    arguments.erase(arguments.begin());
    const auto option =
        std::find_if(arguments.begin(), arguments.end(), [](const auto& word) { return word.starts_with("-"); });
    arguments.erase(option, arguments.end());
    arguments.push_back("--help");
  }
  require_verb(app, arguments, 0);
  return arguments;
}

void check_values(const CLI::App& app) {
  const CLI::App* verb = chosen_verb(app);
  if (verb == nullptr) return;
  const std::vector<std::string> names = option_names(*verb);
  for (const CLI::Option* option : verb->get_options()) {
    for (const std::string& value : option->results()) {
      if (value.empty()) throw UsageError(option->get_name() + " has an empty value; " + help_of(verb));
      if (std::find(names.begin(), names.end(), value) == names.end()) continue;
      throw UsageError(option->get_name() + " has no value: the option " + value + " follows it");
    }
  }
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* verb = chosen_verb(app);
  const std::vector<std::string> rest = app.remaining(true);
  if (rest.empty()) return std::string(error.what()) + "; " + help_of(verb);
  // What is left over explains more than that something is missing.
  const std::string& extra = rest.front();
  if (!extra.starts_with("-")) {
    return "unexpected '" + extra + "': every value stands behind its option, one each; " + help_of(verb);
  }
  const std::string option = extra.substr(0, extra.find('='));
  const std::string near = closest_name(option, option_names(verb == nullptr ? app : *verb));
  return (verb == nullptr ? "ssam" : "ssam " + full_name(*verb)) + " has no option " + option + "; " +
         (near.empty() ? help_of(verb) : "did you mean " + near + "?");
}

std::string options_of_verb(const CLI::App& app, const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    const CLI::App* verb = chosen_verb(app);
    if (verb == nullptr || verb->get_option_no_throw(name) == nullptr) continue;
    list += (list.empty() ? " " : " or ") + name;
  }
  return list;
}

}  // namespace ssam::cli
