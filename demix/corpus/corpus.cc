#include "demix/corpus/corpus.h"

#include <openssl/sha.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/parallel.h"
#include "demix/core/progress.h"
#include "demix/corpus/lines.h"
#include "demix/corpus/paths.h"
#include "demix/corpus/readers.h"
#include "demix/corpus/seen_texts.h"
#include "demix/corpus/shard.h"
#include "demix/corpus/split.h"
#include "demix/corpus/tokenizer.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// Raised whenever the same input would give other shards.
constexpr int64_t kCodeVersion = 1;
// Large enough that handing over costs nothing, small enough that all threads have work.
constexpr size_t kBatchBytes = 1 << 18;

int threads_or_cores(int threads) {
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

TextHash hash_of(std::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  TextHash hash;
  std::memcpy(&hash.first, digest, sizeof hash.first);
  std::memcpy(&hash.second, digest + sizeof hash.first, sizeof hash.second);
  return hash;
}

// What the tokenizer puts around a document in a shard; see shard.h.
struct Frame {
  std::vector<int32_t> start, end;
  int32_t separator = 0;
};

Frame frame_of(const Tokenizer& tokenizer) {
  const auto prefix = tokenizer.prefix();
  const auto eos = tokenizer.eos();
  if (prefix.empty() && !eos) {
    throw Error(
        "the tokenizer names neither a BOS nor an EOS token, so documents cannot be told apart; "
        "name the end-of-text token as eos_token in tokenizer_config.json beside tokenizer.json");
  }
  Frame frame;
  frame.start.assign(prefix.begin(), prefix.end());
  if (frame.start.empty()) frame.start = {*eos};
  frame.separator = eos ? *eos : frame.start.front();
  if (frame.separator != frame.start.front()) frame.end = {frame.separator};
  return frame;
}

// Texts that are tokenised together.
struct Batch {
  struct Text {
    size_t begin, bytes;
    uint64_t rank;
  };
  std::string texts;
  std::vector<Text> of;
  std::vector<TokenisedDocument> documents;
};

// The texts of a dataset, file by file, without empty ones and duplicates.
class DistinctTexts {
 public:
  DistinctTexts(std::vector<fs::path> files, const ReaderOptions& options, Progress& progress)
      : files_(std::move(files)), options_(options), progress_(progress) {}

  // nullopt at the end.
  std::optional<Batch> next_batch() {
    Batch batch;
    while (batch.texts.size() < kBatchBytes) {
      const std::optional<std::string_view> text = next_text();
      if (!text) break;
      ++documents;
      if (text->empty()) {
        ++empty;
        continue;
      }
      const TextHash hash = hash_of(*text);
      if (!seen_.insert(hash)) {
        ++duplicates;
        continue;
      }
      batch.of.push_back({batch.texts.size(), text->size(), hash.first});
      batch.texts += *text;
    }
    report_progress();
    if (batch.of.empty()) return std::nullopt;
    return batch;
  }

  int64_t documents = 0, duplicates = 0, empty = 0, skipped = 0;

 private:
  std::optional<std::string_view> next_text() {
    for (;;) {
      if (!reader_) {
        if (file_ == files_.size()) return std::nullopt;
        reader_ = open_documents(files_[file_], options_);
      }
      if (const auto text = reader_->next()) return text;
      skipped += reader_->skipped();
      report_progress();
      reader_.reset();
      reported_ = 0;
      ++file_;
    }
  }

  void report_progress() {
    if (!reader_) return;
    const int64_t bytes = reader_->file_bytes();
    progress_.add(bytes - reported_);
    reported_ = bytes;
  }

  std::vector<fs::path> files_;
  ReaderOptions options_;
  Progress& progress_;
  size_t file_ = 0;
  std::unique_ptr<DocumentReader> reader_;
  int64_t reported_ = 0;  // bytes of this file
  SeenTexts seen_;
};

DatasetSummary build(const std::string& name,
                     const DatasetConfig& dataset,
                     const CorpusConfig& corpus,
                     const Tokenizer& tokenizer,
                     const fs::path& folder,
                     Progress& progress,
                     int threads) {
  const Frame frame = frame_of(tokenizer);
  for (const char* shard :
       {"train.tokens", "train.documents", "held_out.tokens", "held_out.documents"}) {
    fs::remove(folder / shard);
  }
  DistinctTexts texts(
      dataset_files(name, dataset),
      {dataset.text_field, invalid_utf8_policy(dataset.invalid_utf8), corpus.max_document_bytes},
      progress);
  ShardWriter train(folder / "train", tokenizer.vocabulary_size(), frame.separator);
  ShardWriter held_out(folder / "held_out", tokenizer.vocabulary_size(), frame.separator);
  HeldOutSplit split(corpus.held_out, corpus.held_out_max_tokens, [&](const auto& document) {
    train.add(document.tokens, document.text_bytes);
  });

  const auto tokenise = [&](Batch& batch) {
    for (const Batch::Text& text : batch.of) {
      TokenisedDocument document{text.rank, static_cast<int64_t>(text.bytes), frame.start};
      // Room for English text, so that most documents are stored without growing.
      document.tokens.reserve(text.bytes / 3 + 8);
      tokenizer.encode(std::string_view(batch.texts).substr(text.begin, text.bytes),
                       /*add_special_tokens=*/false,
                       document.tokens);
      document.tokens.insert(document.tokens.end(), frame.end.begin(), frame.end.end());
      batch.documents.push_back(std::move(document));
    }
    batch.texts = {};
  };
  parallel_in_order(
      threads_or_cores(threads),
      [&] { return texts.next_batch(); },
      tokenise,
      [&](Batch& batch) {
        for (TokenisedDocument& document : batch.documents) split.add(std::move(document));
      });
  for (const TokenisedDocument& document : split.finish()) {
    held_out.add(document.tokens, document.text_bytes);
  }

  if (texts.documents - texts.empty == 0) {
    throw Error("no usable document: {} read, {} of them empty, {} left out for invalid UTF-8",
                texts.documents + texts.skipped,
                texts.empty,
                texts.skipped);
  }
  train.finish();
  held_out.finish();

  DatasetSummary summary;
  summary.name = name;
  summary.documents = texts.documents + texts.skipped;
  summary.duplicates = texts.duplicates;
  summary.skipped = texts.empty + texts.skipped;
  summary.surplus = split.surplus();
  const Shard train_shard = Shard::open(folder / "train");
  summary.train_documents = train_shard.documents();
  summary.train_tokens = train_shard.tokens();
  summary.train_bytes = train_shard.text_bytes();
  summary.train_hash = train_shard.hash();
  const Shard held_out_shard = Shard::open(folder / "held_out");
  summary.held_out_documents = held_out_shard.documents();
  summary.held_out_tokens = held_out_shard.tokens();
  summary.held_out_bytes = held_out_shard.text_bytes();
  summary.held_out_hash = held_out_shard.hash();
  return summary;
}

}  // namespace

