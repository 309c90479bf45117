// Rows of lm-evaluation-harness' task files made into what a model is asked, by the rules of the
// harness 0.4.13 (ConfigurableTask in api/task.py).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "demix/core/json.h"
#include "demix/evaluate/jinja.h"

namespace demix {

// doc_to_text and its like: the field of this name where the row has one, else a template.
class HarnessText {
 public:
  // Throws Error, starting with `where`, where the template is not read here.
  HarnessText(const std::string& text, const std::string& where);

  // Throws Error where the row has no such field, or no value for the template.
  Json value(const Json& row, const std::string& place) const;
  // For a description: a word that is no field stands for itself.
  std::string text(const Json& row, const std::string& place) const;

  bool names_field_of(const Json& row) const;
  bool is_constant() const;
  const std::string& where() const { return where_; }

 private:
  std::string text_, where_;
  JinjaTemplate template_;
};

// doc_to_choice: written out, or a text that gives a list.
struct HarnessChoices {
  std::vector<std::string> listed;
  std::optional<HarnessText> computed;
  std::string where;

  std::vector<std::string> of(const Json& row, const std::string& place) const;
};

// How a document is asked about; of an example or of the one that is tested.
struct HarnessPrompts {
  std::optional<HarnessText> text;
  std::optional<HarnessText> target;
  std::shared_ptr<const Json> fixed_target;  // a number or list written as such
  std::optional<HarnessChoices> choices;
  std::optional<HarnessText> generated_prefix;
  std::string target_delimiter = " ", example_delimiter = "\n\n";
};

// What the harness makes of a row.
struct HarnessDocument {
  std::string context;  // with the generated prefix
  bool has_prefix = false;
  std::vector<std::string> choices;
  std::optional<int64_t> gold;       // of the choices
  std::vector<std::string> targets;  // texts; the first is what examples show
};
// Throws Error naming place and the task file's line where the row does not fit.
HarnessDocument harness_document(const HarnessPrompts& prompts,
                                 const Json& row,
                                 const std::string& place);

// The document's context with an answer behind it: after the target delimiter, or after the
// generated prefix and a blank.
std::string harness_answered(const HarnessPrompts& prompts,
                             const HarnessDocument& document,
                             const std::string& answer);

// An example in front of other prompts, with its delimiter.
std::string harness_example(const HarnessPrompts& prompts,
                            const Json& row,
                            const std::string& place);

}  // namespace demix
