// Speed and memory of the corpus stage: reading, tokenising, the whole way to shards, and the
// stream.
//
//     cmake --build --preset release --target bench_corpus
//     build/release/bench_corpus TOKENIZER FILE... [--threads N]
//
// Every FILE is one dataset. Prints megabytes of text per second of processor time (which other
// programs on the machine disturb less than the clock on the wall) for reading alone, tokenising
// alone and the whole of build_dataset; the tokenizer's share of the whole; wall time;
// the peak of resident memory; then the stream's tokens per second and the time of a seek to the
// end of three epochs.
#include "demix/corpus/corpus.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/progress.h"
#include "demix/corpus/readers.h"
#include "demix/corpus/stream.h"
#include "demix/corpus/tokenizer.h"

namespace {

namespace fs = std::filesystem;

double cpu_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
double wall_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
long peak_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

void run(const std::vector<std::string>& arguments) {
  std::vector<std::string> files;
  int threads = 0;
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "--threads" && i + 1 < arguments.size()) {
      threads = std::stoi(arguments[++i]);
    } else {
      files.push_back(arguments[i]);
    }
  }
  if (files.empty()) throw demix::Error("usage: TOKENIZER FILE... [--threads N]");
  const auto tokenizer = demix::Tokenizer::load(arguments[0]);
  const fs::path folder = fs::temp_directory_path() / fmt::format("bench_corpus.{}", ::getpid());

  fmt::print("{:28} {:>8} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9}\n",
             "dataset",
             "MB text",
             "read",
             "tokenise",
             "whole",
             "share",
             "wall s",
             "peak MB");
  std::vector<demix::MixedStream::Source> sources;
  double total_mb = 0, total_cpu_s = 0, total_wall_s = 0;
  for (const std::string& file : files) {
    const std::string name = fs::path(file).filename().string();
    double begin = cpu_s(), bytes = 0;
    {
      const auto reader = demix::open_documents(file, {});
      while (const auto text = reader->next()) bytes += static_cast<double>(text->size());
    }
    const double mb = bytes / 1e6, read_s = cpu_s() - begin;

    double tokenise_s = 0;
    std::vector<int32_t> ids;
    const auto reader = demix::open_documents(file, {});
    while (const auto text = reader->next()) {
      ids.clear();
      begin = cpu_s();
      tokenizer.encode(*text, false, ids);
      tokenise_s += cpu_s() - begin;
    }

    demix::DatasetConfig dataset;
    dataset.paths = {file};
    begin = cpu_s();
    const double begin_wall = wall_s();
    demix::DatasetSummary summary;
    {
      demix::Progress progress(name, static_cast<int64_t>(fs::file_size(file)), "bytes");
      summary =
          demix::build_dataset(name, dataset, {}, tokenizer, folder / name, progress, threads);
    }
    const double whole_s = cpu_s() - begin;
    fmt::print("{:28} {:8.1f} {:9.0f} {:9.1f} {:9.1f} {:9.2f} {:8.2f} {:9}\n",
               name,
               mb,
               mb / read_s,
               mb / tokenise_s,
               mb / whole_s,
               tokenise_s / whole_s,
               wall_s() - begin_wall,
               peak_mb());
    total_mb += mb;
    total_cpu_s += whole_s;
    total_wall_s += wall_s() - begin_wall;
    sources.push_back({name,
                       demix::Shard::open(folder / name / "train"),
                       1.0 / static_cast<double>(files.size())});
  }
  fmt::print("all: {:.1f} MB, {:.1f} MB per processor second, {:.1f} MB/s on the wall\n",
             total_mb,
             total_mb / total_cpu_s,
             total_mb / total_wall_s);

  constexpr int64_t kLength = 1024;
  int64_t tokens = 0, documents = 0;
  for (const auto& source : sources) {
    tokens += source.shard.tokens();
    documents += source.shard.documents();
  }
  demix::MixedStream stream(sources, 1, kLength);
  double begin = cpu_s();
  const int64_t rows = 3 * tokens / kLength;
  for (int64_t row = 0; row < rows; row += 32) stream.next(32);
  const double read_s = cpu_s() - begin;
  demix::MixedStream sought(sources, 1, kLength);
  begin = cpu_s();
  sought.seek(rows);
  sought.next(static_cast<int64_t>(sources.size()));
  fmt::print("stream: {} tokens in {} documents; {:.0f}M tokens/s; a seek to row {} {:.3f} s\n",
             tokens,
             documents,
             static_cast<double>(stream.row() * kLength) / read_s / 1e6,
             rows,
             cpu_s() - begin);
  fs::remove_all(folder);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_corpus: %s\n", demix::error_chain(error).c_str());
    return 1;
  }
}
