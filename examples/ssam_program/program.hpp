#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <ssam/core/error.hpp>

namespace ssam::cli {

/// The arguments do not go together: exit code 2, as for those that the parser refuses.
class UsageError : public Error {
  using Error::Error;
};

/// The command line: its parser, and what the chosen verb does (it returns the exit code).
struct Program {
  CLI::App app;
  std::function<int()> run;
};

// One verb each, in verb_<name>.cpp: adds the subcommand with its options, and sets `run` when it is chosen.
void add_info(Program& program);
void add_convert(Program& program);
void add_params(Program& program);
void add_init(Program& program);
void add_embed(Program& program);
void add_text(Program& program);
void add_segment(Program& program);
void add_data(Program& program);
void add_train(Program& program);
void add_eval(Program& program);
void add_compare(Program& program);
void add_experiment(Program& program);
void add_report(Program& program);
void add_merge(Program& program);
void add_selftest(Program& program);
void add_scenes(Program& program);
void add_demo(Program& program);

}  // namespace ssam::cli
