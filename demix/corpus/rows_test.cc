#include "demix/corpus/rows.h"

#include <nlohmann/json.hpp>

#include "demix/corpus/test_files.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

class Rows : public FolderTest {};

const fs::path kFixtures = fs::path(DEMIX_SOURCE_DIR) / "tests/data/corpus";

TEST_F(Rows, JsonLinesKeepTheirTypesAndOrder) {
  const std::string content =
      "{\"b\": 1, \"a\": [0.5, null, true]}\r\n\n{\"c\": {\"d\": \"\\u00e9\"}, \"big\": "
      "9007199254740993}\n";
  for (const fs::path& path : {write("a.jsonl", content),
                               write("a.jsonl.gz", gzip(content)),
                               write("a.jsonl.zst", zstd(content))}) {
    const std::vector<Json> rows = read_rows(path);
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].dump(), R"({"b":1,"a":[0.5,null,true]})");
    EXPECT_EQ(rows[1].dump(), R"({"c":{"d":"é"},"big":9007199254740993})");
    EXPECT_EQ(read_rows(path, 1).size(), 1u);
  }
  EXPECT_TRUE(read_rows(write("empty.jsonl", "")).empty());
  EXPECT_EQ(row_place("x/a.jsonl", 1), "x/a.jsonl: row 2");
}

TEST_F(Rows, ParquetAndArrowGiveTheSameRowsWithAllTypesOfPublishedDatasets) {
  // The values are those of tests/data/corpus/make.py.
  const Json first = Json::parse(R"({
    "question": "Wo?", "context": "long", "label": 3, "small": 255, "score": 0.5, "weight": 0.25,
    "half": 1.5, "gold": true, "nothing": null,
    "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "nested": [[1, 2], [3]], "pair": [1, 2],
    "raw": "bytes", "class": "x", "day": "2024-02-29", "price": "1.50"})");
  const Json second = Json::parse(R"({
    "question": "Qué — 日本", "context": "", "label": -1, "small": 0, "score": null, "weight": -2.0,
    "half": 2.0, "gold": false, "nothing": null,
    "choices": {"text": [], "label": []}, "nested": [], "pair": [3, 4],
    "raw": "", "class": "y", "day": "1970-01-01", "price": "-2.25"})");
  for (const char* name : {"rows.parquet", "rows_stream.arrow", "rows_file.arrow"}) {
    const std::vector<Json> rows = read_rows(kFixtures / name);
    ASSERT_EQ(rows.size(), 3u) << name;
    EXPECT_EQ(rows[0].dump(), first.dump()) << name;
    EXPECT_EQ(rows[1].dump(), second.dump()) << name;
    for (const auto& [key, value] : rows[2].items()) EXPECT_TRUE(value.is_null()) << name << key;
    EXPECT_EQ(rows[2].size(), first.size());
    EXPECT_EQ(read_rows(kFixtures / name, 1).size(), 1u);
  }
}

TEST_F(Rows, BadRowsAreNamedByLine) {
  const auto refusal = [&](const std::string& content) {
    const fs::path path = write("a.jsonl", "{}\n" + content);
    return error_of([&] { read_rows(path); });
  };
  EXPECT_MENTIONS(refusal("{\"a\": }\n"), "a.jsonl:2: not valid JSON");
  EXPECT_MENTIONS(refusal("[1]\n"), "a.jsonl:2: array, expected an object");
  EXPECT_MENTIONS(refusal("{\"a\": \"\xff\"}"), "a.jsonl:2: invalid UTF-8 at byte 8");
  EXPECT_MENTIONS(error_of([&] { read_rows(folder_ / "a.csv"); }), "unknown kind of file");
  EXPECT_MENTIONS(error_of([&] { read_rows(folder_ / "b.jsonl"); }), "b.jsonl: cannot be opened");
  EXPECT_MENTIONS(error_of([&] { read_rows(folder_ / "b.parquet"); }), "b.parquet: no such file");
}

}  // namespace
}  // namespace demix
