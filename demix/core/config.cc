#include "demix/core/config.h"

#include <simdjson.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <sstream>

#include "demix/core/files.h"

namespace demix {

struct ConfigNode::Impl {
  YAML::Node node;
  std::string file;
  std::string path;  // "search.rounds"
  int line;          // from 0; below 0: none
};

namespace {

// Aliases let a few lines stand for any number of values, or for themselves.
constexpr int kMaxDepth = 100;
constexpr int64_t kMaxValues = 100'000;

// Keys and values go into messages: these stay short whatever a file holds.
constexpr size_t kShownPath = 200, kShownValue = 100;

std::string joined(const std::string& path, std::string_view key) {
  if (path.size() >= kShownPath) return path;
  const std::string shown = printable(key, 60);
  return path.empty() ? shown : fmt::format("{}.{}", path, shown);
}

void count_values(const YAML::Node& node, const std::string& file, int depth, int64_t& values) {
  const auto refuse = [&](std::string_view what) {
    throw Error("{}:{}: {}", file, node.Mark().line + 1, what);
  };
  if (depth > kMaxDepth) refuse("more than 100 lists and maps within one another");
  if (++values > kMaxValues) refuse("more than 100,000 values, aliases (*name) filled in");
  for (const auto& entry : node) {
    if (node.IsMap() && entry.first.IsScalar() && entry.first.Scalar() == "<<" &&
        entry.first.Tag() == "?")
      throw Error("{}:{}: '<<' (YAML's merge key) is not read; write the keys themselves",
                  file,
                  entry.first.Mark().line + 1);
    if (node.IsMap()) count_values(entry.first, file, depth + 1, values);
    count_values(node.IsMap() ? entry.second : entry, file, depth + 1, values);
  }
}

// Of a document all that is kept is where it begins.
struct DocumentStart : YAML::EventHandler {
  std::optional<int> line;
  void OnDocumentStart(const YAML::Mark& mark) override { line = mark.line; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&,
                const std::string&,
                YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&,
                       const std::string&,
                       YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&,
                  const std::string&,
                  YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

// The line, from 0, of a second document in a text whose first one can be read. YAML::LoadAll does
// not end on some damaged texts.
std::optional<int> second_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStart first, second;
  if (!parser.HandleNextDocument(first) || !parser.HandleNextDocument(second)) return std::nullopt;
  return second.line;
}

YAML::Node loaded(const std::string& text, const std::string& file) {
  try {
    YAML::Node node = YAML::Load(text);
    if (const auto line = second_document(text))
      throw Error(
          "{}:{}: a second YAML document begins behind '---' or the end of the first; expected one",
          file,
          *line + 1);
    int64_t values = 0;
    count_values(node, file, 0, values);
    return node;
  } catch (const YAML::Exception& error) {
    throw Error(
        "{}:{}: not valid YAML: {}; look in this line and the ones before it for tabs, a missing "
        "colon, an open quote or bracket, and keys that do not line up",
        file,
        error.mark.line + 1,
        printable(error.msg, kShownValue));
  }
}

int line_of(const YAML::Node& node) {
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? -1 : mark.line;
}

// UTF-16 and UTF-32 begin with bytes that no UTF-8 has; the parser reads them.
void check_utf8(std::string_view text, const std::string& name) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") || text.starts_with('\0'))
    return;
  size_t line = 1;
  for (size_t begin = 0; begin < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (!simdjson::validate_utf8(text.data() + begin, end - begin))
      throw Error(
          "{}:{}: not valid UTF-8; expected text, save the file in that encoding", name, line);
    begin = end + 1;
  }
}

// "a map", for messages.
const char* kind_of(const YAML::Node& node) {
  return node.IsMap()        ? "a map"
         : node.IsSequence() ? "a list"
         : node.IsScalar()   ? "text"
                             : "nothing";
}

// What a number was meant to be when it ends in a letter: "; write 2e9".
std::string number_remedy(const std::string& text) {
  constexpr std::pair<char, const char*> kSuffixes[] = {
      {'k', "e3"}, {'K', "e3"}, {'M', "e6"}, {'G', "e9"}, {'B', "e9"}, {'T', "e12"}};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error != std::errc()) return "";
  if (rest == "%" || rest == " %") return fmt::format("; write {:g}", value / 100);
  for (const auto& [suffix, power] : kSuffixes)
    if (rest.size() == 1 && rest[0] == suffix)
      return fmt::format("; write {}{}", text.substr(0, text.size() - 1), power);
  return "";
}

// Whether `text` begins with `key` and not with a longer word.
bool begins_with_key(std::string_view text, std::string_view key) {
  if (key.empty() || !text.starts_with(key)) return false;
  constexpr std::string_view kEnds = " .:,";
  return text.size() == key.size() || kEnds.find(text[key.size()]) != std::string_view::npos;
}

}  // namespace

