// Encodes texts and takes the time:
//     demix_tokenize TOKENIZER TEXTS IDS [--special] [--words] [--repeats N]
// TEXTS holds records of a little-endian uint32 length and that many bytes; IDS gets records of a
// uint32 count and that many int32. With --words, IDS gets the bytes of each word that the
// pre-tokenizer makes, without added tokens and normalizer. Prints the processor seconds of each
// repeat. Used by tokenizer.py and random_files.py here and by bench/bench_tokenizer.py.
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "demix/core/error.h"
#include "demix/corpus/tokenizer.h"
#include "demix/corpus/tokenizer_file.h"

namespace {

std::vector<std::string_view> records(std::string_view data) {
  std::vector<std::string_view> texts;
  while (!data.empty()) {
    uint32_t size = 0;
    if (data.size() < sizeof size) throw demix::Error("TEXTS ends within a length");
    std::memcpy(&size, data.data(), sizeof size);
    data.remove_prefix(sizeof size);
    if (size > data.size()) throw demix::Error("TEXTS ends within a text");
    texts.push_back(data.substr(0, size));
    data.remove_prefix(size);
  }
  return texts;
}

void run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3)
    throw demix::Error("usage: TOKENIZER TEXTS IDS [--special] [--words] [--repeats N]");
  bool special = false;
  bool words = false;
  int repeats = 1;
  for (size_t i = 3; i < arguments.size(); ++i) {
    if (arguments[i] == "--special") special = true;
    if (arguments[i] == "--words") words = true;
    if (arguments[i] == "--repeats" && i + 1 < arguments.size())
      repeats = std::stoi(arguments[++i]);
  }
  const auto tokenizer = demix::Tokenizer::load(arguments[0]);
  std::vector<demix::PreTokenizer::Step> steps;
  if (words) steps = demix::read_tokenizer_file(arguments[0]).pre_tokenizer;
  const demix::PreTokenizer pre_tokenizer(std::move(steps));
  std::ifstream input(arguments[1], std::ios::binary);
  if (!input) throw demix::Error("{}: cannot be read", arguments[1]);
  const std::string data{std::istreambuf_iterator<char>(input), {}};
  const std::vector<std::string_view> texts = records(data);

  std::vector<int32_t> ids;
  std::vector<uint32_t> counts;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    ids.clear();
    counts.clear();
    const std::clock_t begin = std::clock();
    for (const std::string_view text : texts) {
      const size_t before = ids.size();
      if (words) {
        pre_tokenizer.split(text, [&ids](std::string_view word) {
          ids.push_back(static_cast<int32_t>(word.size()));
        });
      } else {
        tokenizer.encode(text, special, ids);
      }
      counts.push_back(static_cast<uint32_t>(ids.size() - before));
    }
    std::printf("%.6f\n", static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  }

  std::ofstream output(arguments[2], std::ios::binary);
  const int32_t* next = ids.data();
  for (const uint32_t count : counts) {
    output.write(reinterpret_cast<const char*>(&count), sizeof count);
    output.write(reinterpret_cast<const char*>(next), count * sizeof *next);
    next += count;
  }
  if (!output.flush()) throw demix::Error("{}: cannot be written", arguments[2]);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "demix_tokenize: %s\n", demix::error_chain(error).c_str());
    return 1;
  }
}
