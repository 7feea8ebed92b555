#include "arguments.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <ssam/core/decimal.hpp>

namespace ssam::cli {

namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& expected, const std::string& found) {
  throw CLI::ValidationError(name, "expected " + expected + ", found '" + found + "'");
}

template <class Whole>
CLI::Option* add_whole_of(CLI::App& verb, const std::string& name, Whole& value, const std::string& help, Whole low,
                          Whole high) {
  const auto read = [name, &value, low, high](const std::string& text) {
    const auto number = parse_whole<Whole>(text);
    if (!number || *number < low || *number > high) {
      refuse(name, "a whole number in " + std::to_string(low) + ".." + std::to_string(high), text);
    }
    value = *number;
  };
  return verb.add_option_function<std::string>(name, read, help)->default_str(std::to_string(value))->type_name("N");
}

}  // namespace

CLI::Option* add_whole(CLI::App& verb, const std::string& name, Index& value, const std::string& help, Index low,
                       Index high) {
  return add_whole_of(verb, name, value, help, low, high);
}

CLI::Option* add_whole(CLI::App& verb, const std::string& name, int& value, const std::string& help, int low,
                       int high) {
  return add_whole_of(verb, name, value, help, low, high);
}

CLI::Option* add_seed(CLI::App& verb, std::uint64_t& seed, const std::string& help) {
  return add_whole_of(verb, "--seed", seed, help, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max());
}

CLI::Option* add_real(CLI::App& verb, const std::string& name, double& value, const std::string& help, Real kind) {
  const auto read = [name, &value, kind](const std::string& text) {
    const auto number = parse_real(text);
    if (!number || *number < 0 || (kind == Real::positive && *number == 0)) {
      refuse(name, kind == Real::positive ? "a positive number" : "a number that is not negative", text);
    }
    value = *number;
  };
  return verb.add_option_function<std::string>(name, read, help)
      ->default_str(CLI::detail::to_string(value))
      ->type_name("X");
}

CLI::Option* add_each(CLI::App& verb, const std::string& name, std::vector<std::string>& values,
                      const std::string& help) {
  return verb.add_option(name, values, help)->allow_extra_args(false);
}

void require_extension(const std::string& option, const std::filesystem::path& path, const std::string& extension,
                       const std::string& kind) {
  std::string found = path.extension().string();
  std::transform(found.begin(), found.end(), found.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  std::error_code failure;
  if (path.empty() || found == extension || std::filesystem::is_other(path, failure)) return;
  throw UsageError(ErrorText{.what = option + " writes " + kind + " as " + extension.substr(1),
                             .where = path.string(),
                             .expected = "a name that ends in " + extension,
                             .found = found.empty() ? "none" : "'" + path.extension().string() + "'",
                             .advice = "name it " + path.stem().string() + extension});
}

void check_files(const std::vector<NamedPath>& outputs, std::vector<NamedPath> inputs) {
  inputs.push_back({"standard output", "/dev/stdout"});
  check_outputs(outputs, inputs);
}

}  // namespace ssam::cli
