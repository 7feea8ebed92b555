#include <doctest/doctest.h>

#include <ssam/data/data_difference.hpp>
#include <ssam/data/dataset.hpp>

#include "files.hpp"

using namespace ssam;

namespace {

Dataset open_split(const std::filesystem::path& manifest, Split split = Split::train) {
  return Dataset(load_manifest(manifest), split, 16, {});
}

}  // namespace

TEST_CASE("a data set is told by its content, with a mask file for each label") {
  const test::Folder folder;
  const auto draw = [&](const char* name, std::uint8_t value) {
    Mask mask(4, 4);
    mask.at(1, 1) = value;
    save_png(folder / name, mask);
  };
  save_png(folder / "a.png", Image(4, 4));
  save_png(folder / "b.png", Image(4, 4));
  draw("one.png", 1);
  draw("two.png", 2);
  const auto open = [&](const std::string& items, const std::string& labels = R"(["A", "B"])") {
    return open_split(folder.write("m.json", R"({"labels": )" + labels + R"(, "items": [)" + items + "]}"));
  };
  const std::string b = R"({"image": "b.png", "split": "val", "masks": {}})";
  const Dataset first = open(R"({"image": "a.png", "split": "train", "masks": {"A": "one.png", "B": "two.png"}},)" + b);
  const nlohmann::json fingerprint = data_fingerprint(first);
  const auto difference = [&](const Dataset& data) {
    return data_difference(fingerprint, data_fingerprint(data), data);
  };
  CHECK(difference(first).empty());
  CHECK(nlohmann::json::parse(fingerprint.dump()) == fingerprint);  // as it is kept
  // Another split is another matter, and so is the place of a file.
  CHECK(difference(open(R"({"image": "a.png", "split": "train", "masks": {"A": "one.png", "B": "two.png"}})")).empty());
  for (const std::string masks : {R"({"A": "two.png", "B": "one.png"})", R"({"A": "one.png"})", "{}"}) {
    CAPTURE(masks);
    const std::string found = difference(open(R"({"image": "a.png", "split": "train", "masks": )" + masks + "}"));
    CHECK(test::contains(found, "other masks of the image " + (folder / "a.png").string()));
  }
  CHECK(test::contains(difference(open(R"({"image": "a.png", "split": "train", "masks": {}})", R"(["A", "C"])")),
                       "the labels"));
  draw("two.png", 3);
  CHECK(test::contains(difference(first), "other masks of the image"));
  std::filesystem::remove(folder / "two.png");
  CHECK_THROWS_AS(data_fingerprint(first), IoError);
}

TEST_CASE("what is another data set is said") {
  const test::Folder folder;
  save_png(folder / "a.png", Image(4, 4));
  const auto open = [&](const std::string& colors) {
    return open_split(
        folder.write("m.json", R"({"labels": ["A"], "colors": {"A": )" + colors +
                                   R"(}, "items": [{"image": "a.png", "split": "train", "mask": "a.png"}]})"));
  };
  const Dataset red = open("[255, 0, 0]"), green = open("[0, 255, 0]");
  const nlohmann::json before = data_fingerprint(red), now = data_fingerprint(green);
  const auto message = [&](const nlohmann::json& then, const nlohmann::json& here, const Dataset* data) {
    return test::message_of<MismatchError>([&] { require_same_data(then, here, data, "the set", "file"); });
  };
  CHECK(message(before, before, &red).empty());
  CHECK(message(nullptr, nullptr, nullptr).empty());
  CHECK(test::contains(message(before, now, &green), "the table of colours: {\"A\":[0,255,0]}"));
  CHECK(test::contains(message(nullptr, now, &green), "one where there was none"));
  CHECK(test::contains(message(before, nullptr, nullptr), "none where there was one"));
}
