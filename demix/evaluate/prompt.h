// Prompts as data: text with {placeholders} over the fields of a data row.
//
//   "Question: {question}\nAnswer:"           a field
//   "{choices.text[0]}"                       a member, an element of a list
//   "{sentence|before:_}{option1}"            transforms, applied from left to right
//   "{{" and "}}"                             braces
//
// Transforms:
//   strip             without blanks at both ends; strip_left: at the left end
//   capitalize        first letter upper, the others lower case
//   words             "_" becomes a blank
//   before:TEXT       what precedes the first TEXT; after:TEXT what follows it
//   before_last:TEXT  what precedes the last TEXT; after_last:TEXT what follows it
//   wikihow           HellaSwag's cleaning: " [title]" becomes ". ", other [brackets] go, double
//                     spaces single
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "demix/core/json.h"

namespace demix {

class Transform {
 public:
  // `text` such as "strip" or "before:_". Throws Error, starting with `where`, when there is none
  // of this name.
  static Transform parse(std::string_view text, const std::string& where);
  // Throws Error, starting with `place`, when a searched text is missing.
  std::string apply(std::string_view text, const std::string& place) const;

 private:
  std::string name_, argument_;
};

class Prompt {
 public:
  // Throws Error, starting with `where` ("tasks/a.yaml:3: context"), on unbalanced braces, bad
  // paths and unknown transforms.
  static Prompt parse(std::string_view text, const std::string& where);

  // Throws Error naming prompt and `place` ("a.jsonl: row 3") when the row lacks a field or holds
  // no text there. Numbers become decimal text.
  std::string render(const Json& row, const std::string& place) const;

  // Whether this is one placeholder where the row has text rather than a number.
  bool is_text(const Json& row, const std::string& place) const;

  // If this is one placeholder without transforms and the row has a list there: the texts in that
  // list, else the one rendered text.
  std::vector<std::string> render_list(const Json& row, const std::string& place) const;

 private:
  struct Step {  // of a path: a member, or an element where `member` is empty
    std::string member;
    size_t index = 0;
  };
  struct Part {
    std::string literal;  // text before the placeholder
    std::vector<Step> path;
    std::vector<Transform> transforms;
  };
  const Json& find(const Part& part, const Json& row, const std::string& place) const;

  std::string where_;
  std::vector<Part> parts_;
  std::string tail_;  // text behind the last placeholder
};

}  // namespace demix
