#pragma once

#include <ssam/data/manifest.hpp>
#include <string>

#include "program.hpp"

namespace ssam::cli {

/// Which data set, and how it is divided: the options that all verbs share that read one.
struct DataOptions {
  std::string data;      ///< a manifest's path, or NAME:PATH
  std::string split_by;  ///< what stays together; empty: the splits of the data set
  Index folds = 5, fold = 1;
};

/// --data (required), --split-by, --folds, --fold.
void add_data_options(CLI::App& verb, DataOptions& options);

/// Reads the data set, divides it anew if that was asked for, and says on stderr what its reader noted. Throws as
/// open_data_set and split_by_group; UsageError for a fold that is none.
Manifest open_data(const DataOptions& options);

/// The lines that explain the forms of --data, for a verb's help.
std::string data_help();

}  // namespace ssam::cli
