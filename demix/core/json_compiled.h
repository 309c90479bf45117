// The parser and the writer of the JSON library, compiled once, in json_compiled.cc: each file that
// uses them would compile them anew, for two seconds, under the sanitizers for thirteen. Among the
// precompiled headers, so that no file includes it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#define DEMIX_JSON_TEMPLATES(DECLARE, Value)                     \
  DECLARE class nlohmann::detail::serializer<Value>;             \
  DEMIX_JSON_PARSER(DECLARE, Value, std::string::const_iterator) \
  DEMIX_JSON_PARSER(DECLARE, Value, const char*)
#define DEMIX_JSON_PARSER(DECLARE, Value, Iterator)                                           \
  DECLARE class nlohmann::detail::parser<Value,                                               \
                                         nlohmann::detail::iterator_input_adapter<Iterator>>; \
  DECLARE class nlohmann::detail::lexer<Value, nlohmann::detail::iterator_input_adapter<Iterator>>;

DEMIX_JSON_TEMPLATES(extern template, nlohmann::ordered_json)
DEMIX_JSON_TEMPLATES(extern template, nlohmann::json)
