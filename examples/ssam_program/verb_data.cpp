#include <algorithm>
#include <array>
#include <cstdio>
#include <ssam/data/check_manifest.hpp>
#include <ssam/data/export_pictures.hpp>
#include <ssam/data/open_data_set.hpp>
#include <ssam/data/preview.hpp>
#include <ssam/data/save_manifest.hpp>
#include <ssam/io/folder_lock.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "data_options.hpp"
#include "model_options.hpp"

namespace ssam::cli {

namespace {

using Json = nlohmann::ordered_json;

struct DataVerb {
  DataOptions data;
  std::filesystem::path out, pictures;
  std::string intensity = "auto";
  Index images = 12, image_size = 0;
  bool json = false;
};

const std::array<Split, 3> all_splits{Split::train, Split::val, Split::test};

/// Opens every file of the data set, with a line of progress. `training`: nothing to learn is a problem.
ManifestReport inspect(const DataVerb& options, const Manifest& manifest, bool training) {
  Progress progress("reading the data set");
  return inspect_manifest(manifest, {.image_size = options.image_size, .training = training},
                          [&](Index done, Index all) { progress.update(done, all); });
}

Json lines_json(const std::vector<std::string>& lines) {
  Json list = Json::array();
  for (const std::string& line : lines) list.push_back(printable(line));
  return list;
}

void print_lines(const std::vector<std::string>& lines, const std::string& title) {
  if (lines.empty()) return;
  std::printf("\n%s\n", (std::to_string(lines.size()) + " " + title + ":").c_str());
  for (const std::string& line : lines) std::printf("  %s\n", line.c_str());
}

/// Images of each split and what each label is on.
std::string presence_table(const Manifest& manifest, const ManifestReport& report) {
  Table table({"label", "train", "val", "test"});
  const auto row = [&](const std::string& name, const std::array<Index, 3>& counts) {
    table.add({name, with_commas(counts[0]), with_commas(counts[1]), with_commas(counts[2])});
  };
  for (std::size_t k = 0; k < manifest.labels.size(); ++k) row(manifest.labels[k], report.present[k]);
  row("images", report.items);
  return table.text();
}

void print_report(const DataVerb& options, const Manifest& manifest, const ManifestReport& report) {
  std::printf("%s: images that show each label\n\n%s", options.data.data.c_str(),
              presence_table(manifest, report).c_str());
  if (report.far_off_pixels > 0) {
    std::printf("\n%s pixels of colour masks are far from every colour (smooth edges); the nearest one counts\n",
                with_commas(report.far_off_pixels).c_str());
  }
  print_lines(report.problems, "broken");
  print_lines(report.suspects, "to look at");
  print_lines(report.warnings, "warnings");
  if (report.problems.empty()) std::printf("\nEvery file was read: the data set can be used.\n");
}

int check(const DataVerb& options) {
  const Manifest manifest = open_data(options.data);
  const ManifestReport report = inspect(options, manifest, true);
  const bool broken = !report.problems.empty();
  if (options.json) {
    print_json({{"data", printable(options.data.data)},
                {"images", {{"train", report.items[0]}, {"val", report.items[1]}, {"test", report.items[2]}}},
                {"far_off_pixels", report.far_off_pixels},
                {"problems", lines_json(report.problems)},
                {"suspects", lines_json(report.suspects)},
                {"warnings", lines_json(report.warnings)},
                {"notes", lines_json(manifest.notes)},
                {"usable", !broken}});
  } else {
    print_report(options, manifest, report);
  }
  if (!broken) return 0;
  throw ConfigError(
      ErrorText{.what = "the data set cannot be used: " + std::to_string(report.problems.size()) +
                        (report.problems.size() == 1 ? " problem, listed above" : " problems, listed above"),
                .where = options.data.data});
}

/// A share as "12.3 %"; "-" of nothing.
std::string as_share(double part, Index whole) {
  return whole == 0 ? "-" : as_decimal(100 * part / static_cast<double>(whole), 2) + " %";
}

Json stats_json(const DataVerb& options, const Manifest& manifest, const ManifestReport& report) {
  Json labels = Json::array(), sizes = Json::array();
  for (std::size_t k = 0; k < manifest.labels.size(); ++k) {
    Json entry{{"label", manifest.labels[k]}};
    for (const Split split : all_splits) {
      const auto s = static_cast<std::size_t>(split);
      const auto images = static_cast<double>(report.items[s]), present = static_cast<double>(report.present[k][s]);
      entry[to_string(split)] = {{"images", report.items[s]},
                                 {"present", report.present[k][s]},
                                 {"blank_share", images > 0 ? Json((images - present) / images) : Json()},
                                 {"mean_area", present > 0 ? Json(report.covered[k][s] / present) : Json()}};
    }
    labels.push_back(std::move(entry));
  }
  for (const auto& [size, count] : report.sizes) {
    sizes.push_back({{"height", size.first}, {"width", size.second}, {"images", count}});
  }
  std::map<std::string, Index> groups;
  for (const ManifestItem& item : manifest.items) groups[item.group] += item.group.empty() ? 0 : 1;
  groups.erase("");
  return {{"data", printable(options.data.data)}, {"groups", groups.size()}, {"labels", labels}, {"sizes", sizes}};
}

/// The most frequent sizes first.
std::string sizes_table(const ManifestReport& report) {
  std::vector<std::pair<Index, std::pair<Index, Index>>> ranked;
  for (const auto& [size, count] : report.sizes) ranked.emplace_back(-count, size);
  std::sort(ranked.begin(), ranked.end());
  Table table({"height x width", "images"});
  for (const auto& [count, size] : ranked) {
    table.add({std::to_string(size.first) + " x " + std::to_string(size.second), with_commas(-count)});
    if (ranked.size() > 20 && table.rows() == 20) break;
  }
  return table.text() + (ranked.size() > 20 ? "... " + std::to_string(ranked.size()) + " sizes in all\n" : "");
}

int stats(const DataVerb& options) {
  const Manifest manifest = open_data(options.data);
  const ManifestReport report = inspect(options, manifest, false);
  if (!report.problems.empty()) {
    throw ConfigError(ErrorText{.what = "the data set has " + std::to_string(report.problems.size()) + " broken files",
                                .where = options.data.data,
                                .found = report.problems[0],
                                .advice = "ssam data check lists them all"});
  }
  if (options.json) {
    print_json(stats_json(options, manifest, report));
    return 0;
  }
  Table table({"label", "split", "images", "present", "blank", "mean area"});
  for (std::size_t k = 0; k < manifest.labels.size(); ++k) {
    for (const Split split : all_splits) {
      const auto s = static_cast<std::size_t>(split);
      const Index images = report.items[s], present = report.present[k][s];
      if (images == 0) continue;
      table.add({manifest.labels[k], to_string(split), with_commas(images), with_commas(present),
                 as_share(static_cast<double>(images - present), images), as_share(report.covered[k][s], present)});
    }
  }
  std::printf(
      "%s\n\n%s\nblank: images without the label; mean area: share of the picture, over images that have it\n\n%s",
      options.data.data.c_str(), table.text().c_str(), sizes_table(report).c_str());
  return 0;
}

int preview(const DataVerb& options) {
  require_extension("--out", options.out, ".png", "a picture");
  check_files({{"--out", options.out}}, {{"--data", parse_data_spec(options.data.data).path}});
  const Manifest manifest = open_data(options.data);
  std::vector<NamedPath> pictures;
  for (const ManifestItem& item : manifest.items) {
    pictures.push_back({"a picture of --data", item.image});
    if (!item.mask.empty()) pictures.push_back({"a mask of --data", item.mask});
    for (const auto& mask : item.masks) {
      if (!mask.empty()) pictures.push_back({"a mask of --data", mask});
    }
  }
  check_files({{"--out", options.out}}, pictures);
  const Index shown = std::min(options.images, static_cast<Index>(manifest.items.size()));
  save_png(options.out, preview_sheet(manifest, options.images));
  if (options.json) {
    print_json({{"data", printable(options.data.data)}, {"out", printable(options.out.string())}, {"images", shown}});
  } else {
    std::printf("%s: %lld of %zu images with their masks\n", options.out.string().c_str(),
                static_cast<long long>(shown), manifest.items.size());
  }
  return 0;
}

int convert(const DataVerb& options) {
  Intensity intensity;
  try {
    intensity = parse_intensity(options.intensity);
  } catch (const ConfigError& error) {
    throw UsageError(std::string("--intensity: ") + error.what());
  }
  require_extension("--out", options.out, ".json", "a manifest");
  const DataSpec spec = parse_data_spec(options.data.data);
  std::vector<NamedPath> inputs{{"--data", spec.path}};
  if (spec.layout == "chestxdet" || spec.layout == "labelme") {
    for (const auto& file : ssam::detail::files_below(spec.path)) {
      if (ssam::detail::extension_of(file) == ".json") inputs.push_back({"a file of --data", file});
    }
  }
  check_files({{"--out", options.out}}, inputs);
  Manifest manifest = open_data(options.data);
  if (!options.pictures.empty()) {
    std::error_code absent;
    if (std::filesystem::exists(options.pictures, absent) && !std::filesystem::is_empty(options.pictures, absent)) {
      throw ConfigError(ErrorText{.what = "the folder for pictures is not empty",
                                  .where = options.pictures.string(),
                                  .advice = "choose another one, or empty it"});
    }
    const FolderLock lock(options.pictures);
    Progress progress("writing pictures");
    manifest = export_pictures(std::move(manifest), options.pictures, intensity,
                               [&](Index done, Index all) { progress.update(done, all); });
  }
  save_manifest(options.out, manifest);
  if (options.json) {
    Json counts;
    for (const Split split : all_splits) {
      counts[to_string(split)] = std::count_if(manifest.items.begin(), manifest.items.end(),
                                               [&](const ManifestItem& item) { return item.split == split; });
    }
    print_json({{"data", printable(options.data.data)},
                {"out", printable(options.out.string())},
                {"labels", manifest.labels},
                {"images", counts}});
  } else {
    std::printf("%s: %s images, %zu labels\n", options.out.string().c_str(), split_counts(manifest).c_str(),
                manifest.labels.size());
  }
  return 0;
}

CLI::App* add_verb(Program& program, CLI::App& data, const std::shared_ptr<DataVerb>& options, const char* name,
                   const char* help, int (*run)(const DataVerb&), const std::string& example = {}) {
  CLI::App* verb = data.add_subcommand(name, help);
  add_data_options(*verb, options->data);
  add_json(*verb, options->json);
  verb->footer(data_help() + "Example:\n  ssam data " + name + " --data folders:abdomen" + example);
  verb->callback([&program, options, run] { program.run = [options, run] { return run(*options); }; });
  return verb;
}

}  // namespace

void add_data(Program& program) {
  CLI::App* data =
      program.app.add_subcommand("data", "Look at a data set: check, stats, preview; convert to a manifest");
  data->require_subcommand(1);
  data->footer(data_help() + "Example:\n  ssam data check --data glas:Warwick_QU_Dataset");
  const auto options = std::make_shared<DataVerb>();
  CLI::App* verb =
      add_verb(program, *data, options, "check",
               "Open every file: what is broken, copied or looks odd; exit code 1 if anything is broken", check);
  add_whole(*verb, "--image-size", options->image_size, "Say which labels vanish at this size of a model's input", 16,
            4096)
      ->default_str("");
  add_verb(program, *data, options, "stats", "Per label and split: how often it is there and how large; sizes", stats);
  verb = add_verb(program, *data, options, "preview", "Draw a contact sheet of images with their masks", preview,
                  " --out sheet.png");
  verb->add_option("--out", options->out, "The picture to write")->required()->type_name("F.png");
  add_whole(*verb, "--images", options->images, "How many images, spread over the data set", 1, 1000);
  verb = add_verb(program, *data, options, "convert", "Write a manifest of any data set, with its splits or others",
                  convert, " --split-by folder --folds 5 --fold 1 --out fold_1.json");
  verb->add_option("--out", options->out, "The manifest to write; paths in it are relative to its folder")
      ->required()
      ->type_name("F.json");
  auto* pictures = verb->add_option("--pictures", options->pictures,
                                    "Write the slices of volumes into this folder, as PNG: training reads them faster")
                       ->type_name("DIR");
  verb->add_option("--intensity", options->intensity, "Their values that become 0..255, as of ssam train")
      ->capture_default_str()
      ->needs(pictures)
      ->type_name("RULE");
}

}  // namespace ssam::cli
