#include "demix/corpus/tokenizer_file.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/hash.h"
#include "demix/core/json.h"
#include "demix/corpus/byte_alphabet.h"
#include "demix/corpus/nfc.h"

namespace demix {
namespace {

namespace dom = simdjson::dom;
using Behavior = Split::Behavior;

// Ids index tables of this program and rows of embeddings, so an absurd one is refused.
constexpr int64_t kMaxId = (int64_t{1} << 22) - 1;
constexpr size_t kMaxListed = 8;  // problems, each of at most
constexpr size_t kMaxLine = 400;  // bytes
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

// Collects everything that is wrong with a file, so that a user sees it at once.
class Problems {
 public:
  template <typename... Args>
  void add(fmt::format_string<Args...> pattern, Args&&... args) {
    if (++count_ > kMaxListed) return;
    text_ += "\n  " + printable(fmt::format(pattern, std::forward<Args>(args)...), kMaxLine);
  }
  bool any() const { return count_ > 0; }
  void throw_if_any(const std::filesystem::path& path) const {
    if (!any()) return;
    const std::string more =
        count_ > kMaxListed ? fmt::format("\n  and {} more", count_ - kMaxListed) : "";
    throw Error("{}: this tokenizer cannot be used:{}{}", path.string(), text_, more);
  }

 private:
  size_t count_ = 0;
  std::string text_;
};

// For messages.
std::string as_text(const dom::element& value) { return printable(simdjson::minify(value), 80); }

class Reader {
 public:
  Reader(const std::filesystem::path& path, const dom::element& root) : path_(path), root_(root) {}

  TokenizerFile read() {
    if (!root_.is_object()) throw Error("{}: not a JSON object", path_.string());
    if (const auto version = member(root_, "version"); version && as_text(*version) != "\"1.0\"") {
      problems_.add("version: {}, expected \"1.0\"", as_text(*version));
    }
    for (const char* key : {"truncation", "padding"}) {
      if (const auto value = member(root_, key)) {
        problems_.add("{}: not supported; set it to null", key);
      }
    }
    read_normalizer();
    read_pre_tokenizer();
    read_decoder();
    read_model();
    // What follows needs a sound vocabulary.
    problems_.throw_if_any(path_);
    read_added_tokens();
    read_post_processor();
    problems_.throw_if_any(path_);
    file_.fingerprint = fingerprint();
    return std::move(file_);
  }

