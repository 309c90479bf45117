// Answers to GSM8K as lm-evaluation-harness 0.4.13 takes them from a generated text and compares
// them (tasks/gsm8k/gsm8k.yaml).
#pragma once

#include <string>
#include <string_view>

namespace demix {

// What both extractions give when nothing is found. No gold answer equals it.
inline constexpr std::string_view kNoGsm8kAnswer = "[invalid]";

// strict-match: the number behind the first "#### ", as it is written: "#### (\-?[0-9\.\,]+)".
std::string gsm8k_strict_answer(std::string_view generated);

// flexible-extract: the last thing that looks like a number: "(-?[$0-9.,]{2,})|(-?[0-9]+)". A full
// stop behind it belongs to it; the comparison drops one.
std::string gsm8k_flexible_answer(std::string_view generated);

// What is compared: `answer` without commas, dollar signs, all up to the last "#### ", one full
// stop at the end, and capitals (of ASCII). Takes gold answers with their solution too.
std::string normalized_gsm8k_answer(std::string_view answer);

// Whether an extracted answer is the gold one, which may have its solution in front: exact_match.
bool gsm8k_answers_equal(std::string_view extracted, std::string_view gold);

}  // namespace demix
