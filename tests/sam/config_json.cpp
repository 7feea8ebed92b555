#include <doctest/doctest.h>

#include <ssam/sam/config_json.hpp>

#include "../data/files.hpp"

using namespace ssam;

namespace {
std::string refusal(const std::string& text) {
  return test::message_of<ConfigError>([&] { config_from_json(parse_json(text, "c.json"), "c.json"); });
}
}  // namespace

TEST_CASE("a configuration survives its JSON") {
  const SamConfig config = vit_l(512);
  const SamConfig back = config_from_json(to_json(config), "here");
  CHECK(to_json(back) == to_json(config));
  CHECK(back.embed_dim == 1024);
  CHECK(back.global_blocks == config.global_blocks);
  CHECK(back.image_size == 512);
  CHECK(config_from_json(parse_json("{}", "x"), "x").embed_dim == 768);
}

TEST_CASE("what is wrong with a configuration is said (A6)") {
  const std::string unknown = refusal(R"({"embed_dims": 32})");
  CHECK(test::contains(unknown, "embed_dims"));
  CHECK(test::contains(unknown, "did you mean 'embed_dim'"));
  CHECK(test::contains(refusal(R"({"depth": "two"})"), "key 'depth'"));
  CHECK(test::contains(refusal(R"({"depth": 2.5})"), "whole number"));
  CHECK(test::contains(refusal(R"({"depth": -1})"), "0..65536"));
  CHECK(test::contains(refusal(R"({"depth": 18446744073709551615})"), "0..65536"));
  CHECK(test::contains(refusal(R"({"global_blocks": 3})"), "list"));
  CHECK(test::contains(refusal(R"({"global_blocks": [64]})"), "0..63"));
  CHECK(test::contains(refusal(R"({"heads": 5})"), "embed_dim divisible by heads"));
  CHECK(test::contains(refusal(R"({"image_size": 100})"), "c.json"));
  CHECK(test::contains(refusal("[1]"), "an object"));
  CHECK(test::contains(refusal(R"({"depth": 2, "depth": 3})"), "given twice"));
}

TEST_CASE("files that are no configuration") {
  const test::Folder folder;
  CHECK_THROWS_AS(load_config(folder / "absent.json"), IoError);
  CHECK_THROWS_AS(load_config(folder.write("a.json", "{\"depth\": ")), FormatError);
  CHECK_THROWS_AS(load_config(folder.write("b.json", std::string(100000, '['))), FormatError);
  CHECK(load_config(folder.write("c.json", R"({"depth": 2, "global_blocks": [0]})")).depth == 2);
}
