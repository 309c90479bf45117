#include "demix/core/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace demix {

struct ConfigNode::Impl {
  YAML::Node node;
  std::string file;
  std::string path;  // "search.rounds"
};

namespace {

std::string joined(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

}  // namespace

ConfigNode ConfigNode::parse(std::string_view text, std::string name) {
  auto impl = std::make_shared<Impl>();
  impl->file = std::move(name);
  try {
    impl->node = YAML::Load(std::string(text));
  } catch (const YAML::Exception& error) {
    throw Error("{}:{}: not valid YAML: {}", impl->file, error.mark.line + 1, error.msg);
  }
  ConfigNode node;
  node.impl_ = std::move(impl);
  return node;
}

ConfigNode ConfigNode::parse_file(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(path)) {
    throw Error("{}: no such file; expected a YAML configuration", path.string());
  }
  auto impl = std::make_shared<Impl>();
  impl->file = path.string();
  try {
    impl->node = YAML::LoadFile(path.string());
  } catch (const YAML::BadFile&) {
    throw Error("{}: cannot be read", path.string());
  } catch (const YAML::Exception& error) {
    throw Error("{}:{}: not valid YAML: {}", impl->file, error.mark.line + 1, error.msg);
  }
  ConfigNode node;
  node.impl_ = std::move(impl);
  return node;
}

bool ConfigNode::is_null() const { return !impl_->node.IsDefined() || impl_->node.IsNull(); }
bool ConfigNode::is_map() const { return impl_->node.IsMap(); }
bool ConfigNode::is_sequence() const { return impl_->node.IsSequence(); }
bool ConfigNode::is_scalar() const { return impl_->node.IsScalar(); }

std::string ConfigNode::where() const {
  const YAML::Mark mark = impl_->node.Mark();
  const std::string place =
      mark.is_null() ? impl_->file : fmt::format("{}:{}", impl_->file, mark.line + 1);
  return impl_->path.empty() ? place : fmt::format("{}: {}", place, impl_->path);
}

std::string ConfigNode::tag() const {
  const std::string tag = impl_->node.Tag();
  return tag == "?" ? "" : tag;  // as yaml-cpp calls plain values
}

std::filesystem::path ConfigNode::folder() const {
  return std::filesystem::path(impl_->file).parent_path();
}

std::vector<std::string> ConfigNode::keys() const {
  if (is_null()) return {};
  if (!is_map()) throw Error("{}: expected a map of keys to values", where());
  std::vector<std::string> keys;
  for (const auto& entry : impl_->node) {
    if (!entry.first.IsScalar()) throw Error("{}: a key must be a plain word", where());
    std::string key = entry.first.Scalar();
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
      throw Error("{}:{}: key '{}' appears twice", impl_->file, entry.first.Mark().line + 1, key);
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

std::optional<ConfigNode> ConfigNode::find(std::string_view key) const {
  if (is_null()) return std::nullopt;
  if (!is_map()) throw Error("{}: expected a map of keys to values", where());
  for (const auto& entry : impl_->node) {
    if (!entry.first.IsScalar() || entry.first.Scalar() != key) continue;
    ConfigNode child;
    child.impl_ = std::make_shared<Impl>(Impl{entry.second, impl_->file, joined(impl_->path, key)});
    return child;
  }
  return std::nullopt;
}

std::vector<ConfigNode> ConfigNode::items() const {
  if (is_null()) return {};
  if (!is_sequence()) throw Error("{}: expected a list", where());
  std::vector<ConfigNode> items;
  for (const auto& item : impl_->node) {
    ConfigNode child;
    child.impl_ = std::make_shared<Impl>(
        Impl{item, impl_->file, fmt::format("{}[{}]", impl_->path, items.size())});
    items.push_back(std::move(child));
  }
  return items;
}

std::string ConfigNode::as_string() const {
  if (!is_scalar()) throw Error("{}: expected text", where());
  return impl_->node.Scalar();
}

bool ConfigNode::as_bool() const {
  const std::string text = as_string();
  if (text == "true" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "no" || text == "off") return false;
  throw Error("{}: expected true or false, found '{}'", where(), text);
}

double ConfigNode::as_double() const {
  std::string text = as_string();
  std::erase(text, '_');
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw Error("{}: expected a number, found '{}'", where(), as_string());
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
    throw Error("{}: expected a whole number, found '{}'", where(), as_string());
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
    const std::string_view near = nearest(key, known_);
    throw Error("{}: unknown key '{}'; {}",
                node_.find(key)->where(),
                key,
                near.empty() ? fmt::format("known here: {}", fmt::join(known_, ", "))
                             : fmt::format("did you mean '{}'?", near));
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
