// Answers to MATH as lm-evaluation-harness 0.4.13 takes them from a text and normalises them
// (tasks/minerva_math/utils.py, after appendix D of Lewkowycz et al., arXiv 2206.14858).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace demix {

inline constexpr std::string_view kNoMathAnswer = "[invalidanswer]";

// What stands between "Final Answer: The final answer is" and ". I hope it is correct.", as it is
// written; kNoMathAnswer when nothing does.
std::string generated_math_answer(std::string_view generated);

// The contents of a solution's last \boxed{…}, or of its last "\boxed …" with a blank behind it if
// there is one, as it is written; nothing when there is none or its braces do not close.
std::optional<std::string> boxed_math_answer(std::string_view solution);

// Without units, words, spaces, dollar signs, \text and thousands separators, and with braces
// around arguments: "$\frac12\text{ cm}$" becomes "\frac{1}{2}". For the answer of a text and for
// the gold answer alike.
std::string normalized_math_answer(std::string_view answer);

}  // namespace demix
