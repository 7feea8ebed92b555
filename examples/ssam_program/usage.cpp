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

const CLI::App* chosen_verb(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? nullptr : chosen.front();
}

std::vector<std::string> option_names(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string help_of(const CLI::App* verb) {
  return "see ssam " + (verb == nullptr ? std::string() : verb->get_name() + " ") + "--help";
}

}  // namespace

std::vector<std::string> plain_arguments(const CLI::App& app, std::vector<std::string> arguments) {
  const std::vector<std::string> verbs = verb_names(app);
  const auto known = [&](const std::string& name) {
    return std::find(verbs.begin(), verbs.end(), name) != verbs.end();
  };
  std::string list;
  for (const std::string& verb : verbs) list += (list.empty() ? "" : ", ") + verb;
  if (arguments.empty()) throw UsageError("no verb is given: one of " + list + "; see ssam --help");
  if (arguments[0] == "help") {
    arguments.erase(arguments.begin());
    arguments.resize(std::min<std::size_t>(arguments.size(), 1));
    arguments.push_back("--help");
  }
  const std::string& first = arguments[0];
  if (first.starts_with("-") || known(first)) return arguments;
  const std::string near = closest_name(first, verbs);
  throw UsageError("there is no verb '" + first + "'; " +
                   (near.empty() ? "known are: " + list : "did you mean '" + near + "'?"));
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
  return (verb == nullptr ? "ssam" : "ssam " + verb->get_name()) + " has no option " + option + "; " +
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
