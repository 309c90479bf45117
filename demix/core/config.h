// YAML to structs with defaults, and back. A configuration struct names its fields once:
//
//   struct SearchConfig {
//     int rounds = 3;        // proxies are halved from round to round
//     double prior_power = 0.7;
//     template <class V> void visit(V& v) { v("rounds", rounds); v("prior_power", prior_power); }
//   };
//
// ConfigReader fills the fields that the file has and refuses keys that the struct lacks (with
// file, line and the nearest known key); ConfigWriter writes all of them, so that the resolved file
// repeats the run. Field types: bool, int, int64_t, uint64_t, double, std::string,
// std::filesystem::path, std::optional<T>, std::vector<T>, std::map<std::string, T>, structs with
// `visit`, and ConfigNode for what has no fixed shape (read only). An optional member of a struct
// is called after reading: `void check() const` throws Error. A message that begins with a key
// ("share is 2, …", "mixture.code: …") is given that key's line, others the struct's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "demix/core/error.h"

namespace demix {

template <typename T>
concept ConfigStruct = requires(T& value, struct AnyVisitor& v) { &T::template visit<AnyVisitor>; };

// One node of a YAML document that knows its place. Hides yaml-cpp from headers.
class ConfigNode {
 public:
  static ConfigNode parse_file(const std::filesystem::path& path);
  static ConfigNode parse(std::string_view text, std::string name);

  bool is_null() const;
  bool is_map() const;
  bool is_sequence() const;
  bool is_scalar() const;
  std::vector<std::string> keys() const;  // of a map, in file order; duplicates throw
  std::vector<std::pair<std::string, ConfigNode>> entries() const;  // likewise, with the values
  std::optional<ConfigNode> find(std::string_view key) const;
  std::vector<ConfigNode> items() const;  // of a sequence
  // "recipes/demo.yaml:12: search.rounds", by the line of the key or, of an item, its first.
  std::string where() const;
  // The same, but with the line of what is below this node and `message` begins with, such as
  // "mixture.code" or "share", as far as that is there.
  std::string where_of(std::string_view message) const;
  // "!function" of a value with this tag, "!" of one in quotes or a block, "" of others.
  std::string tag() const;
  // Of the file that this was read from.
  std::filesystem::path folder() const;

  bool as_bool() const;
  int64_t as_int() const;  // accepts 300_000 and 3e5 when exactly integral
  double as_double() const;
  std::string as_string() const;

 private:
  std::string where_at(int line) const;

  struct Impl;
  template <typename Value>
  ConfigNode child(const Value& value, std::string path, int line) const;

  std::shared_ptr<const Impl> impl_;
};

class ConfigReader {
 public:
  explicit ConfigReader(ConfigNode node);
  // Reads `key` into `field` if present; else leaves its default.
  template <typename T>
  void operator()(const char* key, T& field) {
    known_.emplace_back(key);
    if (auto node = node_.find(key); node && !node->is_null()) read(*node, field);
  }
  // Throws when the node has keys that were never asked for.
  void refuse_unknown_keys() const;

 private:
  template <typename T>
  static void read(const ConfigNode& node, T& field);

  ConfigNode node_;
  std::vector<std::string> known_;
};

// Reads a whole struct into `value`, whose members are the defaults; unknown keys and wrong types
// throw Error with file and line.
template <ConfigStruct T>
void read_config_into(const ConfigNode& node, T& value) {
  ConfigReader reader(node);
  value.visit(reader);
  reader.refuse_unknown_keys();
  if constexpr (requires { value.check(); }) {
    try {
      value.check();
    } catch (const Error& error) {
      throw Error("{}: {}", node.where_of(error.what()), error.what());
    }
  }
}

template <ConfigStruct T>
T read_config(const ConfigNode& node) {
  T value;
  read_config_into(node, value);
  return value;
}

template <typename T>
void ConfigReader::read(const ConfigNode& node, T& field) {
  if constexpr (ConfigStruct<T>) {
    read_config_into(node, field);
  } else if constexpr (std::is_same_v<T, ConfigNode>) {
    field = node;
  } else if constexpr (std::is_same_v<T, bool>) {
    field = node.as_bool();
  } else if constexpr (std::is_integral_v<T>) {
    const int64_t value = node.as_int();
    field = static_cast<T>(value);
    if (static_cast<int64_t>(field) != value || (std::is_unsigned_v<T> && value < 0))
      throw Error("{}: {} is out of range, expected {} to {}",
                  node.where(),
                  value,
                  std::numeric_limits<T>::min(),
                  std::numeric_limits<T>::max());
  } else if constexpr (std::is_floating_point_v<T>) {
    field = node.as_double();
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path>) {
    field = node.as_string();
  } else if constexpr (requires {
                         field.emplace();
                         field.value();
                       }) {  // std::optional
    typename T::value_type value{};
    read(node, value);
    field = std::move(value);
  } else if constexpr (requires { field.push_back(field.front()); }) {  // std::vector
    field.clear();
    // A single value stands for a list of one.
    const auto items = node.is_sequence() ? node.items() : std::vector<ConfigNode>{node};
    for (const ConfigNode& item : items) {
      typename T::value_type value{};
      read(item, value);
      field.push_back(std::move(value));
    }
  } else {  // std::map<std::string, …>
    if (!node.is_map()) throw Error("{}: expected a map of names to values", node.where());
    field.clear();
    for (const auto& [key, value] : node.entries()) read(value, field[key]);
  }
}

// Writes YAML; the result read again gives the same struct.
class ConfigWriter {
 public:
  ConfigWriter();
  ~ConfigWriter();
  template <typename T>
  void operator()(const char* key, T& field) {
    begin_key(key);
    write(field);
  }
  std::string text() const;

 private:
  template <typename T>
  void write(T& field) {
    if constexpr (ConfigStruct<T>) {
      begin_map();
      field.visit(*this);
      end_map();
    } else if constexpr (std::is_same_v<T, bool>) {
      scalar(field ? "true" : "false");
    } else if constexpr (std::is_arithmetic_v<T>) {
      scalar(fmt::format("{}", field));
    } else if constexpr (std::is_same_v<T, std::string>) {
      quoted(field);
    } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
      quoted(field.string());
    } else if constexpr (requires {
                           field.emplace();
                           field.value();
                         }) {
      if (field)
        write(*field);
      else
        null();
    } else if constexpr (requires { field.push_back(field.front()); }) {
      begin_sequence();
      for (auto& item : field) write(item);
      end_sequence();
    } else {
      begin_map();
      for (auto& [key, value] : field) (*this)(key.c_str(), value);
      end_map();
    }
  }
  void begin_key(std::string_view key);
  void begin_map();
  void end_map();
  void begin_sequence();
  void end_sequence();
  void null();
  void scalar(std::string_view text);
  void quoted(std::string_view text);

  struct Impl;
  std::unique_ptr<Impl> impl_;
  template <ConfigStruct T>
  friend std::string write_config(T& value);
};

template <ConfigStruct T>
std::string write_config(T& value) {
  ConfigWriter writer;
  writer.write(value);
  return writer.text();
}

}  // namespace demix
