// LaTeX math cut into tokens, for reading answers.
#pragma once

#include <string>
#include <string_view>

namespace demix {

// What the text is not, it is not read as; caught where reading began.
struct UnreadableLatex {};

class LatexTokens {
 public:
  explicit LatexTokens(std::string_view text) : rest_(text) {}

  // The next token without taking it: a command such as \frac or \{, or one byte. Empty at the end.
  // Spaces, \left, \right and thin spaces are passed over.
  std::string_view peek();
  // Takes it; throws UnreadableLatex at the end.
  std::string_view take();
  bool take_if(std::string_view wanted);
  // Throws UnreadableLatex when the next one is another.
  void expect(std::string_view wanted);
  // The next token is one digit, which may begin a number.
  bool at_digit();
  // "12", "1234.5" for 1,234.5, or ".5"; throws UnreadableLatex when there is none or when no digit
  // follows the point. Commas belong to it when exactly three digits follow each.
  std::string take_number();

 private:
  std::string_view rest_;
};

}  // namespace demix
