#include "demix/corpus/shard.h"

#include <bit>
#include <cstring>
#include <limits>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/hash.h"

namespace demix {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are little-endian");

constexpr char kTokensMagic[8] = {'d', 'e', 'm', 'i', 'x', 't', 'o', 'k'};
constexpr char kDocumentsMagic[8] = {'d', 'e', 'm', 'i', 'x', 'd', 'o', 'c'};
constexpr uint32_t kVersion = 1;

// Opens both files. PATH.tokens goes on with the tokens; PATH.documents with documents + 1 offsets
// of 8 bytes and the text bytes of every document, 4 bytes each.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t token_bytes;
  uint64_t tokens;
  uint64_t documents;
  uint64_t text_bytes;
  int32_t vocabulary_size;
  int32_t separator;
  char hash[64];  // lower-case hexadecimal
  char reserved[16];
};
static_assert(sizeof(Header) == 128);

std::filesystem::path with_suffix(std::filesystem::path path, const char* suffix) {
  path += suffix;
  return path;
}

Header read_header(const MappedFile& file,
                   const std::filesystem::path& path,
                   const char (&magic)[8]) {
  Header header;
  if (file.bytes().size() < sizeof header) {
    throw Error("{}: damaged shard: {} bytes, expected a header of {}; delete it to make it anew",
                path.string(),
                file.bytes().size(),
                sizeof header);
  }
  std::memcpy(&header, file.bytes().data(), sizeof header);
  if (std::memcmp(header.magic, magic, sizeof magic) != 0) {
    throw Error("{}: not a shard of tokens", path.string());
  }
  if (header.version != kVersion) {
    throw Error("{}: shard of version {}, expected {}; delete it to make it anew",
                path.string(),
                header.version,
                kVersion);
  }
  return header;
}

// The hash of a shard's content; `documents_part` is what follows the header of PATH.documents.
struct ContentHasher {
  Hasher hasher;
  ContentHasher(uint32_t token_bytes, int32_t vocabulary_size, int32_t separator) {
    hasher.field(int64_t{kVersion}).field(int64_t{token_bytes});
    hasher.field(int64_t{vocabulary_size}).field(int64_t{separator});
  }
  std::string finish(std::span<const std::byte> documents_part) {
    hasher.field(static_cast<int64_t>(documents_part.size()));
    return hasher.bytes(documents_part.data(), documents_part.size()).hex();
  }
};

}  // namespace

struct Shard::Mapping {
  std::filesystem::path path;
  MappedFile tokens_file, documents_file;
  Header header;
  std::string hash;
  const std::byte* tokens;
  std::span<const uint64_t> offsets;
  std::span<const uint32_t> text_bytes;
};

