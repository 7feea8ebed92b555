#include <doctest/doctest.h>

#include <ssam/core/random.hpp>
#include <ssam/io/scores_file.hpp>

#include "../data/files.hpp"

using namespace ssam;

namespace {

std::string refused(const std::string& text) {
  return test::message_of<FormatError>([&] { parse_scores(text, "scores.csv"); });
}

std::vector<std::vector<std::string>> cells(const std::string& text) {
  std::vector<std::vector<std::string>> all;
  for (const CsvRow& row : parse_csv(text, "x.csv")) all.push_back(row.cells);
  return all;
}

const std::string columns =
    "image,split,group,label,blank_truth,blank_answer,intersection,answer_pixels,truth_pixels,dice,published_dice,iou,"
    "precision,recall";
/// The metrics of 2 shared pixels, 4 answered, 5 true.
const std::string metrics = "0.4444444444444444,0.5,0.2857142857142857,0.5,0.4";

}  // namespace

TEST_CASE("CSV: quotes, line ends, empty cells") {
  using Cells = std::vector<std::vector<std::string>>;
  CHECK(cells("") == Cells{});
  CHECK(cells("a,b") == Cells{{"a", "b"}});
  CHECK(cells("a,b\r\n,\r\n") == Cells{{"a", "b"}, {"", ""}});
  CHECK(cells("\"a,\"\"b\"\"\n c\",d\n\"\",\" \"\n") == Cells{{"a,\"b\"\n c", "d"}, {"", " "}});
  CHECK(cells("\xef\xbb\xbf"
              "a\n") == Cells{{"a"}});
  CHECK(parse_csv("\"1\n2\n\"\n3\n", "x").back().line == 4);
  for (const std::string text : {"", "plain", "a,b", "say \"no\"", "two\nlines", "\r", "Leber \xc3\xa4"}) {
    CHECK(cells(csv_cell(text) + "," + csv_cell(text) + "\n") == Cells{{text, text}});
  }
}

TEST_CASE("what is no CSV is refused, with its line") {
  const auto message = [](const std::string& text) {
    return test::message_of<FormatError>([&] { parse_csv(text, "x.csv"); });
  };
  CHECK(message("a,b\n1\n") ==
        "a line has another number of cells than the first one [x.csv, line 2]: expected 2, found 1");
  CHECK(message("a\n\n").empty());               // one empty cell
  CHECK(message("a,b\n\n1,2\r\n\r\n").empty());  // empty lines
  CHECK(test::contains(message("a,b\n1,2\n \n"), "line 3]: expected 2, found 1"));
  CHECK(message("a\n\"b\n\nc") == "a quote that is never closed [x.csv, line 2]");
  CHECK(message("a\n\"b\"c\n") ==
        "text behind a closing quote [x.csv, line 2]: expected a comma or the end of the line, found c");
  CHECK(test::contains(message("a\nb\"c\n"), "a quote inside a cell that is not quoted [x.csv, line 2]"));
  CHECK(test::contains(message("a\rb\n"), "a carriage return without a line feed"));
  CHECK(test::contains(message("\xff\xfe"
                               "a"),
                       "save it as UTF-8"));
  CHECK(test::contains(message(std::string("a\0b", 3)), "zero byte"));
}

TEST_CASE("scores as CSV, as anyone reads them") {
  Scores scores{.measures = {.unit = DistanceUnit::pixels, .tolerance = 2.5, .centerlines = true}};
  scores.rows.push_back({"a, \"b\".png", "test", "patient 1", "Liver", {{2, 4, 5}, 3, 2.5, 0.1, 1}});
  scores.rows.push_back({"c.png", "test", "", "Liver", {{0, 0, 5}, {}, {}, 0.0, 0.0}});
  CHECK(scores_csv(scores) == columns + ",hd_px,hd95_px,nsd_2.5px,centerline_dice\n" +
                                  "\"a, \"\"b\"\".png\",test,patient 1,Liver,0,0,2,4,5," + metrics + ",3,2.5,0.1,1\n" +
                                  "c.png,test,,Liver,0,1,0,0,5,0,0.16666666666666666,0,0,0,,,0,0\n");
}

TEST_CASE("numbers of pixels stand in digits, however round") {
  Scores scores;
  scores.rows.push_back({"a.png", "", "", "Liver", {{100000, 1000000, 2e15}}});
  CHECK(scores_csv(scores).find("a.png,,,Liver,0,0,100000,1000000,2000000000000000,") != std::string::npos);
  CHECK(parse_scores(scores_csv(scores), "x.csv") == scores);
  std::string cut = scores_csv(scores);
  cut.pop_back();
  CHECK(test::contains(refused(cut), "ends in the middle of a line"));
}