 private:
  // A member that is there and not null.
  static std::optional<dom::element> member(const dom::element& object, std::string_view key) {
    dom::element value;
    if (object[key].get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
    return value;
  }

  // Without `otherwise` the flag must be there.
  bool flag(const dom::element& object,
            const std::string& place,
            std::string_view key,
            std::optional<bool> otherwise = std::nullopt) {
    const auto value = member(object, key);
    bool result = otherwise.value_or(false);
    if (!value) {
      if (!otherwise) problems_.add("{}.{}: missing", place, key);
    } else if (value->get(result) != simdjson::SUCCESS) {
      problems_.add("{}.{}: {}, expected true or false", place, key, as_text(*value));
    }
    return result;
  }

  std::string_view text(const dom::element& object,
                        const std::string& place,
                        std::string_view key) {
    const auto value = member(object, key);
    std::string_view result;
    if (!value || value->get(result) != simdjson::SUCCESS) {
      problems_.add("{}.{}: missing, or not a string", place, key);
    }
    return result;
  }

  std::optional<int32_t> id(const dom::element& value, std::string_view place) {
    int64_t number = -1;
    if (value.get(number) != simdjson::SUCCESS || number < 0 || number > kMaxId) {
      problems_.add(
          "{}: id {}, expected a whole number from 0 to {}", place, as_text(value), kMaxId);
      return std::nullopt;
    }
    return static_cast<int32_t>(number);
  }

  template <typename Item>
  void each(const dom::element& object, const std::string& place, std::string_view key, Item item) {
    dom::array list;
    if (object[key].get(list) != simdjson::SUCCESS) {
      problems_.add("{}.{}: missing, or not a list", place, key);
      return;
    }
    size_t index = 0;
    for (const dom::element value : list) {
      item(value, fmt::format("{}.{}[{}]", place, key, index++));
    }
  }

  void read_normalizer() {
    if (const auto value = member(root_, "normalizer")) normalizer(*value, "normalizer");
  }

  void normalizer(const dom::element& value, const std::string& place) {
    const std::string_view type = text(value, place, "type");
    if (type == "NFC") {
      file_.nfc = true;
    } else if (type == "Sequence") {
      each(value, place, "normalizers", [&](auto& item, const auto& where) {
        normalizer(item, where);
      });
    } else {
      problems_.add("{}: '{}' is not supported; expected NFC or null", place, type);
    }
  }

  void read_pre_tokenizer() {
    if (const auto value = member(root_, "pre_tokenizer")) pre_tokenizer(*value, "pre_tokenizer");
    if (!byte_level_) {
      problems_.add("pre_tokenizer: has no ByteLevel; only byte-level tokenizers are supported");
    }
  }

  void pre_tokenizer(const dom::element& value, const std::string& place) {
    const std::string_view type = text(value, place, "type");
    if (type == "Sequence") {
      each(value, place, "pretokenizers", [&](auto& item, const auto& where) {
        pre_tokenizer(item, where);
      });
      return;
    }
    if (type == "ByteLevel") {
      if (byte_level_) problems_.add("{}: a second ByteLevel is not supported", place);
      byte_level_ = true;
      if (flag(value, place, "add_prefix_space")) file_.pre_tokenizer.push_back(PrefixSpace{});
      if (flag(value, place, "use_regex", true)) file_.pre_tokenizer.push_back(Scanner::kGpt2);
      return;
    }
    if (byte_level_ && !symbols_) {
      symbols_ = true;
      file_.pre_tokenizer.push_back(ByteSymbols{});
    }
    if (type == "Digits") {
      const bool single = flag(value, place, "individual_digits");
      file_.pre_tokenizer.push_back(single ? Scanner::kSingleDigits : Scanner::kDigitRuns);
    } else if (type == "Punctuation") {
      const auto how = member(value, "behavior") ? behavior(value, place) : Behavior::kIsolated;
      if (how) file_.pre_tokenizer.push_back(Split{Regex::punctuation(), *how, false});
    } else if (type == "Split") {
      split(value, place);
    } else {
      problems_.add(
          "{}: '{}' is not supported; expected ByteLevel, Digits, Punctuation, Split or Sequence",
          place,
          type);
    }
  }

  std::optional<Behavior> behavior(const dom::element& value, const std::string& place) {
    static const std::unordered_map<std::string_view, Behavior> kBehaviors = {
        {"Isolated", Behavior::kIsolated},
        {"Removed", Behavior::kRemoved},
        {"MergedWithPrevious", Behavior::kMergedWithPrevious},
        {"MergedWithNext", Behavior::kMergedWithNext},
        {"Contiguous", Behavior::kContiguous},
    };
    const std::string_view name = text(value, place, "behavior");
    const auto found = kBehaviors.find(name);
    if (found != kBehaviors.end()) return found->second;
    problems_.add("{}.behavior: '{}' is not supported", place, name);
    return std::nullopt;
  }

  void split(const dom::element& value, const std::string& place) {
    const auto how = behavior(value, place);
    const bool invert = flag(value, place, "invert");
    if (!how) return;
    std::string_view pattern;
    if (value["pattern"]["String"].get(pattern) == simdjson::SUCCESS && !pattern.empty()) {
      file_.pre_tokenizer.push_back(Split{Regex::literal(pattern), *how, invert});
      return;
    }
    if (value["pattern"]["Regex"].get(pattern) != simdjson::SUCCESS) {
      problems_.add("{}.pattern: expected a String, not empty, or a Regex", place);
      return;
    }
    // These leave no gaps, so each match is a piece and nothing else is.
    static const std::unordered_map<std::string_view, Scanner> kScanners = {
        {kGpt2Pattern, Scanner::kGpt2},
        {kLlama3Pattern, Scanner::kLlama3},
        {kQwen2Pattern, Scanner::kQwen2},
    };
    const auto scanner = kScanners.find(pattern);
    const bool keeps_all = *how == Behavior::kIsolated || (*how == Behavior::kRemoved && invert);
    if (scanner != kScanners.end() && keeps_all) {
      file_.pre_tokenizer.push_back(scanner->second);
      return;
    }
    try {
      file_.pre_tokenizer.push_back(Split{Regex(pattern), *how, invert});
    } catch (const Error& error) {
      problems_.add("{}.pattern: {}", place, error.what());
    }
  }

  void read_decoder() {
    const auto value = member(root_, "decoder");
    if (!value) return;
    const std::string_view type = text(*value, "decoder", "type");
    if (type != "ByteLevel")
      problems_.add("decoder: '{}' is not supported; expected ByteLevel", type);
  }

  void read_model() {
    const auto model = member(root_, "model");
    if (!model || !model->is_object()) {
      problems_.add("model: missing, or not an object");
      return;
    }
    // Old files lack the type; they are told by their merges.
    const bool old_bpe = !member(*model, "type") && member(*model, "merges");
    const std::string_view type = old_bpe ? "BPE" : text(*model, "model", "type");
    if (type != "BPE") {
      problems_.add("model.type: '{}' is not supported; expected BPE", type);
      return;
    }
    if (const auto dropout = member(*model, "dropout")) {
      double share = -1;
      if (dropout->get(share) != simdjson::SUCCESS || share != 0) {
        problems_.add("model.dropout: {} is not supported; set it to null", as_text(*dropout));
      }
    }
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (const auto affix = member(*model, key); affix && as_text(*affix) != "\"\"") {
        problems_.add("model.{}: {} is not supported", key, as_text(*affix));
      }
    }
    file_.ignore_merges = flag(*model, "model", "ignore_merges", false);
    file_.fuse_unknown = flag(*model, "model", "fuse_unk", false);
    if (!read_vocabulary(*model)) return;
    read_merges(*model);
    // The rest matters only where the vocabulary lacks the symbol of a byte that UTF-8 has.
    bool lacks = false;
    for (int byte = 0; byte < 256; ++byte) {
      const bool in_utf8 = byte != 0xC0 && byte != 0xC1 && byte < 0xF5;
      lacks |= in_utf8 && !id_of_.contains(symbol_of_byte(static_cast<unsigned char>(byte)));
    }
    const bool fallback = flag(*model, "model", "byte_fallback", false);
    if (lacks && fallback) {
      problems_.add("model.byte_fallback: true is not supported where byte symbols are missing");
    }
    if (lacks) read_unknown(*model);
  }

