// Regular expressions as Python's `re` reads and matches them: those of lm-evaluation-harness'
// filters.
//
// Read: literals, '.', classes, \d \s \w \D \S \W \b \B \A \Z ^ $, groups, named groups, (?:…),
// (?i…)
// (?s…) (?m…) at the beginning and for a group, lookahead, lookbehind of one width, '|', greedy and
// lazy repetitions. Refused by name: references to groups, conditions, atomic groups, possessive
// repetitions, verbose expressions, \N{…}, groups within a lookaround.
//
// A place of the text is never tried twice by the same part of the expression, so matching takes
// time and memory proportional to their product, whatever the expression; a lookaround may in
// addition read the rest of the text at each place. Beyond bounds (30 million steps, part of a
// second) matching throws Error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace demix {

struct RegexProgram;

class PythonRegex {
 public:
  // Throws Error naming the construct and its place when it is wrong or not read here.
  explicit PythonRegex(std::string_view pattern);

  // re.findall: of each match the whole text where there are no groups, else the groups' texts,
  // empty where a group took no part. Bytes that are not UTF-8 are seen as U+FFFD.
  std::vector<std::vector<std::string>> find_all(std::string_view text) const;
  // re.sub with a text that is no template.
  std::string replace(std::string_view text, std::string_view by) const;

  int groups() const;
  // Of the steps that matching a text of so many bytes can take, roughly the most.
  size_t cost(size_t text_bytes) const;

 private:
  std::shared_ptr<const RegexProgram> program_;
};

}  // namespace demix
