// Properties of code points, as the parts of the `tokenizers` library see them.
//
// That library mixes Unicode versions (0.23.1: patterns 16, Digits 17, NFC 9), and PCRE2 and
// utf8proc of the system have others again, so the tables are our own, made from the library's
// answers by tools/make_unicode_tables.py. Where they differ from Debian 12's:
//   PCRE2 10.42 (14): about 10,300 letters, marks, digits and symbols assigned since are unassigned
//     there; U+1171E is Mc, before it was Mn.
//   utf8proc 2.8 (15) against NFC (9): marks assigned after 9 keep their places, for example
//     U+0898-089F, U+08CA-08D3, U+1ABF-1ACE, U+10EAB-10EAC, U+1E2EC-1E2EF; new pairs stay apart,
//     for example U+11935 U+11930.
//   Digits (17) against patterns (16): U+11DE0-11DE9, U+16FF4-16FF6.
#pragma once

#include <cstdint>

namespace demix {

// clang-format off
enum class Category : uint8_t {
  Lu, Ll, Lt, Lm, Lo, Mn, Mc, Me, Nd, Nl, No, Pc, Pd, Ps, Pe, Pi,
  Pf, Po, Sm, Sc, Sk, So, Zs, Zl, Zp, Cc, Cf, Co, Cn
};
// clang-format on

// A set of categories, one bit each.
using CategorySet = uint32_t;
constexpr CategorySet set_of(Category category) { return 1u << static_cast<int>(category); }
constexpr CategorySet kLetters = set_of(Category::Lu) | set_of(Category::Ll) |
                                 set_of(Category::Lt) | set_of(Category::Lm) | set_of(Category::Lo);
constexpr CategorySet kMarks = set_of(Category::Mn) | set_of(Category::Mc) | set_of(Category::Me);
constexpr CategorySet kNumbers = set_of(Category::Nd) | set_of(Category::Nl) | set_of(Category::No);

// What a code point is; one byte for the category, one for the rest.
struct CodePointProperties {
  Category category;
  bool space : 1;        // \s
  bool word : 1;         // \w at the borders of added tokens
  bool numeric : 1;      // a digit to the Digits pre-tokenizer
  bool nfc_active : 1;   // NFC may change or move it, or join it to what stands before
  bool nfc_first : 1;    // NFC may join it with what follows, or take it apart before that
  bool punctuation : 1;  // to the Punctuation pre-tokenizer
  // The classes that the known patterns tell apart.
  bool letter : 1;
  bool number : 1;
};

// Two-stage table: the properties of code point c are blocks[block_of[c / 256]][c % 256].
struct UnicodeTable {
  const uint16_t* block_of;
  const CodePointProperties (*blocks)[256];
};
const UnicodeTable& unicode_table();

inline CodePointProperties properties_of(const UnicodeTable& table, char32_t c) {
  return table.blocks[table.block_of[c >> 8]][c & 0xFF];
}
// `c` must be below 0x110000.
inline CodePointProperties properties_of(char32_t c) { return properties_of(unicode_table(), c); }

}  // namespace demix
