#include "demix/evaluate/jinja.h"

#include <gtest/gtest.h>

#include "demix/core/error.h"

namespace demix {
namespace {

constexpr const char* kPlace = "a.yaml:3: doc_to_text";

std::string prompt(std::string_view text) { return prompt_of_jinja(text, kPlace); }

std::string message(std::string_view text) {
  try {
    return "no error, but " + prompt(text);
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Jinja, TextFieldsMembersAndElementsAreTranslated) {
  EXPECT_EQ(prompt("Question: {{question}}\nAnswer:"), "Question: {question}\nAnswer:");
  EXPECT_EQ(prompt("A. {{ choices['text'][0] }} {{choices.text[12]}}"),
            "A. {choices.text[0]} {choices.text[12]}");
  EXPECT_EQ(prompt(""), "");
  EXPECT_EQ(prompt("{a} }} {{b}}"), "{{a}} }}}} {b}");
  EXPECT_EQ(prompt("{{'{x}'}}"), "{{x}}");
}

TEST(Jinja, FiltersAndMethodsBecomeTransforms) {
  EXPECT_EQ(prompt("{{a|trim}}{{a.b.strip()}}{{a.lstrip()|capitalize}}"),
            "{a|strip}{a.b|strip}{a|strip_left|capitalize}");
}

TEST(Jinja, ListsAndIndicesAreFoundWhereTheyAreAllThereIs) {
  EXPECT_EQ(list_of_jinja("{{[a, b.c, 'x']}}", kPlace),
            (std::vector<std::string>{"{a}", "{b.c}", "x"}));
  EXPECT_FALSE(list_of_jinja("{{choices.text}}", kPlace));
  EXPECT_FALSE(list_of_jinja("x {{[a]}}", kPlace));
  const auto index = index_of_jinja("{{choices.label.index(answerKey.lstrip())}}", kPlace);
  ASSERT_TRUE(index);
  EXPECT_EQ(index->list, "{choices.label}");
  EXPECT_EQ(index->value, "{answerKey|strip_left}");
  EXPECT_FALSE(index_of_jinja("{{label}}", kPlace));
}

TEST(Jinja, EverythingElseIsRefusedWithItsPlace) {
  EXPECT_EQ(message("{% if a %}b{% endif %}"),
            "a.yaml:3: doc_to_text: '{%' begins a statement of Jinja, which is not read here; "
            "write a task file of demix instead (docs/adding.md)");
  EXPECT_EQ(message("{{a|upper}}"),
            "a.yaml:3: doc_to_text: unknown filter 'upper' in '{{a|upper}}'; known are trim, "
            "capitalize");
  EXPECT_EQ(message("{{a.split(' ')}}"),
            "a.yaml:3: doc_to_text: unknown method 'split' in '{{a.split(' ')}}'; known are strip, "
            "lstrip, capitalize");
  EXPECT_EQ(message("{{a"), "a.yaml:3: doc_to_text: '{{' without '}}' in '{{a'");
  for (const char* text : {"{{a + b}}",
                           "{{(label|int) - 1}}",
                           "{{}}",
                           "{{a[}}",
                           "{{a['b}}",
                           "{{'a\\n'}}",
                           "{{a|trim.b}}",
                           "{{a.strip(x)}}",
                           "{{a.index(b)}}",
                           "{{[a, b]}}",
                           "{{-a}}",
                           "{{a['b.c']}}",
                           "{{a[1:]}}"})
    EXPECT_NE(message(text).find("is beyond the part of Jinja that is read here"),
              std::string::npos)
        << text << ": " << message(text);
}

}  // namespace
}  // namespace demix