  bool read_vocabulary(const dom::element& model) {
    dom::object vocabulary;
    if (model["vocab"].get(vocabulary) != simdjson::SUCCESS) {
      problems_.add("model.vocab: missing, or not an object");
      return false;
    }
    for (const auto& [token, value] : vocabulary) {
      const auto number = id(value, fmt::format("model.vocab['{}']", token));
      if (!number) continue;
      if (!id_of_.emplace(token, *number).second) {
        problems_.add("model.vocab: '{}' stands there twice", token);
      }
      const auto [other, is_new] = token_of_.emplace(*number, token);
      if (!is_new) {
        problems_.add("model.vocab: '{}' and '{}' both have id {}", other->second, token, *number);
      }
      file_.vocabulary.emplace_back(token, *number);
    }
    return true;
  }

  void read_merges(const dom::element& model) {
    std::string joined;
    each(model, "model", "merges", [&](const dom::element& value, const std::string& place) {
      std::string_view left, right;
      dom::array pair;
      std::string_view line;
      if (value.get(line) == simdjson::SUCCESS) {
        if (line.starts_with("#version")) return;
        const size_t space = line.find(' ');
        if (space == std::string_view::npos ||
            line.find(' ', space + 1) != std::string_view::npos) {
          problems_.add("{}: '{}', expected two tokens with one space between", place, line);
          return;
        }
        left = line.substr(0, space);
        right = line.substr(space + 1);
      } else if (value.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
                 pair.at(0).get(left) != simdjson::SUCCESS ||
                 pair.at(1).get(right) != simdjson::SUCCESS) {
        problems_.add("{}: {}, expected two tokens", place, as_text(value));
        return;
      }
      joined.assign(left).append(right);
      std::array<int32_t, 3> ids{};
      for (const auto& [token, number] : {std::pair<std::string_view, int32_t*>{left, &ids[0]},
                                          {right, &ids[1]},
                                          {joined, &ids[2]}}) {
        const auto found = id_of_.find(token);
        if (found == id_of_.end()) {
          problems_.add("{}: '{}' is not in model.vocab", place, token);
          return;
        }
        *number = found->second;
      }
      file_.merges.push_back({ids[0], ids[1], ids[2]});
    });
  }

