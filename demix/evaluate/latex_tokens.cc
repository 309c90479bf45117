#include "demix/evaluate/latex_tokens.h"

#include <algorithm>
#include <array>

namespace demix {
namespace {

constexpr std::array<std::string_view, 10> kSkipped{
    "\\left", "\\right", "\\!", "\\,", "\\;", "\\:", "\\quad", "\\qquad", " ", "\n"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

std::string_view LatexTokens::peek() {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view skipped : kSkipped) {
      if (!rest_.starts_with(skipped)) continue;
      const bool goes_on = rest_.size() > skipped.size() && is_letter(rest_[skipped.size()]);
      if (skipped.size() > 2 && goes_on) continue;  // \leftarrow is not \left
      rest_.remove_prefix(skipped.size());
      again = true;
    }
  }
  if (rest_.empty() || rest_[0] != '\\') return rest_.substr(0, 1);
  size_t size = 1;
  while (size < rest_.size() && is_letter(rest_[size])) ++size;
  return rest_.substr(0, std::max<size_t>(size, 2));
}

std::string_view LatexTokens::take() {
  const std::string_view taken = peek();
  if (taken.empty()) throw UnreadableLatex();
  rest_.remove_prefix(taken.size());
  return taken;
}

bool LatexTokens::take_if(std::string_view wanted) {
  if (peek() != wanted) return false;
  take();
  return true;
}

void LatexTokens::expect(std::string_view wanted) {
  if (!take_if(wanted)) throw UnreadableLatex();
}

bool LatexTokens::at_digit() {
  const std::string_view next = peek();
  return !next.empty() && is_digit(next[0]);
}

std::string LatexTokens::take_number() {
  std::string number;
  while (at_digit()) number += take();
  while (!number.empty() && rest_.size() >= 4 && rest_[0] == ',' && is_digit(rest_[1]) &&
         is_digit(rest_[2]) && is_digit(rest_[3]) && (rest_.size() == 4 || !is_digit(rest_[4]))) {
    number += rest_.substr(1, 3);
    rest_.remove_prefix(4);
  }
  if (take_if(".")) {
    number += '.';
    if (!at_digit()) throw UnreadableLatex();
    while (at_digit()) number += take();
  }
  if (number.empty()) throw UnreadableLatex();
  return number;
}

}  // namespace demix
