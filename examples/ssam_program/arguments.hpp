#pragma once

#include <cstdint>
#include <filesystem>
#include <ssam/core/shape.hpp>
#include <ssam/io/check_outputs.hpp>
#include <string>
#include <vector>

#include "program.hpp"

namespace ssam::cli {

/// An option that takes a whole number in low..high, written in decimal digits: anything else is wrong usage. The help
/// shows the default; ->default_str("") takes it away.
CLI::Option* add_whole(CLI::App& verb, const std::string& name, Index& value, const std::string& help, Index low,
                       Index high);
CLI::Option* add_whole(CLI::App& verb, const std::string& name, int& value, const std::string& help, int low, int high);
/// --seed, with any number of 64 bits.
CLI::Option* add_seed(CLI::App& verb, std::uint64_t& seed, const std::string& help);

enum class Real { positive, not_negative };
/// An option that takes a finite number, written in decimal digits.
CLI::Option* add_real(CLI::App& verb, const std::string& name, double& value, const std::string& help, Real kind);

/// An option that may be given often, with one value each time, which is taken as it stands: CLI11 by itself takes
/// [a,b] apart.
CLI::Option* add_each(CLI::App& verb, const std::string& name, std::vector<std::string>& values,
                      const std::string& help);

/// Throws UsageError unless the name of a file to be written ends in `extension` (in small or capital letters): a file
/// says in its name what it holds. Empty paths and what is no regular file, such as /dev/null, have no extension to ask
/// for. `kind`: what would stand in it, "a mask".
void require_extension(const std::string& option, const std::filesystem::path& path, const std::string& extension,
                       const std::string& kind);

/// ssam::check_outputs, with the standard output among the files that must not be replaced.
void check_files(const std::vector<NamedPath>& outputs, std::vector<NamedPath> inputs);

}  // namespace ssam::cli