  void read_unknown(const dom::element& model) {
    const auto value = member(model, "unk_token");
    if (!value) return;
    const std::string_view token = text(model, "model", "unk_token");
    const auto found = id_of_.find(token);
    if (found == id_of_.end()) {
      problems_.add("model.unk_token: '{}' is not in model.vocab", token);
      return;
    }
    file_.unknown = found->second;
  }

  void read_added_tokens() {
    if (!member(root_, "added_tokens")) return;
    // New tokens are numbered as the library does, from the number of tokens in the vocabulary on,
    // whatever the file says; where both differ, the file is refused.
    int64_t next = static_cast<int64_t>(file_.vocabulary.size());
    std::unordered_map<std::string_view, size_t> index_of;
    each(root_, "", "added_tokens", [&](const dom::element& value, std::string place) {
      place.erase(0, 1);  // the dot of an empty parent
      AddedToken token;
      const std::string_view content = text(value, place, "content");
      token.content = content;
      for (const auto& [key, target] :
           {std::pair<const char*, bool*>{"single_word", &token.single_word},
            {"lstrip", &token.lstrip},
            {"rstrip", &token.rstrip},
            {"normalized", &token.normalized},
            {"special", &token.special}}) {
        *target = flag(value, place, key);
      }
      dom::element stated;
      if (value["id"].get(stated) != simdjson::SUCCESS) {
        problems_.add("{}.id: missing", place);
        return;
      }
      const auto number = id(stated, place);
      if (!number || content.empty()) return;
      const auto known = id_of_.find(content);
      const int64_t expected = known != id_of_.end() ? known->second : next++;
      if (*number != expected) {
        problems_.add("{}: '{}' has id {}, but by the vocabulary it is {}; put them in agreement",
                      place,
                      content,
                      *number,
                      expected);
        return;
      }
      token.id = *number;
      const auto [other, is_new] = token_of_.emplace(token.id, content);
      if (!is_new && other->second != content) {
        problems_.add("{}: '{}' and '{}' both have id {}", place, other->second, content, token.id);
      }
      id_of_.emplace(content, token.id);
      // Of two entries for one token, the later holds.
      const auto [earlier, is_first] = index_of.emplace(content, file_.added_tokens.size());
      if (is_first) {
        file_.added_tokens.push_back(std::move(token));
      } else {
        file_.added_tokens[earlier->second] = std::move(token);
      }
    });
    std::unordered_set<std::string> normalized;
    for (const AddedToken& token : file_.added_tokens) {
      if (!token.normalized) continue;
      const std::string form = file_.nfc ? normalize_nfc(token.content) : token.content;
      if (!normalized.insert(form).second) {
        problems_.add("added_tokens: two tokens are '{}' when normalized", form);
      }
    }
  }

  void read_post_processor() {
    if (const auto value = member(root_, "post_processor")) {
      post_processor(*value, "post_processor");
    }
  }

  void post_processor(const dom::element& value, const std::string& place) {
    const std::string_view type = text(value, place, "type");
    if (type == "ByteLevel") return;  // changes offsets only
    if (type == "Sequence") {
      each(value, place, "processors", [&](auto& item, const auto& where) {
        post_processor(item, where);
      });
      return;
    }
    if (type != "TemplateProcessing") {
      problems_.add("{}: '{}' is not supported; expected ByteLevel, TemplateProcessing or Sequence",
                    place,
                    type);
      return;
    }
    if (has_template_) {
      problems_.add("{}: a second TemplateProcessing is not supported", place);
      return;
    }
    has_template_ = true;
    bool after = false;
    each(value, place, "single", [&](const dom::element& piece, const std::string& where) {
      std::string_view name;
      if (piece["Sequence"]["id"].get(name) == simdjson::SUCCESS) {
        if (name != "A" || after) {
          problems_.add("{}: sequence '{}' is not supported here; expected A, once", where, name);
        }
        after = true;
        return;
      }
      if (piece["SpecialToken"]["id"].get(name) != simdjson::SUCCESS) {
        problems_.add("{}: {}, expected a Sequence or a SpecialToken", where, as_text(piece));
        return;
      }
      dom::array ids;
      if (value["special_tokens"][name]["ids"].get(ids) != simdjson::SUCCESS) {
        problems_.add("{}: '{}' has no ids in special_tokens", where, name);
        return;
      }
      for (const dom::element item : ids) {
        const auto number = id(item, where);
        if (!number) continue;
        if (!token_of_.contains(*number)) {
          problems_.add("{}: '{}' stands for id {}, which no token has", where, name, *number);
        }
        (after ? file_.suffix : file_.prefix).push_back(*number);
      }
    });
    if (!after) problems_.add("{}.single: has no sequence A", place);
  }

