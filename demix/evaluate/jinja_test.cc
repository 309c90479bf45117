#include "demix/evaluate/jinja.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "demix/core/error.h"

namespace demix {
namespace {

constexpr const char* kPlace = "a.yaml:3: doc_to_text";

const Json& row() {
  static const Json value = {{"q", " Why? "},
                             {"n", 3},
                             {"none", nullptr},
                             {"truth", true},
                             {"real", 2.0},
                             {"letters", {"a", "b", "c"}},
                             {"choices", {{"text", {"so", "don't"}}, {"label", {"A", "B"}}}}};
  return value;
}

std::string filled(std::string_view text) {
  return JinjaTemplate::parse(text, kPlace).render(row(), "t.jsonl: row 1");
}

std::string message(std::string_view text) {
  try {
    return "no error, but " + filled(text);
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Jinja, FieldsMembersElementsAndPartsAreFilledIn) {
  EXPECT_EQ(filled("Q:{{q}}\n{{ choices['text'][0] }} {{choices.label[-1]}}"), "Q: Why? \nso B");
  EXPECT_EQ(filled("{{letters[1:]}}{{q[:3]}}{{letters[0:-1]}}"), "['b', 'c'] Wh['a', 'b']");
  EXPECT_EQ(filled("{a} }} %} {{'{x}'}}"), "{a} }} %} {x}");
  EXPECT_EQ(filled("{{ {'a': {'b': 1}}['a'] }}"), "{'b': 1}");
}

TEST(Jinja, ValuesAreWrittenAsPythonWritesThem) {
  EXPECT_EQ(filled("{{none}} {{truth}} {{real}} {{n}}"), "None True 2.0 3");
  EXPECT_EQ(filled("{{choices.text}}"), R"(['so', "don't"])");
  EXPECT_EQ(filled("{{7 / 2}} {{7 // 2}} {{ -7 % 3}} {{2 ** 10}} {{1 ~ 'a'}}"), "3.5 3 2 1024 1a");
}

TEST(Jinja, FiltersMethodsAndTestsAreJinjasAndPythons) {
  EXPECT_EQ(filled("{{q|trim}}|{{q.lstrip()}}|{{q.strip(' ?W')}}|{{'éa'|capitalize}}"),
            "Why?|Why? |hy|Éa");
  EXPECT_EQ(filled("{{letters|join('-')}} {{letters|length}} {{', '.join(letters)}}"),
            "a-b-c 3 a, b, c");
  EXPECT_EQ(filled("{{'a#b#c'.split('#')[-1]}} {{'a b'.split()}} {{'aXa'.replace('a', '')}}"),
            "c ['a', 'b'] X");
  EXPECT_EQ(filled("{{choices.label.index('B')}} {{'4'|int - 1}} {{missing|default('x')}}"),
            "1 3 x");
  EXPECT_EQ(filled("{{missing is defined}} {{none is none}} {{q is not string}}"),
            "False True False");
  EXPECT_EQ(filled("{{'a1b2'|regex_replace('[0-9]', '_')}}"), "a_b_");
}

TEST(Jinja, ConditionsAndLoopsRun) {
  EXPECT_EQ(filled("{{'many' if n > 2 else 'few'}} {{n == 3 and 'x' in letters}}"), "many False");
  EXPECT_EQ(filled("{{'many' if n > 9}}."), ".");
  EXPECT_EQ(filled("{% if n == 1 %}one{% elif n == 3 %}three{% else %}other{% endif %}"), "three");
  EXPECT_EQ(filled("{% for x in letters if x != 'b' %}{{loop.index}}{{x}}{% endfor %}"), "1a2c");
  EXPECT_EQ(filled("{% set x = n + 1 %}{{x}}{# nothing #}{% for i in [] %}{% else %}!{% endfor %}"),
            "4!");
  EXPECT_EQ(filled("a \n{%- if true -%}\n b {%- endif %} c"), "ab c");
}

TEST(Jinja, OneExpressionKeepsItsValue) {
  const auto value = [](std::string_view text) {
    return JinjaTemplate::parse(text, kPlace).value(row(), "row 1");
  };
  EXPECT_EQ(value("{{choices.text}}"), Json({"so", "don't"}));
  EXPECT_EQ(value("{{n}}"), Json(3));
  EXPECT_EQ(value(" {{n}}"), Json(" 3"));
}

TEST(Jinja, WhatIsMissingIsNamedWithItsPlace) {
  EXPECT_EQ(message("{{letter}}"),
            "t.jsonl: row 1: no field 'letter'; there are: q, n, none, truth, real, letters, "
            "choices; did you mean 'letters'? (a.yaml:3: doc_to_text)");
  EXPECT_EQ(message("{{letters[3]}}"),
            "t.jsonl: row 1: no element [3] in ['a', 'b', 'c'] (a.yaml:3: doc_to_text)");
  EXPECT_EQ(message("{{letters.index('x')}}"),
            "t.jsonl: row 1: 'x' is not in ['a', 'b', 'c'] (a.yaml:3: doc_to_text)");
  EXPECT_EQ(message("{{q + n}}"),
            "t.jsonl: row 1: '+' of a text and a number (a.yaml:3: doc_to_text)");
}

TEST(Jinja, WhatIsNotReadIsRefusedWithItsPlace) {
  EXPECT_EQ(message("{% macro f() %}{% endmacro %}"),
            "a.yaml:3: doc_to_text: the statement 'macro' of Jinja is not read here, in '{% macro "
            "f() %}{% endmacro %}'; write a task file of demix instead (docs/adding.md)");
  EXPECT_NE(message("{{a|tojson}}")
                .find("the filter 'tojson' of Jinja is not read here, in "
                      "'{{a|tojson}}'; known are trim, capitalize"),
            std::string::npos);
  EXPECT_NE(message("{{a.title()}}").find("the method 'title'"), std::string::npos);
  EXPECT_NE(message("{{a is callable}}").find("the test 'callable'"), std::string::npos);
  EXPECT_NE(message("{{dict(a=1)}}").find("the function 'dict'"), std::string::npos);
  EXPECT_NE(message("{{(a, b)}}").find("a tuple"), std::string::npos);
  EXPECT_NE(message("{{choices.items}}").find("'.items' without a call"), std::string::npos);
  EXPECT_NE(message("{{range(3)}}").find("'range' as a text"), std::string::npos);
}

TEST(Jinja, WhatIsNoTemplateIsAnErrorThatSaysWhere) {
  for (const char* text : {"{{a",
                           "{{}}",
                           "{{a[}}",
                           "{{a['b}}",
                           "{{a b}}",
                           "{{a..b}}",
                           "{{(a}}",
                           "{{a)}}",
                           "{% if a %}b",
                           "{% endif %}",
                           "{% for x %}{% endfor %}",
                           "{# a"})
    EXPECT_TRUE(message(text).starts_with("a.yaml:3: doc_to_text: ")) << message(text);
}

TEST(Jinja, HostileTemplatesEnd) {
  const auto nested = [](std::string_view open, std::string_view close) {
    std::string text = "{{";
    for (int i = 0; i < 100'000; ++i) text += open;
    text += "1";
    for (int i = 0; i < 100'000; ++i) text += close;
    return text + "}}";
  };
  EXPECT_NE(message(nested("(", ")")).find("so deep a nesting"), std::string::npos);
  EXPECT_NE(message(nested("not ", "")).find("so deep a nesting"), std::string::npos);
  EXPECT_NE(message(nested("1 + ", "")).find("so long an expression"), std::string::npos);
  std::string loops, ends;
  for (int i = 0; i < 6; ++i) {
    loops += "{% for i in range(1000) %}";
    ends += "{% endfor %}";
  }
  EXPECT_NE(message(loops + ends).find("takes too long"), std::string::npos);
  std::string doubled = "{% set x = 'xxxxxxxx' %}";
  for (int i = 0; i < 40; ++i) doubled += "{% set x = x ~ x %}";
  EXPECT_NE(message(doubled).find("takes too long"), std::string::npos);
  EXPECT_NE(message("{{range(10 ** 12)|list}}").find("more than 100,000"), std::string::npos);
}

TEST(Jinja, WorkIsBoundedByWhatIsCopied) {
  const std::string list = "{% set r = range(90000) %}";
  EXPECT_NE(
      message(list + "{% for x in r %}{% if r %}{% endif %}{% endfor %}").find("takes too long"),
      std::string::npos);
  EXPECT_NE(message("{% set t = 'a' * 1 if false else 'aaaaaaaaaaaaaaaa' %}"
                    "{% for x in range(20) %}{% endfor %}{% set t = t ~ t %}{% set t = t ~ t %}"
                    "{% set t = t ~ t %}{% set t = t ~ t %}{% set t = t ~ t %}{% set t = t ~ t %}"
                    "{% set t = t ~ t %}{% set t = t ~ t %}{% set t = t ~ t %}{% set t = t ~ t %}"
                    "{% for x in range(99999) %}{{t|length}}{% endfor %}")
                .find("takes too long"),
            std::string::npos);
  EXPECT_NE(message("{% for x in range(9999) %}{{'a'|regex_replace('a{19000}', '')}}{% endfor %}")
                .find("takes too long"),
            std::string::npos);
}

TEST(Jinja, ChainsAreAsDeepAsBracketsAndRefusedAlike) {
  std::string sum = "{{1", members = "{{a";
  for (int i = 0; i < 1000; ++i) {
    sum += "+1";
    members += ".a";
  }
  for (const std::string& text : {sum, members})
    EXPECT_NE(message(text + "}}").find("so long a chain"), std::string::npos);
}

TEST(Jinja, NumbersBeyond64BitsAreErrors) {
  EXPECT_NE(message("{{(99999999999.0 ** 3)|int}}").find("beyond 64 bits"), std::string::npos);
  EXPECT_NE(message("{{[[1]]|map(attribute='99999999999999999999')|list}}")
                .find("no '99999999999999999999' in [1]"),
            std::string::npos);
}

TEST(Jinja, AWrongExpressionOfAFilterIsTheTemplatesError) {
  EXPECT_TRUE(message("{{'a'|regex_replace('(', '')}}").ends_with("(a.yaml:3: doc_to_text)"))
      << message("{{'a'|regex_replace('(', '')}}");
}

}  // namespace
}  // namespace demix
