#include "demix/corpus/corpus.h"

#include <nlohmann/json.hpp>
#include <set>

#include "demix/core/files.h"
#include "demix/core/hash.h"
#include "demix/core/progress.h"
#include "demix/core/rng.h"
#include "demix/corpus/shard.h"
#include "demix/corpus/test_files.h"
#include "demix/corpus/tokenizer.h"
#include "tests/byte_tokenizer.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

class Corpus : public FolderTest {
 protected:
  Corpus() {
    config_.paths = {folder_ / "raw"};
    fs::create_directories(folder_ / "raw");
  }

  Tokenizer byte_tokenizer(const std::string& post_processor = "null") {
    write_byte_tokenizer(folder_ / "tokenizer", post_processor);
    return Tokenizer::load(folder_ / "tokenizer");
  }

  DatasetSummary build(int threads = 2) {
    Progress progress("corpus", 0, "bytes");
    return build_dataset(
        "prose", config_, corpus_, byte_tokenizer(), folder_ / "out", progress, threads);
  }

  // The texts of a shard, whose tokens are bytes.
  std::vector<std::string> texts(const std::string& name) {
    const Shard shard = Shard::open(folder_ / "out" / name);
    shard.verify();
    std::vector<std::string> texts;
    for (int64_t i = 0; i < shard.documents(); ++i) {
      const auto begin = static_cast<int64_t>(shard.offsets()[static_cast<size_t>(i)]);
      const auto end = static_cast<int64_t>(shard.offsets()[static_cast<size_t>(i) + 1]);
      std::vector<int32_t> tokens(static_cast<size_t>(end - begin));
      shard.copy(begin, tokens);
      EXPECT_EQ(tokens[0], kEnd);
      texts.emplace_back(tokens.begin() + 1, tokens.end());
      EXPECT_EQ(shard.text_bytes(i), static_cast<int64_t>(texts.back().size()));
    }
    return texts;
  }

  static std::string lines_of(const std::vector<std::string>& texts) {
    std::string lines;
    for (const std::string& text : texts) lines += Json{{"text", text}}.dump() + "\n";
    return lines;
  }
  static std::vector<std::string> numbered(int count, const std::string& what = "text") {
    std::vector<std::string> texts;
    for (int i = 0; i < count; ++i) texts.push_back(fmt::format("{} number {} é", what, i));
    return texts;
  }

  DatasetConfig config_;
  CorpusConfig corpus_;
};

TEST_F(Corpus, EveryDistinctDocumentIsInExactlyOnePart) {
  std::vector<std::string> documents = numbered(300);
  write("raw/a.jsonl", lines_of(documents));
  write("raw/b.txt", "a plain text");
  corpus_.held_out = 0.1;
  const DatasetSummary summary = build();
  const auto train = texts("train"), held_out = texts("held_out");
  std::multiset<std::string> found(train.begin(), train.end());
  found.insert(held_out.begin(), held_out.end());
  documents.push_back("a plain text");
  EXPECT_EQ(found, std::multiset<std::string>(documents.begin(), documents.end()));
  EXPECT_NEAR(static_cast<double>(held_out.size()), 30, 20);
  EXPECT_EQ(summary.name, "prose");
  EXPECT_EQ(summary.documents, 301);
  EXPECT_EQ(summary.train_documents, static_cast<int64_t>(train.size()));
  EXPECT_EQ(summary.held_out_documents, static_cast<int64_t>(held_out.size()));
  EXPECT_EQ(summary.train_tokens, summary.train_bytes + summary.train_documents);
  EXPECT_EQ(summary.held_out_tokens, summary.held_out_bytes + summary.held_out_documents);
  EXPECT_EQ(summary.train_hash, Shard::open(folder_ / "out/train").hash());
  EXPECT_EQ(summary.held_out_hash, Shard::open(folder_ / "out/held_out").hash());
}

TEST_F(Corpus, ShardsKeepTheOrderOfTheFilesAndDoNotDependOnThreads) {
  // Several batches: long and short documents in turn.
  std::vector<std::string> documents;
  Rng rng(3);
  for (int i = 0; i < 400; ++i) {
    documents.push_back(fmt::format("{} {}", i, std::string(rng.below(5000), 'x')));
  }
  write("raw/a.jsonl.gz", gzip(lines_of({documents.begin(), documents.begin() + 250})));
  write("raw/b.jsonl.zst", zstd(lines_of({documents.begin() + 250, documents.end()})));
  corpus_.held_out = 0;
  build(3);
  EXPECT_EQ(texts("train"), documents);
  corpus_.held_out = 0.1;
  const DatasetSummary one = build(1);
  const std::string tokens = read_file(folder_ / "out/train.tokens");
  EXPECT_GT(one.held_out_documents, 10);
  for (int threads : {2, 5}) {
    const DatasetSummary many = build(threads);
    EXPECT_EQ(many.train_hash, one.train_hash);
    EXPECT_EQ(many.held_out_hash, one.held_out_hash);
    EXPECT_EQ(read_file(folder_ / "out/train.tokens"), tokens);
  }
}

TEST_F(Corpus, DuplicatesAndEmptyDocumentsAreDropped) {
  write("raw/a.jsonl", lines_of({"one", "two", "", "one", "one ", "two"}));
  write("raw/b.jsonl", lines_of({"two", "three"}));
  corpus_.held_out = 0;
  const DatasetSummary summary = build();
  EXPECT_EQ(texts("train"), (std::vector<std::string>{"one", "two", "one ", "three"}));
  EXPECT_EQ(summary.documents, 8);
  EXPECT_EQ(summary.duplicates, 3);
  EXPECT_EQ(summary.skipped, 1);
  EXPECT_EQ(summary.held_out_documents, 0);
}