  std::string fingerprint() const {
    Hasher hasher;
    hasher.field("tokenizer");
    std::vector<const std::pair<std::string, int32_t>*> by_id;
    for (const auto& entry : file_.vocabulary) by_id.push_back(&entry);
    std::ranges::sort(by_id, {}, [](const auto* entry) { return entry->second; });
    for (const auto* entry : by_id) hasher.field(entry->first).field(int64_t{entry->second});
    hasher.field("merges");
    for (const auto& merge : file_.merges) {
      hasher.field(int64_t{merge.left}).field(int64_t{merge.right});
    }
    hasher.field("options").field(int64_t{file_.unknown}).field(int64_t{file_.fuse_unknown});
    hasher.field(int64_t{file_.ignore_merges}).field(int64_t{file_.nfc});
    for (const AddedToken& token : file_.added_tokens) {
      hasher.field(token.content).field(int64_t{token.id});
      for (const bool option : {token.single_word, token.lstrip, token.rstrip, token.normalized}) {
        hasher.field(int64_t{option});
      }
    }
    // As written: other spellings of one pre-tokenizer count as others.
    const auto pre_tokenizer = member(root_, "pre_tokenizer");
    hasher.field(pre_tokenizer ? std::string(simdjson::minify(*pre_tokenizer)) : "");
    for (const auto* ids : {&file_.prefix, &file_.suffix}) {
      hasher.field("around");
      for (const int32_t number : *ids) hasher.field(int64_t{number});
    }
    return hasher.hex();
  }

  const std::filesystem::path& path_;
  const dom::element& root_;
  Problems problems_;
  TokenizerFile file_;
  // Tokens of the file, which outlives this.
  std::unordered_map<std::string_view, int32_t> id_of_;
  std::unordered_map<int32_t, std::string_view> token_of_;
  bool byte_level_ = false;  // the pre-tokenizer has a ByteLevel,
  bool symbols_ = false;     // and steps after it
  bool has_template_ = false;
};

dom::element parse(dom::parser& parser, const std::filesystem::path& path) {
  std::error_code failed;
  const uint64_t bytes = std::filesystem::file_size(path, failed);
  if (!failed && bytes > kMaxFileBytes) {
    throw Error("{}: has {} bytes, the most allowed are {}", path.string(), bytes, kMaxFileBytes);
  }
  dom::element root;
  const auto error = parser.load(path.string()).get(root);
  if (error == simdjson::IO_ERROR) throw Error("{}: cannot be read", path.string());
  if (error != simdjson::SUCCESS) {
    throw Error("{}: not valid JSON: {}", path.string(), simdjson::error_message(error));
  }
  return root;
}

}  // namespace

TokenizerFile read_tokenizer_file(const std::filesystem::path& path) {
  dom::parser parser;
  const dom::element root = parse(parser, path);
  return Reader(path, root).read();
}

std::string read_special_token(const std::filesystem::path& path, std::string_view role) {
  // Not by simdjson, which refuses the 10^30 that many files have as model_max_length.
  const Json config = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) throw Error("{}: not a valid JSON object", path.string());
  const auto found = config.find(role);
  if (found == config.end()) return "";
  const Json& token =
      found->is_object() && found->contains("content") ? (*found)["content"] : *found;
  return token.is_string() ? token.get<std::string>() : "";
}

}  // namespace demix
