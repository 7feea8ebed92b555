#include <cstdio>
#include <nlohmann/json.hpp>
#include <ssam/sam/config_json.hpp>

#include "arguments.hpp"
#include "console.hpp"
#include "model_options.hpp"
#include "runner.hpp"

namespace ssam::cli {

namespace {

struct ParamsOptions {
  std::string backbone = "vit_b", rule = "paper", model = "sam";
  std::filesystem::path config;
  Index image_size = 0;
  std::vector<std::string> recipes;
  bool json = false;
};

struct Row {
  const Recipe* recipe;
  Counts counts;
  double percent() const { return 100.0 * static_cast<double>(counts.trained) / static_cast<double>(counts.total); }
};

SamConfig configured(const ParamsOptions& options) {
  SamConfig config = options.config.empty() ? backbone_config(options.backbone, 1024) : load_config(options.config);
  if (options.image_size > 0) set_image_size(config, options.image_size);
  if (options.model == "svdsam_release") config = svdsam_release(config);
  config.check();
  return config;
}

std::string percent_of(Index part, Index whole) {
  return as_decimal(100.0 * static_cast<double>(part) / static_cast<double>(whole), 3) + "%";
}

/// Groups down, recipes across; groups that no recipe trains are left out.
void print_table(const std::vector<Row>& rows) {
  std::vector<std::string> header{"trained"};
  for (const Row& row : rows) header.push_back(row.recipe->name);
  Table table(header);
  const auto line = [&](const std::string& name, const auto& cell) {
    std::vector<std::string> cells{name};
    for (const Row& row : rows) cells.push_back(cell(row));
    table.add(cells);
  };
  for (std::size_t g = 0; g < rows[0].counts.groups.size(); ++g) {
    Index most = 0;
    for (const Row& row : rows) most = std::max(most, row.counts.groups[g].second);
    if (most > 0) {
      line(rows[0].counts.groups[g].first, [&](const Row& row) { return with_commas(row.counts.groups[g].second); });
    }
  }
  line("all trained", [](const Row& row) { return with_commas(row.counts.trained); });
  line("% of SAM", [](const Row& row) { return percent_of(row.counts.trained, row.counts.sam); });
  line("SAM", [](const Row& row) { return with_commas(row.counts.sam); });
  line("adapter file", [](const Row& row) { return as_bytes(row.counts.adapter_bytes); });
  std::printf("%s\n", table.text().c_str());
}

int params(const ParamsOptions& options) {
  const SamConfig config = configured(options);
  const std::string backbone = options.config.empty() ? options.backbone : "custom";
  std::vector<Row> rows;
  const auto add = [&](const Recipe& recipe) {
    rows.push_back({&recipe, recipe.count(find_rule(options.rule), config)});
  };
  for (const std::string& name : options.recipes) add(find_recipe(name));
  if (rows.empty()) {
    for (const Recipe& recipe : recipes()) add(recipe);
  }

  if (options.json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Row& row : rows) {
      nlohmann::ordered_json entry{
          {"recipe", row.recipe->name}, {"backbone", backbone},     {"image_size", config.image_size},
          {"rule", options.rule},       {"model", options.model},   {"trained", row.counts.trained},
          {"total", row.counts.total},  {"percent", row.percent()}, {"sam", row.counts.sam}};
      entry["groups"] = nlohmann::ordered_json::object();
      for (const auto& [group, count] : row.counts.groups) entry["groups"][group] = count;
      entry["adapter_bytes"] = row.counts.adapter_bytes;
      list.push_back(entry);
    }
    print_json(list);
    return 0;
  }
  std::printf("%s at %lld px, %s, naming rule: %s\n\n", backbone.c_str(), static_cast<long long>(config.image_size),
              options.model.c_str(), options.rule.c_str());
  print_table(rows);
  for (const Row& row : rows) {
    std::printf("%-18s trainable params: %s || all params: %s || trainable%%: %s\n", row.recipe->name,
                with_commas(row.counts.trained).c_str(), with_commas(row.counts.total).c_str(),
                as_decimal(row.percent()).c_str());
  }
  return 0;
}

}  // namespace

void add_params(Program& program) {
  auto* verb = program.app.add_subcommand("params", "Count what each recipe trains, group by group");
  auto options = std::make_shared<ParamsOptions>();
  verb->add_option("--backbone", options->backbone, "vit_b, vit_l or vit_h")
      ->capture_default_str()
      ->check(CLI::IsMember({"vit_b", "vit_l", "vit_h"}));
  verb->add_option("--config", options->config, "JSON of another SAM, in place of --backbone")->type_name("FILE");
  add_whole(*verb, "--image-size", options->image_size, "Side of the input in pixels (positions grow with it); 1024", 1,
            16384)
      ->default_str("");
  add_each(*verb, "--recipe", options->recipes, "A recipe, as often as wanted; all")->type_name("NAME");
  verb->add_option("--rule", options->rule,
                   "paper: norms of the encoder; release: what the published code's naming rule trains")
      ->capture_default_str()
      ->check(CLI::IsMember({"paper", "release"}));
  verb->add_option("--model", options->model, "sam or svdsam_release")
      ->capture_default_str()
      ->check(CLI::IsMember({"sam", "svdsam_release"}));
  add_json(*verb, options->json);
  verb->footer(
      "Counted by walking the model itself. \"all params\" are SAM, adapters and TAL; \"% of SAM\" is of SAM alone.\n"
      "Example: S-SAM at 256 pixels as its authors count it\n"
      "  ssam params --backbone vit_b --image-size 256 --recipe ssam --rule release");
  verb->callback([&program, options] { program.run = [options] { return params(*options); }; });
}

}  // namespace ssam::cli
