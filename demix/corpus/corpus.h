// Raw files of a dataset to tokenised shards: read, de-duplicate, split, tokenise.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "demix/core/json.h"

namespace demix {

class Progress;
class Tokenizer;

struct DatasetConfig {
  std::vector<std::filesystem::path>
      paths;           // files, folders or globs: .jsonl .json .txt .parquet .arrow, .gz .zst
  std::string domain;  // of the objective that its text is meant to serve; empty: none
  std::string text_field = "text";     // column or key that holds the document; a.b: b within a
  std::string invalid_utf8 = "error";  // error | replace | skip
  // Of the whole dataset, where `paths` are a sample of it: what the natural mixture and epochs
  // count. Default: the tokens that are read.
  std::optional<double> tokens;
  std::string blend;  // its name in the Megatron blend line; empty: our own shard
  template <class V>
  void visit(V& v) {
    v("paths", paths);
    v("domain", domain);
    v("text_field", text_field);
    v("invalid_utf8", invalid_utf8);
    v("tokens", tokens);
    v("blend", blend);
  }
  void check() const;
};

struct CorpusConfig {
  double held_out = 0.02;  // share of documents kept from training, by content hash
  // Per dataset; documents of the held-out share beyond it are left out of both parts, so that no
  // text is held out in one dataset and trained on in another.
  int64_t held_out_max_tokens = 200'000;
  int64_t max_document_bytes = 1 << 26;  // a longer line or row is an error
  template <class V>
  void visit(V& v) {
    v("held_out", held_out);
    v("held_out_max_tokens", held_out_max_tokens);
    v("max_document_bytes", max_document_bytes);
  }
  void check() const;
};

// What was found in a dataset; kept in the journal.
struct DatasetSummary {
  std::string name;
  int64_t documents = 0;  // read
  // Same text as an earlier document of this dataset. Datasets are not compared with one another:
  // then each could be made, dropped or replaced without touching the others' shards.
  int64_t duplicates = 0;
  int64_t skipped = 0;  // empty, or invalid UTF-8 with invalid_utf8: skip
  int64_t surplus = 0;  // beyond held_out_max_tokens
  int64_t train_documents = 0, train_tokens = 0, train_bytes = 0;
  int64_t held_out_documents = 0, held_out_tokens = 0, held_out_bytes = 0;
  std::string train_hash, held_out_hash;  // of the shards
};
void to_json(Json& json, const DatasetSummary& summary);
void from_json(const Json& json, DatasetSummary& summary);

// Content key of a dataset's shards: bytes of its files, its configuration, the tokenizer, and the
// code version of this stage. Reads the files once.
std::string dataset_key(const std::string& name,
                        const DatasetConfig& dataset,
                        const CorpusConfig& corpus,
                        const Tokenizer& tokenizer);

// Files that `dataset.paths` names, sorted; throws Error when one matches nothing.
std::vector<std::filesystem::path> dataset_files(const std::string& name,
                                                 const DatasetConfig& dataset);

// Writes folder/train.* and folder/held_out.*; the bytes depend on the input alone, not on the
// number of threads (0: one per core). `progress` advances by the files' bytes. Throws Error with
// file and line on bad input, and when the dataset has no usable document. Shards that are there
// are removed first, so that a killed call leaves none that is not whole and of this input.
DatasetSummary build_dataset(const std::string& name,
                             const DatasetConfig& dataset,
                             const CorpusConfig& corpus,
                             const Tokenizer& tokenizer,
                             const std::filesystem::path& folder,
                             Progress& progress,
                             int threads = 0);

}  // namespace demix
