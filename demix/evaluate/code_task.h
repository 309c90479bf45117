// The programs that decide whether a generated function is right, put together as
// lm-evaluation-harness 0.4.13 does (tasks/humaneval, tasks/mbpp with code_eval). sandbox.h runs
// them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace demix {

// HumanEval: `completion` goes on where `prompt` ends; `test` defines check(candidate).
std::string humaneval_program(std::string_view prompt,
                              std::string_view completion,
                              std::string_view test,
                              std::string_view entry_point);

// MBPP: `code` is the whole answer, `tests` are assertions. `setup` is test_setup_code, which the
// harness leaves out, so that the few tasks that have one cannot be solved there; test_imports of
// the sanitized edition belong there too, joined by line breaks.
std::string mbpp_program(std::string_view code,
                         std::span<const std::string> tests,
                         std::string_view setup = "");

// What a chat model wrote up to the end of the code block that the prompt opened: all before the
// first "```", or everything.
std::string_view before_code_fence(std::string_view generated);

}  // namespace demix
