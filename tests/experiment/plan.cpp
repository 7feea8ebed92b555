#include <doctest/doctest.h>

#include <ssam/experiment/cell.hpp>

#include "../data/files.hpp"

using namespace ssam;

namespace {

const std::vector<PlanRecipe> plan_test_recipes{{"ssam"}, {"lora"}, {"zero_shot", false}};

nlohmann::json plan_test_json() {
  return nlohmann::json::parse(R"({
    "checkpoint": "sam.pth",
    "data": [{"name": "one", "data": "a.json"}, {"name": "two", "data": "glas:b", "train": {"epochs": 9}}],
    "recipes": ["ssam", "zero_shot", {"name": "LoRA, slow", "recipe": "lora", "train": {"lr": 1e-5, "labels-together": false}}],
    "seeds": [3, 0],
    "common": {"image-size": 256},
    "train": {"epochs": 4, "labels-together": true},
    "eval": {"distances": true, "unseen-labels": false}})");
}

Plan plan_of(const nlohmann::json& json) { return parse_plan(json, "plan.json", plan_test_recipes); }

std::string plan_refusal(const nlohmann::json& json) {
  return test::message_of<ConfigError>([&] { plan_of(json); });
}

/// Whether all of `words` stand in `text`.
bool plan_says(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (text.find(word) == std::string::npos) {
      MESSAGE("'" << text << "' lacks '" << word << "'");
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("a plan becomes the grid of its cells, options of what is nearer first") {
  const Plan plan = plan_of(plan_test_json());
  CHECK(plan.against == "ssam");
  const std::vector<Cell> cells = cells_of(plan, "out");
  REQUIRE(cells.size() == 2 * (2 + 1 + 2));  // what trains nothing is run once
  CHECK(cells[0].settings.train ==
        std::vector<std::string>{"--epochs", "4", "--image-size", "256", "--labels-together"});
  CHECK(cells[0].settings.eval == std::vector<std::string>{"--distances", "--image-size", "256"});
  CHECK(cells[0].settings.seed == 3);
  CHECK(cells[1].settings.seed == 0);
  CHECK(cells[2].settings.recipe == "zero_shot");
  CHECK(cells[2].settings.train.empty());
  CHECK(cells[3].settings.train == std::vector<std::string>{"--epochs", "4", "--image-size", "256", "--lr", "1e-05"});
  CHECK(cells[3].folder == std::filesystem::path("out/cells/one/LoRA__slow/seed_3"));
  CHECK(cells[5].settings.data == "glas:b");
  CHECK(cells[5].settings.train[1] == "9");
  CHECK(cells[3].name() == "one, LoRA, slow, seed 3");
}

TEST_CASE("a plan that is wrong is refused with its place and the nearest name") {
  nlohmann::json json = plan_test_json();
  json["recepies"] = json["recipes"];
  CHECK(plan_says(plan_refusal(json), {"unknown key 'recepies'", "plan.json", "did you mean 'recipes'?"}));

  json = plan_test_json();
  json["recipes"][0] = "ssan";
  CHECK(plan_says(plan_refusal(json), {"unknown recipe 'ssan'", "plan.json, recipes 1", "did you mean 'ssam'?"}));

  json = plan_test_json();
  json["against"] = "LoRA slow";
  CHECK(plan_says(plan_refusal(json), {"no row 'LoRA slow'", "did you mean 'LoRA, slow'?"}));

  json = plan_test_json();
  json["recipes"].push_back({{"name", "LoRA; slow"}, {"recipe", "lora"}});  // the same folder
  CHECK(plan_says(plan_refusal(json), {"two entries have the name 'LoRA; slow'", "another \"name\""}));

  json = plan_test_json();
  json["data"] = nlohmann::json::array();
  CHECK(plan_says(plan_refusal(json), {"key 'data'", "at least one entry"}));

  json = plan_test_json();
  json["seeds"] = {1, 2, 1};
  CHECK(plan_says(plan_refusal(json), {"the seed 1 is there twice"}));
  json["seeds"] = {1, -2};
  CHECK(plan_says(plan_refusal(json), {"key 'seeds'", "found -2"}));

  json = plan_test_json();
  json["train"]["seed"] = 4;
  CHECK(plan_says(plan_refusal(json), {"the experiment itself sets 'seed'", "key 'train'"}));

  json = plan_test_json();
  json["data"][1]["train"]["epochs"] = {{"one", 1}};
  CHECK(plan_says(plan_refusal(json), {"plan.json, data 2, key 'train', key 'epochs'", "found object"}));

  json = plan_test_json();
  json.erase("checkpoint");
  CHECK(plan_says(plan_refusal(json), {"the key 'checkpoint' is missing"}));
}

TEST_CASE("a cell's record is read back as it was written, and other settings are refused") {
  const test::Folder folder;
  const std::vector<Cell> cells = cells_of(plan_of(plan_test_json()), folder / "out");
  const Cell& cell = cells[0];
  CHECK_FALSE(cell.load().has_value());
  std::filesystem::create_directories(cell.folder);
  const CellRecord record{.settings = cell.settings,
                          .state = CellState::failed,
                          .error = "train: \"out of memory\"",
                          .versions = {{"ssam", "1.2"}},
                          .peak_bytes = 5'000'000'000};
  cell.save(record);
  const std::optional<CellRecord> loaded = cell.load();
  REQUIRE(loaded.has_value());
  CHECK(loaded->settings == cell.settings);
  CHECK(loaded->state == CellState::failed);
  CHECK(loaded->error == record.error);
  CHECK(loaded->versions == record.versions);
  CHECK(loaded->peak_bytes == record.peak_bytes);
  require_same_settings(cell, *loaded);

  Cell changed = cell;
  changed.settings.train[1] = "5";
  const std::string refusal = test::message_of<ConfigError>([&] { require_same_settings(changed, *loaded); });
  CHECK(
      plan_says(refusal, {"other settings for a cell", "\"--epochs\",\"4\"", "\"--epochs\",\"5\"", "another folder"}));
}