ConfigNode ConfigNode::parse(std::string_view text, std::string name) {
  check_utf8(text, name);
  const YAML::Node root = loaded(std::string(text), name);
  ConfigNode node;
  node.impl_ = std::make_shared<Impl>(Impl{root, std::move(name), "", line_of(root)});
  return node;
}

ConfigNode ConfigNode::parse_file(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::is_regular_file(status)) {
    throw Error("{}: {}; expected a YAML configuration",
                printable(path.string(), 400),
                std::filesystem::is_directory(status)               ? "is a folder"
                : std::filesystem::exists(status)                   ? "is no file"
                : error == std::errc::too_many_symbolic_link_levels ? "is a link to itself"
                                                                    : "no such file");
  }
  return parse(read_file(path), path.string());
}

bool ConfigNode::is_null() const { return !impl_->node.IsDefined() || impl_->node.IsNull(); }
bool ConfigNode::is_map() const { return impl_->node.IsMap(); }
bool ConfigNode::is_sequence() const { return impl_->node.IsSequence(); }
bool ConfigNode::is_scalar() const { return impl_->node.IsScalar(); }

std::string ConfigNode::where() const { return where_at(impl_->line); }

std::string ConfigNode::where_at(int line) const {
  const std::string place = line < 0 ? impl_->file : fmt::format("{}:{}", impl_->file, line + 1);
  return impl_->path.empty() ? place : fmt::format("{}: {}", place, impl_->path);
}

std::string ConfigNode::where_of(std::string_view message) const {
  // Of a whole file that lacks a key no line says anything.
  int line = impl_->path.empty() ? -1 : impl_->line;
  for (ConfigNode node = *this; node.is_map();) {
    std::string_view longest;  // names may hold dots
    const std::vector<std::string> keys = node.keys();
    for (const std::string& key : keys)
      if (key.size() > longest.size() && begins_with_key(message, key)) longest = key;
    if (longest.empty()) break;
    node = *node.find(longest);
    line = node.impl_->line;
    if (message.size() <= longest.size() || message[longest.size()] != '.') break;
    message.remove_prefix(longest.size() + 1);
  }
  return where_at(line);
}

std::string ConfigNode::tag() const {
  const std::string tag = impl_->node.Tag();
  return tag == "?" ? "" : tag;  // as yaml-cpp calls plain values
}

std::filesystem::path ConfigNode::folder() const {
  return std::filesystem::path(impl_->file).parent_path();
}

template <typename Value>
ConfigNode ConfigNode::child(const Value& value, std::string path, int line) const {
  ConfigNode node;
  node.impl_ = std::make_shared<Impl>(Impl{value, impl_->file, std::move(path), line});
  return node;
}

std::vector<std::string> ConfigNode::keys() const {
  std::vector<std::string> keys;
  for (auto& [key, unused] : entries()) keys.push_back(std::move(key));
  return keys;
}

