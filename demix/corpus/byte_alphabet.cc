#include "demix/corpus/byte_alphabet.h"

#include <array>

#include "demix/corpus/utf8.h"

namespace demix {
namespace {

struct Alphabet {
  static constexpr char32_t kEnd = 0x144;  // no symbol is as large
  std::array<char32_t, 256> symbol_of{};
  std::array<int16_t, kEnd> byte_of{};  // -1: not a symbol
};

// Printable ASCII and Latin-1 stand for themselves, the other bytes for U+0100, U+0101, …
constexpr Alphabet kAlphabet = [] {
  Alphabet alphabet;
  alphabet.byte_of.fill(-1);
  char32_t next = 256;
  for (char32_t b = 0; b < 256; ++b) {
    const bool itself =
        (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
    alphabet.symbol_of[b] = itself ? b : next++;
    alphabet.byte_of[alphabet.symbol_of[b]] = static_cast<int16_t>(b);
  }
  return alphabet;
}();

}  // namespace

std::string symbols_of_bytes(std::string_view bytes) {
  std::string symbols;
  symbols.reserve(2 * bytes.size());
  for (const char byte : bytes) {
    append_utf8(kAlphabet.symbol_of[static_cast<unsigned char>(byte)], symbols);
  }
  return symbols;
}

std::string symbol_of_byte(unsigned char byte) {
  const char one = static_cast<char>(byte);
  return symbols_of_bytes({&one, 1});
}

std::optional<std::string> bytes_of_symbols(std::string_view symbols) {
  std::string bytes;
  for (size_t i = 0; i < symbols.size();) {
    const auto [value, size] = decode_utf8(&symbols[i]);
    if (value >= Alphabet::kEnd || kAlphabet.byte_of[value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byte_of[value]));
    i += size;
  }
  return bytes;
}

}  // namespace demix