void DatasetConfig::check() const {
  if (paths.empty()) throw Error("paths: at least one file, folder or glob is needed");
  if (text_field.empty()) throw Error("text_field: the name of a key or column is needed");
  invalid_utf8_policy(invalid_utf8);
  if (tokens && !(*tokens >= 1 && *tokens <= 1e18)) {
    throw Error("tokens: {}, expected the number of tokens of the whole dataset", *tokens);
  }
}

void CorpusConfig::check() const {
  if (!(held_out >= 0 && held_out <= 0.5)) {
    throw Error("held_out: {}, expected a share of the documents in [0, 0.5]", held_out);
  }
  if (held_out_max_tokens < 1) {
    throw Error("held_out_max_tokens: {}, expected at least 1", held_out_max_tokens);
  }
  // Lengths of texts are stored in 4 bytes.
  if (max_document_bytes < 1 || max_document_bytes > int64_t{1} << 31) {
    throw Error("max_document_bytes: {}, expected 1 to 2^31", max_document_bytes);
  }
}

void to_json(Json& json, const DatasetSummary& s) {
  json = Json{{"name", s.name},
              {"documents", s.documents},
              {"duplicates", s.duplicates},
              {"skipped", s.skipped},
              {"surplus", s.surplus},
              {"train_documents", s.train_documents},
              {"train_tokens", s.train_tokens},
              {"train_bytes", s.train_bytes},
              {"held_out_documents", s.held_out_documents},
              {"held_out_tokens", s.held_out_tokens},
              {"held_out_bytes", s.held_out_bytes},
              {"train_hash", s.train_hash},
              {"held_out_hash", s.held_out_hash}};
}

