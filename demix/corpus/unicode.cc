#include "demix/corpus/unicode.h"

#include <array>
#include <cstring>
#include <map>
#include <string_view>
#include <vector>

#include "demix/core/error.h"

namespace demix {
namespace {

struct CodePointRange {
  char32_t low, high;
};
#include "demix/corpus/unicode_tables.inc"

constexpr char32_t kCodePoints = 0x110000;
constexpr std::string_view kCategoryNames =
    "LuLlLtLmLoMnMcMeNdNlNoPcPdPsPePiPfPoSmScSkSoZsZlZpCcCfCoCn";

std::vector<CodePointProperties> all_properties() {
  std::vector<CodePointProperties> all(kCodePoints);
  size_t next = 0;
  for (const char* at = kCategoryRuns; *at != '\0'; at += 2) {
    size_t count = 0;
    for (; *at >= '0' && *at <= '9'; ++at) count = 10 * count + static_cast<size_t>(*at - '0');
    const auto category = static_cast<Category>(kCategoryNames.find(std::string_view(at, 2)) / 2);
    const CategorySet set = set_of(category);
    CodePointProperties properties{};
    properties.category = category;
    properties.letter = (set & kLetters) != 0;
    properties.number = properties.numeric = (set & kNumbers) != 0;
    properties.word = (set & (kLetters | kMarks)) != 0 || category == Category::Nd ||
                      category == Category::Nl || category == Category::Pc;
    DEMIX_CHECK(count <= all.size() - next);
    for (; count > 0; --count) all[next++] = properties;
  }
  DEMIX_CHECK(next == all.size());
  const auto mark = [&all](const auto& ranges, auto set) {
    for (const auto& [low, high] : ranges) {
      for (char32_t c = low; c <= high; ++c) set(all[c]);
    }
  };
  mark(kSpaces, [](CodePointProperties& p) { p.space = true; });
  mark(kOtherWords, [](CodePointProperties& p) { p.word = true; });
  mark(kOtherNumbers, [](CodePointProperties& p) { p.numeric = true; });
  mark(kPunctuation, [](CodePointProperties& p) { p.punctuation = true; });
  mark(kNfcActive, [](CodePointProperties& p) { p.nfc_active = true; });
  mark(kNfcFirst, [](CodePointProperties& p) { p.nfc_first = true; });
  return all;
}

using Block = std::array<CodePointProperties, 256>;
static_assert(sizeof(CodePointProperties) == 2 && sizeof(Block) == 512);

struct Storage {
  std::array<uint16_t, kCodePoints / 256> block_of;
  std::vector<Block> blocks;
  UnicodeTable table;

  Storage() {
    const std::vector<CodePointProperties> all = all_properties();
    std::map<std::string_view, uint16_t> known;
    for (size_t i = 0; i < block_of.size(); ++i) {
      const CodePointProperties* begin = &all[i * 256];
      const std::string_view bytes(reinterpret_cast<const char*>(begin), sizeof(Block));
      const auto [found, is_new] = known.try_emplace(bytes, static_cast<uint16_t>(blocks.size()));
      if (is_new) std::memcpy(blocks.emplace_back().data(), begin, sizeof(Block));
      block_of[i] = found->second;
    }
    table = {block_of.data(),
             reinterpret_cast<const CodePointProperties(*)[256]>(blocks.data()->data())};
  }
};

}  // namespace

const UnicodeTable& unicode_table() {
  static const Storage storage;
  return storage.table;
}

}  // namespace demix
