// Judges answers and programs, one JSON object a line from standard input, one verdict a line to
// standard output:
//     {"kind": "gsm8k", "generated": …, "gold": …}    {"strict": …, "flexible": …, "strict_match":
//     true, …}
//     {"kind": "math", "generated": …, "gold": …}     {"answer": …, "gold": …, "exact_match": true,
//     …}
//     {"kind": "math_pair", "answer": …, "gold": …}   both normalised already
//     {"kind": "program", "program": …}               {"outcome": "passed", "reason": …}
// A gold answer of "math" is the solution with its \boxed answer. Used by answers.py and
// programs.py.
#include "demix/evaluate/judge.h"

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/json.h"
#include "demix/evaluate/answer_filters.h"
#include "demix/evaluate/math_answer.h"
#include "demix/evaluate/math_equal.h"
#include "demix/evaluate/sandbox.h"

namespace {

using demix::Json;

Json judge_gsm8k(const std::string& generated, const std::string& gold) {
  static const demix::AnswerComparison comparison(demix::gsm8k_rules());
  const auto verdicts = comparison.compare(generated, std::vector{gold});
  return {{"strict", verdicts[0].extracted},
          {"flexible", verdicts[1].extracted},
          {"strict_match", verdicts[0].right},
          {"flexible_match", verdicts[1].right}};
}

Json judge_math(const std::string& answer, const std::string& gold) {
  return {{"answer", answer},
          {"gold", gold},
          {"exact_match", demix::math_exact_match(answer, gold)},
          {"equivalent", demix::math_equivalent(answer, gold)}};
}

Json judge(const Json& row) {
  const std::string kind = row.at("kind");
  if (kind == "gsm8k") return judge_gsm8k(row.at("generated"), row.at("gold"));
  if (kind == "math_pair") return judge_math(row.at("answer"), row.at("gold"));
  if (kind == "math") {
    const std::string solution = row.at("gold");
    const auto gold = demix::boxed_math_answer(solution);
    if (!gold) throw demix::Error("no boxed answer in '{}'", demix::printable(solution));
    const std::string generated = row.at("generated");
    return judge_math(demix::normalized_math_answer(demix::generated_math_answer(generated)),
                      demix::normalized_math_answer(*gold));
  }
  throw demix::Error("unknown kind '{}'", kind);
}

void run() {
  std::vector<std::string> programs;
  for (std::string line; std::getline(std::cin, line);) {
    const Json row = Json::parse(line);
    if (row.at("kind") == "program") {
      programs.push_back(row.at("program"));
    } else {
      std::cout << judge(row).dump() << '\n';
    }
  }
  if (programs.empty()) return;
  for (const demix::ProgramResult& result : demix::run_programs(programs)) {
    const Json verdict{{"outcome", demix::outcome_name(result.outcome)},
                       {"reason", result.reason},
                       {"wall_s", result.wall_s}};
    std::cout << verdict.dump() << '\n';
  }
}

}  // namespace

int main() {
  try {
    run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "parity_judge: %s\n", demix::error_chain(error).c_str());
    return 1;
  }
}
