#include "demix/evaluate/gsm8k_answer.h"

#include <algorithm>

#include "demix/evaluate/text.h"

namespace demix {
namespace {

constexpr std::string_view kMark = "#### ";
constexpr std::string_view kDigits = "0123456789";

// How many characters of `text` from `begin` on are one of `set`.
size_t run_length(std::string_view text, size_t begin, std::string_view set) {
  return std::min(text.find_first_not_of(set, begin), text.size()) - begin;
}

}  // namespace

std::string gsm8k_strict_answer(std::string_view generated) {
  for (size_t mark = generated.find(kMark); mark != std::string_view::npos;
       mark = generated.find(kMark, mark + 1)) {
    const size_t begin = mark + kMark.size();
    const size_t sign = generated.substr(begin).starts_with('-') ? 1 : 0;
    const size_t digits = run_length(generated, begin + sign, "0123456789.,");
    if (digits > 0) return std::string(generated.substr(begin, sign + digits));
  }
  return std::string(kNoGsm8kAnswer);
}

std::string gsm8k_flexible_answer(std::string_view generated) {
  std::string_view last = kNoGsm8kAnswer;
  for (size_t i = 0; i < generated.size();) {
    const size_t sign = generated[i] == '-' ? 1 : 0;
    size_t length = run_length(generated, i + sign, "$0123456789.,");
    if (length < 2) length = run_length(generated, i + sign, kDigits);
    if (length == 0) {
      ++i;
      continue;
    }
    last = generated.substr(i, sign + length);
    i += sign + length;
  }
  return std::string(last);
}

std::string normalized_gsm8k_answer(std::string_view answer) {
  std::string text = replace_all(replace_all(answer, ",", ""), "$", "");
  if (const size_t mark = text.rfind(kMark); mark != std::string::npos)
    text.erase(0, mark + kMark.size());
  // Python's "$" also stands before a line break at the end.
  const size_t end = text.ends_with('\n') ? text.size() - 1 : text.size();
  if (text.ends_with('.')) {
    text.pop_back();
  } else if (end > 0 && text[end - 1] == '.') {
    text.erase(end - 1, 1);
  }
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  return text;
}

bool gsm8k_answers_equal(std::string_view extracted, std::string_view gold) {
  return normalized_gsm8k_answer(extracted) == normalized_gsm8k_answer(gold);
}

}  // namespace demix