TEST_CASE("scores come back from CSV to the last bit, whatever was measured") {
  const test::Folder folder;
  Random random(9);
  for (const Measures& measures :
       {Measures{}, Measures{.unit = DistanceUnit::millimetres, .tolerance = 0.1}, Measures{.centerlines = true},
        Measures{.unit = DistanceUnit::pixels, .tolerance = 3, .centerlines = true}}) {
    Scores scores{.measures = measures};
    for (Index i = 0; i < 50; ++i) {
      Counts counts{static_cast<double>(random.below(40)), 40.0 + static_cast<double>(random.below(900)),
                    40.0 + static_cast<double>(random.below(900))};
      if (i % 7 == 0) counts = {0, 0, i % 2 == 0 ? 0.0 : 12};
      MaskScore score{counts};
      if (measures.unit) {
        score.nsd = random.uniform();
        if (i % 7 != 0) score.hd = random.uniform(0, 100);
        if (i % 7 != 0) score.hd95 = random.uniform(0, 1e-3);
      }
      if (measures.centerlines) score.centerline_dice = random.uniform();
      scores.rows.push_back({"folder/" + std::to_string(i / 2) + "\n.png", "val", std::to_string(i / 10),
                             i % 2 == 0 ? "Liver, left" : "Gallenblase \xc3\xa4", score});
    }
    save_scores(folder / "scores.csv", scores);
    CHECK(load_scores(folder / "scores.csv") == scores);
  }
  CHECK_THROWS_AS(load_scores(folder / "none.csv"), IoError);
}

TEST_CASE("files of scores that are none, or contradict themselves") {
  const std::string head = columns + "\n", row = "a.png,test,,Liver,0,0,2,4,5,";
  CHECK(refused(head + row + metrics + "\n").empty());
  CHECK(refused("") == "the file of scores is empty [scores.csv]: expected a line of column names");
  CHECK(refused(head) == "the file has no scores [scores.csv, line 1]: expected a line per image and label");
  CHECK(
      refused("image;split;group\na;b;c\n") ==
      "column 1 of the scores has another name [scores.csv, line 1]: expected 'image', found 'image;split;group'; use "
      "a file that an evaluation wrote");
  CHECK(test::contains(refused(columns + ",hd95_px\n"), "expected no more columns, found 'hd95_px'"));
  CHECK(test::contains(refused(columns + ",nsd_1px\n"),
                       "column 15 of the scores has another name [scores.csv, line 1]: "
                       "expected 'hd_px', found 'nsd_1px'"));
  CHECK(test::contains(refused(columns + ",nsd_px\n"), "tolerance of the NSD is not usable"));
  CHECK(test::contains(refused("image,split\n"), "expected 'group', found the end of the line"));

  const auto line_2 = [&](const std::string& text) { return refused(head + text + "\n"); };
  CHECK(line_2(",test,,Liver,0,0,2,4,5," + metrics) ==
        "a cell is empty [scores.csv, line 2, column 'image']: expected a name, found nothing");
  CHECK(line_2("a.png,test,,Liver,0,0,2.5,4,5," + metrics) ==
        "a cell is no number of pixels [scores.csv, line 2, column 'intersection']: expected a whole number of 0 or "
        "more, found '2.5'");
  CHECK(test::contains(line_2("a.png,test,,Liver,0,0,2,-4,5," + metrics), "column 'answer_pixels'"));
  CHECK(test::contains(line_2("a.png,test,,Liver,0,0,2,,5," + metrics), "found nothing"));
  CHECK(line_2("a.png,test,,Liver,0,0,5,4,5," + metrics) ==
        "two masks share more pixels than one of them has [scores.csv, line 2, column 'intersection']: expected 4 or "
        "fewer, found '5'");
  CHECK(line_2("a.png,test,,Liver,1,0,2,4,5," + metrics) ==
        "a cell contradicts the numbers of pixels [scores.csv, line 2, column 'blank_truth']: expected 0, found '1'");
  CHECK(line_2(row + "0.9,0.5,0.2857142857142857,0.5,0.4") ==
        "a metric contradicts the numbers of pixels [scores.csv, line 2, column 'dice']: expected 0.4444444444444444, "
        "found '0.9'");
  for (const char* value : {"nan", "", "1.5", "-0.1", "1e999", "0,5"}) {
    CHECK_FALSE(line_2(row + "0.4444444444444444,0.5,0.2857142857142857,0.5," + value).empty());
  }
  const std::string measured = columns + ",hd_px,hd95_px,nsd_1px\n";
  CHECK(refused(measured + row + metrics + ",3,2,0.5\n").empty());
  CHECK(
      test::contains(refused(measured + row + metrics + ",3,,0.5\n"), "column 'hd95_px']: expected a number of 0 or"));
  CHECK(test::contains(refused(measured + row + metrics + ",3,2,\n"),
                       "column 'nsd_1px']: expected a number from 0 to 1"));
  CHECK(test::contains(refused(measured + "a.png,,,Liver,0,1,0,0,5,0,0.16666666666666666,0,0,0,3,,0\n"),
                       "a metric has a value where it is not defined [scores.csv, line 2, column 'hd_px']: expected an "
                       "empty cell, found '3'"));
  CHECK(test::contains(refused(head + row + metrics + "\n" + row + metrics + "\n"),
                       "an image has two scores for one label [scores.csv, line 3, column 'image']: found 'a.png', "
                       "'Liver'; keep one of them"));
}
