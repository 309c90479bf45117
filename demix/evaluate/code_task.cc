#include "demix/evaluate/code_task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace demix {

std::string humaneval_program(std::string_view prompt,
                              std::string_view completion,
                              std::string_view test,
                              std::string_view entry_point) {
  return fmt::format("{}{}\n{}\ncheck({})", prompt, completion, test, entry_point);
}

std::string mbpp_program(std::string_view code,
                         std::span<const std::string> tests,
                         std::string_view setup) {
  return fmt::format("{}\n{}{}{}", code, setup, setup.empty() ? "" : "\n", fmt::join(tests, "\n"));
}

std::string_view before_code_fence(std::string_view generated) {
  return generated.substr(0, generated.find("```"));
}

}  // namespace demix