std::vector<std::pair<std::string, ConfigNode>> ConfigNode::entries() const {
  if (is_null()) return {};
  if (!is_map())
    throw Error("{}: expected a map of keys to values, found {}", where(), kind_of(impl_->node));
  std::vector<std::pair<std::string, ConfigNode>> entries;
  std::set<std::string_view> known;
  for (const auto& entry : impl_->node) {
    if (!entry.first.IsScalar()) throw Error("{}: a key must be a plain word", where());
    const std::string& key = entry.first.Scalar();
    if (!known.insert(key).second) {
      throw Error("{}:{}: key '{}' appears twice",
                  impl_->file,
                  entry.first.Mark().line + 1,
                  printable(key, kShownValue));
    }
    entries.emplace_back(key, child(entry.second, joined(impl_->path, key), line_of(entry.first)));
  }
  return entries;
}

std::optional<ConfigNode> ConfigNode::find(std::string_view key) const {
  if (is_null()) return std::nullopt;
  if (!is_map())
    throw Error("{}: expected a map of keys to values, found {}", where(), kind_of(impl_->node));
  for (const auto& entry : impl_->node) {
    if (!entry.first.IsScalar() || entry.first.Scalar() != key) continue;
    return child(entry.second, joined(impl_->path, key), line_of(entry.first));
  }
  return std::nullopt;
}

std::vector<ConfigNode> ConfigNode::items() const {
  if (is_null()) return {};
  if (!is_sequence()) throw Error("{}: expected a list, found {}", where(), kind_of(impl_->node));
  std::vector<ConfigNode> items;
  for (const auto& item : impl_->node)
    items.push_back(child(item, fmt::format("{}[{}]", impl_->path, items.size()), line_of(item)));
  return items;
}

std::string ConfigNode::as_string() const {
  if (!is_scalar()) throw Error("{}: expected text, found {}", where(), kind_of(impl_->node));
  return impl_->node.Scalar();
}

bool ConfigNode::as_bool() const {
  const std::string text = as_string();
  if (text == "true" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "no" || text == "off") return false;
  throw Error("{}: expected true or false, found '{}'", where(), printable(text, kShownValue));
}

double ConfigNode::as_double() const {
  std::string text = as_string();
  std::erase(text, '_');
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw Error("{}: expected a number, found '{}'{}",
                where(),
                printable(as_string(), kShownValue),
                number_remedy(as_string()));
  }
  return value;
}

int64_t ConfigNode::as_int() const {
  std::string text = as_string();
  std::erase(text, '_');
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  const double real = as_double();
  if (real != std::floor(real) || std::abs(real) > 9e15) {
    throw Error(
        "{}: expected a whole number, found '{}'", where(), printable(as_string(), kShownValue));
  }
  return static_cast<int64_t>(real);
}

ConfigReader::ConfigReader(ConfigNode node) : node_(std::move(node)) {
  if (!node_.is_null() && !node_.is_map()) {
    throw Error("{}: expected a map of keys to values", node_.where());
  }
}

void ConfigReader::refuse_unknown_keys() const {
  for (const std::string& key : node_.keys()) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    throw Error("{}: unknown key '{}'; {}",
                node_.find(key)->where(),
                printable(key, kShownValue),
                suggestion(key, known_, "known here:"));
  }
}

struct ConfigWriter::Impl {
  YAML::Emitter out;
};

ConfigWriter::ConfigWriter() : impl_(std::make_unique<Impl>()) {}
ConfigWriter::~ConfigWriter() = default;

std::string ConfigWriter::text() const { return std::string(impl_->out.c_str()) + "\n"; }
void ConfigWriter::begin_key(std::string_view key) {
  impl_->out << YAML::Key << std::string(key) << YAML::Value;
}
void ConfigWriter::begin_map() { impl_->out << YAML::BeginMap; }
void ConfigWriter::end_map() { impl_->out << YAML::EndMap; }
void ConfigWriter::begin_sequence() { impl_->out << YAML::BeginSeq; }
void ConfigWriter::end_sequence() { impl_->out << YAML::EndSeq; }
void ConfigWriter::null() { impl_->out << YAML::Null; }
void ConfigWriter::scalar(std::string_view text) { impl_->out << std::string(text); }
void ConfigWriter::quoted(std::string_view text) {
  impl_->out << YAML::DoubleQuoted << std::string(text);
}

}  // namespace demix