void from_json(const Json& json, DatasetSummary& s) {
  const auto read = [&](const char* key, auto& field) { json.at(key).get_to(field); };
  read("name", s.name);
  read("documents", s.documents);
  read("duplicates", s.duplicates);
  read("skipped", s.skipped);
  read("surplus", s.surplus);
  read("train_documents", s.train_documents);
  read("train_tokens", s.train_tokens);
  read("train_bytes", s.train_bytes);
  read("held_out_documents", s.held_out_documents);
  read("held_out_tokens", s.held_out_tokens);
  read("held_out_bytes", s.held_out_bytes);
  read("train_hash", s.train_hash);
  read("held_out_hash", s.held_out_hash);
}

std::vector<fs::path> dataset_files(const std::string& name, const DatasetConfig& dataset) {
  std::set<fs::path> files;
  for (const fs::path& path : dataset.paths) {
    const auto found = matching_files(path, is_document_file);
    std::error_code error;
    if (found.empty()) {
      throw Error(
          "datasets.{}.paths: '{}' {}; expected files ending in .jsonl, .json, .txt (also .gz or "
          ".zst "
          "behind), .parquet or .arrow",
          name,
          path.string(),
          std::filesystem::is_directory(path, error) ? "holds no file of a known kind"
                                                     : "matches no file");
    }
    for (const fs::path& file : found) {
      if (!is_document_file(file)) {
        throw Error(
            "datasets.{}.paths: '{}' is of an unknown kind; expected .jsonl, .json, .txt (also .gz "
            "or "
            ".zst behind), .parquet or .arrow",
            name,
            file.string());
      }
    }
    files.insert(found.begin(), found.end());
  }
  return {files.begin(), files.end()};
}

std::string dataset_key(const std::string& name,
                        const DatasetConfig& dataset,
                        const CorpusConfig& corpus,
                        const Tokenizer& tokenizer) {
  const std::vector<fs::path> files = dataset_files(name, dataset);
  std::vector<std::string> hashes(files.size());
  size_t next = 0;
  parallel_in_order(
      threads_or_cores(0),
      [&] { return next < files.size() ? std::optional(next++) : std::nullopt; },
      [&](size_t& i) { hashes[i] = sha256_of_file(files[i]); },
      [](size_t&) {});

  Hasher hasher;
  hasher.field("dataset").field(kCodeVersion).field(name);
  hasher.field(dataset.text_field).field(dataset.invalid_utf8);
  hasher.field(corpus.held_out).field(corpus.held_out_max_tokens);
  const Frame frame = frame_of(tokenizer);
  hasher.field(tokenizer.fingerprint()).field(int64_t{tokenizer.vocabulary_size()});
  for (const auto* part : {&frame.start, &frame.end}) {
    hasher.field(static_cast<int64_t>(part->size()));
    for (int32_t id : *part) hasher.field(int64_t{id});
  }
  hasher.field(int64_t{frame.separator});
  // Where a file lies does not matter, what kind it is does.
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string suffix = format_suffix(files[i]);
    hasher.field(suffix == ".txt" ? ".txt in pieces" : suffix);
    hasher.field(files[i].extension().string()).field(hashes[i]);
  }
  return hasher.hex();
}

DatasetSummary build_dataset(const std::string& name,
                             const DatasetConfig& dataset,
                             const CorpusConfig& corpus,
                             const Tokenizer& tokenizer,
                             const fs::path& folder,
                             Progress& progress,
                             int threads) {
  try {
    return build(name, dataset, corpus, tokenizer, folder, progress, threads);
  } catch (const std::exception&) {
    std::throw_with_nested(Error("dataset '{}' cannot be built", name));
  }
}

}  // namespace demix