TEST_F(Corpus, ATextIsHeldOutInEveryDatasetOrInNone) {
  corpus_.held_out = 0.2;
  corpus_.held_out_max_tokens = 150;
  const auto shared = numbered(60, "shared");
  const auto parts_with = [&](const std::string& own) {
    auto documents = numbered(60, own);
    documents.insert(documents.end(), shared.begin(), shared.end());
    write("raw/a.jsonl", lines_of(documents));
    EXPECT_GT(build().surplus, 0);
    return std::pair(texts("train"), texts("held_out"));
  };
  const auto [train_a, held_out_a] = parts_with("a");
  const auto [train_b, held_out_b] = parts_with("b");
  const std::set<std::string> trained_b(train_b.begin(), train_b.end());
  for (const std::string& text : held_out_a) EXPECT_FALSE(trained_b.contains(text)) << text;
  const std::set<std::string> trained_a(train_a.begin(), train_a.end());
  for (const std::string& text : held_out_b) EXPECT_FALSE(trained_a.contains(text)) << text;
}

TEST_F(Corpus, ABosIsStoredBeforeAndTheEosBehindEachDocument) {
  write("raw/a.txt", "ab");
  const Tokenizer tokenizer = byte_tokenizer(R"({
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<|begin|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<|begin|>": {"id": "<|begin|>", "ids": [257], "tokens": ["<|begin|>"]}}})");
  Progress progress("corpus", 0, "bytes");
  build_dataset("prose", config_, corpus_, tokenizer, folder_ / "out", progress);
  const Shard shard = Shard::open(folder_ / "out/train");
  std::vector<int32_t> tokens(4);
  shard.copy(0, tokens);
  EXPECT_EQ(tokens, (std::vector<int32_t>{257, 'a', 'b', 256}));
  EXPECT_EQ(shard.separator(), 256);
}

TEST_F(Corpus, TheKeyChangesWithTheContentAndNotWithThePlace) {
  write("raw/a.jsonl", lines_of({"one"}));
  const Tokenizer tokenizer = byte_tokenizer();
  const auto key = [&] { return dataset_key("prose", config_, corpus_, tokenizer); };
  const std::string first = key();
  EXPECT_EQ(key(), first);
  fs::rename(folder_ / "raw/a.jsonl", folder_ / "raw/b.jsonl");
  EXPECT_EQ(key(), first);
  config_.domain = "general";
  EXPECT_EQ(key(), first);
  EXPECT_NE(dataset_key("other", config_, corpus_, tokenizer), first);
  write("raw/b.jsonl", lines_of({"two"}));
  EXPECT_NE(key(), first);
  write("raw/b.jsonl", lines_of({"one"}));
  EXPECT_EQ(key(), first);
  corpus_.held_out = 0.3;
  EXPECT_NE(key(), first);
  corpus_ = {};
  config_.invalid_utf8 = "skip";
  EXPECT_NE(key(), first);
}

TEST_F(Corpus, BadInputIsNamedAndLeavesNoShard) {
  write("raw/a.jsonl", lines_of({"one", "two"}));
  build();
  write("raw/b.jsonl", "{\"text\": \"fine\"}\n{\"text\": \"Caf\xe9\"}\n");
  const std::string error = error_of([&] { build(); });
  EXPECT_MENTIONS(error, "dataset 'prose'");
  EXPECT_MENTIONS(error, "b.jsonl:2: invalid UTF-8 at byte 14");
  EXPECT_TRUE(fs::is_empty(folder_ / "out"));
  config_.invalid_utf8 = "skip";
  EXPECT_EQ(build().skipped, 1);
}

TEST_F(Corpus, AnEmptyDatasetIsAnError) {
  write("raw/a.jsonl", "\n");
  EXPECT_MENTIONS(error_of([&] { build(); }), "no usable document: 0 read");
  write("raw/a.jsonl", lines_of({"", ""}));
  EXPECT_MENTIONS(error_of([&] { build(); }), "no usable document: 2 read, 2 of them empty");
}

TEST_F(Corpus, PathsThatMatchNothingAreNamedWithTheDataset) {
  const auto refusal = [&] { return error_of([&] { dataset_files("prose", config_); }); };
  EXPECT_MENTIONS(refusal(), "datasets.prose.paths: ");
  EXPECT_MENTIONS(refusal(), "holds no file of a known kind");
  config_.paths = {folder_ / "raw/*.jsonl"};
  EXPECT_MENTIONS(refusal(), "raw/*.jsonl' matches no file");
  config_.paths = {write("raw/a.csv", "x")};
  EXPECT_MENTIONS(refusal(), "a.csv' is of an unknown kind");
  // The same file twice counts once.
  config_.paths = {write("raw/a.txt", "x"), folder_ / "raw", folder_ / "raw/*.txt"};
  EXPECT_EQ(dataset_files("prose", config_).size(), 1u);
}

TEST_F(Corpus, SummariesSurviveTheJournal) {
  write("raw/a.jsonl", lines_of(numbered(50)));
  const DatasetSummary summary = build();
  const Json json = summary;
  EXPECT_EQ(Json(Json::parse(json.dump()).get<DatasetSummary>()), json);
}

TEST_F(Corpus, ConfigurationsOutOfRangeAreRefused) {
  EXPECT_NO_THROW(corpus_.check());
  corpus_.held_out = 0.6;
  EXPECT_THROW(corpus_.check(), Error);
  corpus_ = {};
  corpus_.held_out_max_tokens = 0;
  EXPECT_THROW(corpus_.check(), Error);
  EXPECT_NO_THROW(config_.check());
  config_.invalid_utf8 = "ignore";
  EXPECT_THROW(config_.check(), Error);
  config_ = {};
  EXPECT_THROW(config_.check(), Error);
}

}  // namespace
}  // namespace demix