Shard Shard::open(const std::filesystem::path& path) {
  const auto tokens_path = with_suffix(path, ".tokens");
  const auto documents_path = with_suffix(path, ".documents");
  MappedFile tokens_file(tokens_path), documents_file(documents_path);
  const Header header = read_header(tokens_file, tokens_path, kTokensMagic);
  Header other = read_header(documents_file, documents_path, kDocumentsMagic);
  std::memcpy(other.magic, header.magic, sizeof other.magic);
  if (std::memcmp(&header, &other, sizeof header) != 0) {
    throw Error("{} and {} belong to different shards; delete both to make them anew",
                tokens_path.string(),
                documents_path.string());
  }
  const auto damaged = [](const std::filesystem::path& file, const std::string& what) {
    return Error("{}: damaged shard: {}; delete it to make it anew", file.string(), what);
  };
  if ((header.token_bytes != 2 && header.token_bytes != 4) || header.vocabulary_size <= 0 ||
      header.separator < 0 || header.separator >= header.vocabulary_size) {
    throw damaged(tokens_path, "impossible values in its header");
  }
  const size_t token_part = tokens_file.bytes().size() - sizeof header;
  if (token_part % header.token_bytes != 0 || token_part / header.token_bytes != header.tokens) {
    throw damaged(tokens_path,
                  fmt::format("{} bytes, which are not its {} tokens", token_part, header.tokens));
  }
  constexpr size_t kDocumentBytes = sizeof(uint64_t) + sizeof(uint32_t);
  const size_t document_part = documents_file.bytes().size() - sizeof header;
  if (document_part < sizeof(uint64_t) ||
      (document_part - sizeof(uint64_t)) % kDocumentBytes != 0 ||
      (document_part - sizeof(uint64_t)) / kDocumentBytes != header.documents) {
    throw damaged(
        documents_path,
        fmt::format("{} bytes, which are not its {} documents", document_part, header.documents));
  }

  auto mapping = std::make_shared<Mapping>(Mapping{
      path, std::move(tokens_file), std::move(documents_file), header, {}, nullptr, {}, {}});
  mapping->hash.assign(header.hash, sizeof header.hash);
  mapping->tokens = mapping->tokens_file.bytes().data() + sizeof header;
  const std::byte* documents = mapping->documents_file.bytes().data() + sizeof header;
  mapping->offsets = {reinterpret_cast<const uint64_t*>(documents), header.documents + 1};
  mapping->text_bytes = {
      reinterpret_cast<const uint32_t*>(documents + mapping->offsets.size_bytes()),
      header.documents};

  // Everything that is later used as an index is checked here; what lies inside the documents is
  // `verify`'s business.
  uint64_t text_bytes = 0;
  bool in_order = mapping->offsets.front() == 0 && mapping->offsets.back() == header.tokens;
  for (size_t i = 0; i < header.documents; ++i) {
    in_order = in_order && mapping->offsets[i] < mapping->offsets[i + 1];
    text_bytes += mapping->text_bytes[i];
  }
  if (!in_order) throw damaged(documents_path, "its documents' borders are not in order");
  if (text_bytes != header.text_bytes) {
    throw damaged(documents_path, "its documents' bytes do not add up");
  }
  Shard shard;
  shard.mapping_ = std::move(mapping);
  return shard;
}

int64_t Shard::tokens() const { return static_cast<int64_t>(mapping_->header.tokens); }
int64_t Shard::documents() const { return static_cast<int64_t>(mapping_->header.documents); }
int64_t Shard::text_bytes() const { return static_cast<int64_t>(mapping_->header.text_bytes); }
int32_t Shard::vocabulary_size() const { return mapping_->header.vocabulary_size; }
int32_t Shard::separator() const { return mapping_->header.separator; }
std::span<const uint64_t> Shard::offsets() const { return mapping_->offsets; }
const std::string& Shard::hash() const { return mapping_->hash; }

int64_t Shard::text_bytes(int64_t document) const {
  DEMIX_CHECK(document >= 0 && document < documents());
  return mapping_->text_bytes[static_cast<size_t>(document)];
}

void Shard::copy(int64_t begin, std::span<int32_t> out) const {
  DEMIX_CHECK(begin >= 0 && begin <= tokens() &&
              static_cast<int64_t>(out.size()) <= tokens() - begin);
  if (mapping_->header.token_bytes == 2) {
    const uint16_t* from = reinterpret_cast<const uint16_t*>(mapping_->tokens) + begin;
    for (size_t i = 0; i < out.size(); ++i) out[i] = from[i];
  } else {
    std::memcpy(out.data(), mapping_->tokens + begin * int64_t{4}, out.size_bytes());
  }
}

void Shard::verify() const {
  const Header& header = mapping_->header;
  ContentHasher hasher(header.token_bytes, header.vocabulary_size, header.separator);
  const auto tokens_part = mapping_->tokens_file.bytes().subspan(sizeof header);
  hasher.hasher.bytes(tokens_part.data(), tokens_part.size());
  if (hasher.finish(mapping_->documents_file.bytes().subspan(sizeof header)) != mapping_->hash) {
    throw Error(
        "{}: damaged shard: its content does not have the hash in its header; delete it to "
        "make it anew",
        mapping_->path.string());
  }
  std::vector<int32_t> part(1 << 16);
  for (int64_t begin = 0; begin < tokens();) {
    const auto size = std::min<int64_t>(tokens() - begin, static_cast<int64_t>(part.size()));
    copy(begin, std::span(part).first(static_cast<size_t>(size)));
    for (int64_t i = 0; i < size; ++i) {
      const int32_t id = part[static_cast<size_t>(i)];
      if (id < 0 || id >= header.vocabulary_size) {
        throw Error("{}: token {} is {}, expected below {}",
                    mapping_->path.string(),
                    begin + i,
                    id,
                    header.vocabulary_size);
      }
    }
    begin += size;
  }
}

