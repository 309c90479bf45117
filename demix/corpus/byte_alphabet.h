// GPT-2's alphabet of 256 characters, one for each byte, in which byte-level vocabularies are
// written.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace demix {

// The character that stands for `byte`, in UTF-8.
std::string symbol_of_byte(unsigned char byte);

std::string symbols_of_bytes(std::string_view bytes);

// The bytes that `symbols`, valid UTF-8, stand for; nothing if a character is not in the alphabet.
std::optional<std::string> bytes_of_symbols(std::string_view symbols);

}  // namespace demix
