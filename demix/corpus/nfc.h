// Unicode normalization form C, as the `tokenizers` library applies it.
#pragma once

#include <string>
#include <string_view>

namespace demix {

// True when normalize_nfc(text) == text is plain from the code points alone; false may be either.
// `text` must be valid UTF-8.
bool is_surely_nfc(std::string_view text);

// `text`, valid UTF-8, in form C of Unicode 9: what was assigned later stays as it is.
std::string normalize_nfc(std::string_view text);

}  // namespace demix
