#include "demix/evaluate/python_value.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace demix {
namespace {

// Expected values are Python's.
TEST(PythonValue, ReprIsPythons) {
  EXPECT_EQ(python_repr(Json({"a", "it's", "\"'", "\n\\", "\xE2\x80\xA8", "\xC3\xA9"})),
            R"(['a', "it's", '"\'', '\n\\', '\u2028', 'é'])");
  EXPECT_EQ(python_repr(Json({1, -2.0, 1e16, 1e-5, 0.1, true, nullptr})),
            "[1, -2.0, 1e+16, 1e-05, 0.1, True, None]");
  EXPECT_EQ(python_repr(Json{{"k", {{"l", 1}}}}), "{'k': {'l': 1}}");
  EXPECT_EQ(python_str("a'b"), "a'b");
}

TEST(PythonValue, LiteralsAreReadBack) {
  EXPECT_EQ(python_literal(R"(['a', "it's", '\x41\n', """b
c""", 'x' 'y'])"),
            Json({"a", "it's", "A\n", "b\nc", "xy"}));
  EXPECT_EQ(python_literal("[1, -2, 1.5, True, None, [], (1, 2), {'k': 'v'}]"),
            Json({1, -2, 1.5, true, nullptr, Json::array(), {1, 2}, {{"k", "v"}}}));
  for (const char* text : {"[a]", "[1", "['a]", "[1 2]", "f()", "", "[01]", "['a',,]"})
    EXPECT_FALSE(python_literal(text)) << text;
  EXPECT_FALSE(python_literal(std::string(100'000, '[')));
}

TEST(PythonValue, TruthAndEqualityArePythons) {
  for (const Json& value :
       {Json(0), Json(0.0), Json(""), Json(nullptr), Json(false), Json::array()})
    EXPECT_FALSE(python_truth(value)) << value;
  EXPECT_TRUE(python_truth("0"));
  EXPECT_TRUE(python_equal(true, 1));
  EXPECT_TRUE(python_equal(Json({1, 2}), Json({1.0, 2})));
  EXPECT_FALSE(python_equal("1", 1));
}

}  // namespace
}  // namespace demix