struct ShardWriter::State {
  Header header;
  AtomicFile tokens_file, documents_file;
  ContentHasher hasher;
  std::vector<uint64_t> offsets = {0};
  std::vector<uint32_t> text_bytes;
  std::vector<uint16_t> narrow;  // of one document
};

ShardWriter::ShardWriter(std::filesystem::path path, int32_t vocabulary_size, int32_t separator) {
  DEMIX_CHECK(separator >= 0 && separator < vocabulary_size);
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  Header header{};
  std::memcpy(header.magic, kTokensMagic, sizeof header.magic);
  header.version = kVersion;
  header.token_bytes = vocabulary_size <= 1 << 16 ? 2 : 4;
  header.vocabulary_size = vocabulary_size;
  header.separator = separator;
  state_ =
      std::make_unique<State>(State{header,
                                    AtomicFile(with_suffix(path, ".tokens")),
                                    AtomicFile(with_suffix(path, ".documents")),
                                    ContentHasher(header.token_bytes, vocabulary_size, separator),
                                    {0},
                                    {},
                                    {}});
  // Room for the headers, whose counts are known last.
  const Header empty{};
  state_->tokens_file.write(&empty, sizeof empty);
  state_->documents_file.write(&empty, sizeof empty);
}

ShardWriter::~ShardWriter() = default;
ShardWriter::ShardWriter(ShardWriter&&) noexcept = default;

void ShardWriter::add(std::span<const int32_t> document, int64_t text_bytes) {
  State& state = *state_;
  DEMIX_CHECK(!document.empty());
  DEMIX_CHECK(text_bytes >= 0 && text_bytes <= std::numeric_limits<uint32_t>::max());
  for (int32_t id : document) DEMIX_CHECK(id >= 0 && id < state.header.vocabulary_size);
  const void* data = document.data();
  size_t size = document.size_bytes();
  if (state.header.token_bytes == 2) {
    state.narrow.assign(document.begin(), document.end());
    data = state.narrow.data();
    size = state.narrow.size() * sizeof(uint16_t);
  }
  state.tokens_file.write(data, size);
  state.hasher.hasher.bytes(data, size);
  state.offsets.push_back(state.offsets.back() + document.size());
  state.text_bytes.push_back(static_cast<uint32_t>(text_bytes));
  state.header.text_bytes += static_cast<uint64_t>(text_bytes);
}

void ShardWriter::finish() {
  State& state = *state_;
  state.header.tokens = state.offsets.back();
  state.header.documents = state.text_bytes.size();
  const size_t offsets_bytes = state.offsets.size() * sizeof(uint64_t);
  std::vector<std::byte> documents_part(offsets_bytes + state.text_bytes.size() * sizeof(uint32_t));
  std::memcpy(documents_part.data(), state.offsets.data(), offsets_bytes);
  if (!state.text_bytes.empty()) {
    std::memcpy(documents_part.data() + offsets_bytes,
                state.text_bytes.data(),
                documents_part.size() - offsets_bytes);
  }
  const std::string hash = state.hasher.finish(documents_part);
  DEMIX_CHECK(hash.size() == sizeof state.header.hash);
  std::memcpy(state.header.hash, hash.data(), hash.size());
  state.documents_file.write(documents_part.data(), documents_part.size());
  state.tokens_file.overwrite(0, &state.header, sizeof state.header);
  state.tokens_file.commit();
  std::memcpy(state.header.magic, kDocumentsMagic, sizeof state.header.magic);
  state.documents_file.overwrite(0, &state.header, sizeof state.header);
  state.documents_file.commit();
}

}  // namespace demix
