// The corpus of tests/data/fuzz, and mutations of it that are the same in every run, for compilers
// without libFuzzer. Under the sanitizers in `make test`.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "demix/core/files.h"
#include "demix/core/rng.h"
#include "tests/fuzz/targets.h"

namespace demix {
namespace {

std::vector<std::string> corpus_of(std::string_view target) {
  std::vector<std::filesystem::path> paths;
  const auto folder = std::filesystem::path(DEMIX_SOURCE_DIR) / "tests/data/fuzz" / target;
  for (const auto& file : std::filesystem::directory_iterator(folder)) paths.push_back(file.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) corpus.push_back(read_file(path));
  return corpus;
}

// One to four small changes: a byte, a cut, a repetition, a piece of another input, another length.
std::string mutated(std::string input, const std::vector<std::string>& corpus, Rng& rng) {
  for (uint64_t changes = 1 + rng.below(4); changes > 0; --changes) {
    const size_t place = rng.below(input.size() + 1);
    const size_t length = rng.below(std::min<size_t>(input.size() - place, 16) + 1);
    switch (rng.below(5)) {
      case 0:
        if (place < input.size()) input[place] = static_cast<char>(rng.below(256));
        break;
      case 1:
        input.erase(place, length);
        break;
      case 2:
        input.insert(place, input.substr(place, length));
        break;
      case 3: {
        const std::string& other = corpus[rng.below(corpus.size())];
        const size_t from = rng.below(other.size() + 1);
        input.insert(place, other.substr(from, rng.below(32)));
        break;
      }
      default:
        // The length of a safetensors file's header follows the changes.
        if (input.size() >= 8)
          for (int i = 0; i < 8; ++i) input[i] = static_cast<char>((input.size() - 8) >> (8 * i));
    }
  }
  return input;
}

void replay(std::string_view name, int mutations) {
  const auto targets = fuzz_targets();
  const auto target = std::find_if(
      targets.begin(), targets.end(), [name](const auto& known) { return known.name == name; });
  ASSERT_NE(target, targets.end());
  const std::vector<std::string> corpus = corpus_of(name);
  ASSERT_GT(corpus.size(), 5u);
  const auto run = [&](const std::string& input) {
    target->run({reinterpret_cast<const unsigned char*>(input.data()), input.size()});
  };
  for (const std::string& input : corpus) ASSERT_NO_THROW(run(input));
  Rng rng = Rng(1).stream(name);
  for (int i = 0; i < mutations; ++i)
    ASSERT_NO_THROW(run(mutated(corpus[rng.below(corpus.size())], corpus, rng)))
        << "mutation " << i;
}

TEST(Fuzz, SafetensorsFilesAreReadOrRefused) { replay("safetensors", 20'000); }
TEST(Fuzz, IndexesAreReadOrRefused) { replay("index", 20'000); }
TEST(Fuzz, TaskFilesAreReadOrRefused) { replay("task_file", 2'000); }
TEST(Fuzz, TemplatesAreFilledOrRefused) { replay("jinja", 5'000); }
TEST(Fuzz, ExpressionsAreMatchedOrRefused) { replay("regex", 5'000); }
TEST(Fuzz, AnswersAreJudged) { replay("answer", 2'000); }

}  // namespace
}  // namespace demix
