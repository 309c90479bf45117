#include "demix/corpus/tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "demix/core/error.h"
#include "demix/corpus/added_tokens.h"
#include "demix/corpus/bpe.h"
#include "demix/corpus/byte_alphabet.h"
#include "demix/corpus/nfc.h"
#include "demix/corpus/pretokenizer.h"
#include "demix/corpus/tokenizer_file.h"
#include "demix/corpus/utf8.h"

namespace demix {
namespace {

std::vector<AddedToken> tokens_to_find(const TokenizerFile& file, bool normalized) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : file.added_tokens) {
    if (token.normalized != normalized) continue;
    if (normalized && file.nfc) token.content = normalize_nfc(token.content);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

Bpe make_bpe(const TokenizerFile& file) {
  std::unordered_map<std::string_view, int32_t> id_of;
  for (const auto& [token, id] : file.vocabulary) id_of.emplace(token, id);
  Bpe::Options options;
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = id_of.find(symbol_of_byte(static_cast<unsigned char>(byte)));
    options.byte_ids[static_cast<size_t>(byte)] = found == id_of.end() ? -1 : found->second;
  }
  options.unknown = file.unknown;
  options.fuse_unknown = file.fuse_unknown;
  if (file.ignore_merges) {
    for (const auto& [token, id] : file.vocabulary) {
      // A token with other characters than byte symbols equals no word.
      if (const auto bytes = bytes_of_symbols(token)) options.whole_words.emplace(*bytes, id);
    }
  }
  return Bpe(file.merges, std::move(options));
}

}  // namespace

struct Tokenizer::Model {
  explicit Model(TokenizerFile file)
      : added(tokens_to_find(file, false)),
        added_normalized(tokens_to_find(file, true)),
        nfc(file.nfc),
        pre_tokenizer(std::move(file.pre_tokenizer)),
        bpe(make_bpe(file)),
        prefix(std::move(file.prefix)),
        suffix(std::move(file.suffix)),
        fingerprint(std::move(file.fingerprint)) {
    const auto put = [this](std::string content, const std::string& decoded, int32_t id) {
      if (static_cast<size_t>(id) >= bytes_of.size()) bytes_of.resize(static_cast<size_t>(id) + 1);
      bytes_of[static_cast<size_t>(id)] = bytes_of_symbols(decoded).value_or(decoded);
      id_of.insert_or_assign(std::move(content), id);
    };
    for (auto& [token, id] : file.vocabulary) put(token, token, id);
    for (auto& token : file.added_tokens) {
      const bool normalize = nfc && token.normalized;
      put(token.content, normalize ? normalize_nfc(token.content) : token.content, token.id);
    }
  }

  void encode(std::string_view text, std::vector<int32_t>& ids) const {
    std::vector<AddedTokenFinder::Piece> pieces;
    added.split(text, pieces);
    for (const auto& [piece, id] : pieces) {
      if (id >= 0) {
        ids.push_back(id);
      } else if (nfc && !is_surely_nfc(piece)) {
        encode_normalized(normalize_nfc(piece), ids);
      } else {
        encode_normalized(piece, ids);
      }
    }
  }

  void encode_normalized(std::string_view text, std::vector<int32_t>& ids) const {
    std::vector<AddedTokenFinder::Piece> pieces;
    added_normalized.split(text, pieces);
    for (const auto& [piece, id] : pieces) {
      if (id >= 0) {
        ids.push_back(id);
      } else {
        pre_tokenizer.split(piece, [&](std::string_view word) { bpe.encode(word, ids); });
      }
    }
  }

  AddedTokenFinder added, added_normalized;
  bool nfc;
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  std::vector<int32_t> prefix, suffix;
  std::unordered_map<std::string, int32_t> id_of;
  std::vector<std::string> bytes_of;  // by id; empty where no token has the id
  std::optional<int32_t> bos, eos;
  std::string fingerprint;
};

Tokenizer::Tokenizer(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

Tokenizer Tokenizer::load(const std::filesystem::path& path) {
  const bool folder = std::filesystem::is_directory(path);
  const std::filesystem::path file = folder ? path / "tokenizer.json" : path;
  if (!std::filesystem::exists(file)) {
    const bool old = folder && std::filesystem::exists(path / "vocab.json");
    throw Error("{}: no such file{}",
                file.string(),
                old ? "; vocab.json and merges.txt alone do not say how text is split into words; "
                      "save the tokenizer with the tokenizers or transformers library"
                : folder ? "; the folder of a model holds its tokenizer too, copy it there"
                         : "; expected a tokenizer.json or the folder that holds one");
  }
  auto model = std::make_shared<Model>(read_tokenizer_file(file));
  const std::filesystem::path config = path / "tokenizer_config.json";
  if (folder && std::filesystem::exists(config)) {
    const auto read = [&](const char* role, std::optional<int32_t>& id) {
      const std::string token = read_special_token(config, role);
      const auto found = model->id_of.find(token);
      if (found != model->id_of.end()) {
        id = found->second;
      } else if (!token.empty()) {
        throw Error("{}: {} '{}' is not in the vocabulary of {}",
                    config.string(),
                    role,
                    token,
                    file.string());
      }
    };
    read("bos_token", model->bos);
    read("eos_token", model->eos);
  }
  return Tokenizer(std::move(model));
}

void Tokenizer::encode(std::string_view text,
                       bool add_special_tokens,
                       std::vector<int32_t>& ids) const {
  if (add_special_tokens) ids.insert(ids.end(), model_->prefix.begin(), model_->prefix.end());
  if (is_valid_utf8(text)) {
    model_->encode(text, ids);
  } else {
    model_->encode(replace_invalid_utf8(text), ids);
  }
  if (add_special_tokens) ids.insert(ids.end(), model_->suffix.begin(), model_->suffix.end());
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  std::vector<int32_t> ids;
  encode(text, add_special_tokens, ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (id >= 0 && id < vocabulary_size()) bytes += model_->bytes_of[static_cast<size_t>(id)];
  }
  return is_valid_utf8(bytes) ? bytes : replace_invalid_utf8(bytes);
}

int32_t Tokenizer::vocabulary_size() const { return static_cast<int32_t>(model_->bytes_of.size()); }

std::optional<int32_t> Tokenizer::id_of(std::string_view token) const {
  const auto found = model_->id_of.find(std::string(token));
  if (found == model_->id_of.end()) return std::nullopt;
  return found->second;
}

std::optional<int32_t> Tokenizer::bos() const { return model_->bos; }
std::optional<int32_t> Tokenizer::eos() const { return model_->eos; }
std::span<const int32_t> Tokenizer::prefix() const { return model_->prefix; }
const std::string& Tokenizer::fingerprint() const { return model_->fingerprint; }

}  // namespace demix
