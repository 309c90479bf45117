#include "demix/model/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "demix/core/error.h"

namespace demix {
namespace {

using nlohmann::json;

constexpr std::string_view kMetadata = "__metadata__";
// torch has as many at most; a list of a million sizes would only cost memory.
constexpr size_t kMaxRank = 64;
// How the file begins that stands for weights in a repository that was cloned without them.
constexpr std::string_view kLfsPointer = "version ";
static_assert(kLfsPointer.size() == kHeaderLengthBytes);

// Receives the header's JSON piece by piece. Nothing but the three levels that the format has is
// accepted, so that neither deep nor long values are ever stored.
class HeaderHandler final : public nlohmann::json_sax<json> {
 public:
  HeaderHandler(std::string file, SafetensorsHeader& header)
      : file_(std::move(file)), header_(header) {}

  bool start_object(size_t) override {
    if (state_ == State::kStart)
      state_ = State::kRoot;
    else if (state_ == State::kRoot)
      begin_entry();
    else
      unexpected("a map");
    return true;
  }

  bool key(string_t& name) override {
    switch (state_) {
      case State::kRoot:
        key_ = std::move(name);
        break;
      case State::kMetadata:
        key_ = std::move(name);
        if (header_.metadata.contains(key_))
          throw Error("{}: header: {}: '{}' occurs twice", file_, kMetadata, printable(key_));
        break;
      default:
        begin_field(name);
    }
    return true;
  }

  bool end_object() override {
    switch (state_) {
      case State::kEntry:
        end_entry();
        [[fallthrough]];
      case State::kMetadata:
        state_ = State::kRoot;
        break;
      default:
        state_ = State::kEnd;
    }
    return true;
  }

  bool start_array(size_t) override {
    if (state_ == State::kEntry && field_ == "shape")
      state_ = State::kShape;
    else if (state_ == State::kEntry && field_ == "data_offsets")
      state_ = State::kOffsets;
    else
      unexpected("a list");
    return true;
  }

  bool end_array() override {
    state_ = State::kEntry;
    return true;
  }

  bool string(string_t& text) override {
    if (state_ == State::kMetadata)
      header_.metadata.emplace(std::move(key_), std::move(text));
    else if (state_ == State::kEntry && field_ == "dtype")
      set_dtype(std::move(text));
    else
      unexpected(fmt::format("'{}'", printable(text)));
    return true;
  }

  bool number_unsigned(number_unsigned_t number) override {
    if (state_ != State::kShape && state_ != State::kOffsets) unexpected(fmt::format("{}", number));
    if (number > uint64_t{INT64_MAX})
      throw Error("{}: a size of {} should be below 2^63, found {}", where(), field_, number);
    if (state_ == State::kShape) {
      if (entry().shape.size() == kMaxRank)
        throw Error("{}: shape has more than {} sizes", where(), kMaxRank);
      entry().shape.push_back(static_cast<int64_t>(number));
    } else {
      if (offsets_ == 2) throw Error("{}: data_offsets should be [begin, end]", where());
      (offsets_++ == 0 ? entry().begin : end_) = number;
    }
    return true;
  }

  bool number_integer(number_integer_t number) override {
    return unexpected(fmt::format("{}", number));
  }
  bool number_float(number_float_t, const string_t& text) override {
    return unexpected(printable(text));
  }
  bool null() override { return unexpected("null"); }
  bool boolean(bool value) override { return unexpected(value ? "true" : "false"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    throw Error("{}: header: not valid JSON: {}", file_, printable(error.what()));
  }

 private:
  enum class State { kStart, kRoot, kMetadata, kEntry, kShape, kOffsets, kEnd };

  TensorEntry& entry() { return header_.tensors.back(); }

  std::string where() const {
    switch (state_) {
      case State::kStart:
      case State::kEnd:
        return fmt::format("{}: header", file_);
      case State::kRoot:
        return fmt::format("{}: tensor '{}'", file_, printable(key_));
      case State::kMetadata:
        return fmt::format("{}: header: {}: '{}'", file_, kMetadata, printable(key_));
      default:
        return fmt::format("{}: tensor '{}'", file_, printable(header_.tensors.back().name));
    }
  }

  bool unexpected(const std::string& found) const {
    const char* expected = state_ == State::kMetadata ? "a string"
                           : state_ == State::kShape || state_ == State::kOffsets
                               ? "whole numbers from 0"
                           : state_ != State::kEntry ? "a map"
                           : field_ == "dtype"       ? "a string"
                                                     : "a list";
    throw Error("{}: {}expected {}, found {}",
                where(),
                state_ < State::kEntry || state_ == State::kEnd ? "" : field_ + ": ",
                expected,
                found);
  }

  void begin_entry() {
    if (key_ == kMetadata) {
      if (std::exchange(metadata_seen_, true))
        throw Error("{}: header: '{}' occurs twice", file_, kMetadata);
      state_ = State::kMetadata;
      return;
    }
    header_.tensors.emplace_back();
    entry().name = std::move(key_);
    state_ = State::kEntry;
    dtype_seen_ = shape_seen_ = offsets_seen_ = false;
    offsets_ = 0;
    end_ = 0;
  }

  void begin_field(const std::string& name) {
    bool* seen = name == "dtype"          ? &dtype_seen_
                 : name == "shape"        ? &shape_seen_
                 : name == "data_offsets" ? &offsets_seen_
                                          : nullptr;
    if (!seen) throw Error("{}: unknown field '{}'", where(), printable(name));
    if (std::exchange(*seen, true)) throw Error("{}: '{}' occurs twice", where(), name);
    field_ = name;
  }

  void set_dtype(std::string dtype) {
    if (dtype_bits(dtype) == 0)
      throw Error("{}: dtype '{}' is not of the format", where(), printable(dtype));
    entry().dtype = std::move(dtype);
  }

  void end_entry() {
    const TensorEntry& tensor = entry();
    for (const auto& [seen, name] :
         {std::pair(dtype_seen_, "dtype"), {shape_seen_, "shape"}, {offsets_seen_, "data_offsets"}})
      if (!seen) throw Error("{}: '{}' is missing", where(), name);
    if (offsets_ != 2)
      throw Error("{}: data_offsets should be [begin, end], found {} numbers", where(), offsets_);
    if (end_ < tensor.begin)
      throw Error(
          "{}: data_offsets end at {}, before they begin at {}", where(), end_, tensor.begin);
    const std::optional<uint64_t> expected = tensor_bytes(tensor.dtype, tensor.shape);
    if (!expected)
      throw Error("{}: {} of shape {} is too large or fills no whole bytes",
                  where(),
                  tensor.dtype,
                  shape_text(tensor.shape));
    if (end_ - tensor.begin != *expected)
      throw Error("{}: {} of shape {} takes {} bytes, but data_offsets span {}",
                  where(),
                  tensor.dtype,
                  shape_text(tensor.shape),
                  *expected,
                  end_ - tensor.begin);
    entry().size_bytes = *expected;
  }

  std::string file_;
  SafetensorsHeader& header_;
  State state_ = State::kStart;
  std::string key_, field_;
  bool metadata_seen_ = false, dtype_seen_ = false, shape_seen_ = false, offsets_seen_ = false;
  int offsets_ = 0;
  uint64_t end_ = 0;
};

void check_names(const std::vector<TensorEntry>& tensors, const std::string& file) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const TensorEntry& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw Error("{}: header: '{}' occurs twice", file, printable(*twice));
}

// Tensors in file order must follow each other without gap or overlap and fill the data: what lies
// outside of all of them would be invisible to every reader.
void check_coverage(const std::vector<TensorEntry>& tensors,
                    uint64_t data_bytes,
                    const std::string& file) {
  uint64_t position = 0;
  for (const TensorEntry& tensor : tensors) {
    if (tensor.begin > data_bytes || tensor.size_bytes > data_bytes - tensor.begin)
      throw Error(
          "{}: tensor '{}' takes {} bytes from byte {}, but the file has {} bytes of data; it may "
          "be truncated",
          file,
          printable(tensor.name),
          tensor.size_bytes,
          tensor.begin,
          data_bytes);
    if (tensor.begin != position)
      throw Error("{}: tensor '{}' begins at byte {} of the data, but {} at byte {}",
                  file,
                  printable(tensor.name),
                  tensor.begin,
                  tensor.begin < position ? "the one before it ends only"
                                          : "the one before it ends already",
                  position);
    position += tensor.size_bytes;
  }
  if (position != data_bytes)
    throw Error("{}: the data have {} bytes, but the tensors cover {}", file, data_bytes, position);
}

}  // namespace

int64_t dtype_bits(std::string_view dtype) {
  static constexpr std::pair<std::string_view, int64_t> kBits[] = {
      {"F64", 64},    {"F32", 32},    {"F16", 16}, {"BF16", 16},       {"I64", 64},
      {"I32", 32},    {"I16", 16},    {"I8", 8},   {"U64", 64},        {"U32", 32},
      {"U16", 16},    {"U8", 8},      {"BOOL", 8}, {"C64", 64},        {"F8_E4M3", 8},
      {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F4", 4},   {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
      {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  for (const auto& [name, bits] : kBits)
    if (name == dtype) return bits;
  return 0;
}

int64_t dtype_bytes(std::string_view dtype) {
  const int64_t bits = dtype_bits(dtype);
  return bits % 8 == 0 ? bits / 8 : 0;
}

std::optional<uint64_t> tensor_bytes(std::string_view dtype, std::span<const int64_t> shape) {
  int64_t bits = dtype_bits(dtype);
  if (bits == 0) return std::nullopt;
  for (const int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(bits, size, &bits)) return std::nullopt;
  if (bits % 8 != 0) return std::nullopt;
  return static_cast<uint64_t>(bits / 8);
}

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

uint64_t parse_header_length(std::span<const unsigned char> first_bytes,
                             uint64_t file_bytes,
                             const std::string& file) {
  if (first_bytes.size() < kHeaderLengthBytes || file_bytes < kHeaderLengthBytes)
    throw Error(
        "{}: {} bytes are too few for a safetensors file; it may be truncated", file, file_bytes);
  uint64_t header_bytes = 0;
  for (size_t i = 0; i < kHeaderLengthBytes; ++i)
    header_bytes |= uint64_t{first_bytes[i]} << (8 * i);
  if (std::equal(kLfsPointer.begin(), kLfsPointer.end(), first_bytes.begin()))
    throw Error("{}: is a pointer of Git LFS, not the weights; fetch them with 'git lfs pull'",
                file);
  if (header_bytes > kMaxHeaderBytes)
    throw Error(
        "{}: the header claims {} bytes, the most allowed are {}; this is no safetensors file",
        file,
        header_bytes,
        kMaxHeaderBytes);
  if (header_bytes > file_bytes - kHeaderLengthBytes)
    throw Error("{}: the header claims {} bytes, but the file has {}; it may be truncated",
                file,
                header_bytes,
                file_bytes - kHeaderLengthBytes);
  return header_bytes;
}

SafetensorsHeader parse_safetensors_header(std::string_view text,
                                           uint64_t data_bytes,
                                           const std::string& file) {
  if (!text.starts_with('{'))
    throw Error("{}: the header should begin with '{{'; this is no safetensors file", file);
  // The JSON library takes one for the end, and would pass over what follows.
  if (text.find('\0') != text.npos)
    throw Error("{}: header: not valid JSON: it has a byte of zero", file);
  SafetensorsHeader header;
  HeaderHandler handler(file, header);
  json::sax_parse(text.begin(), text.end(), &handler);
  check_names(header.tensors, file);
  // Tensors without elements share their place with a neighbour; they come first.
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.size_bytes) < std::pair(b.begin, b.size_bytes);
  });
  check_coverage(header.tensors, data_bytes, file);
  return header;
}

std::string safetensors_header_text(const SafetensorsHeader& header) {
  std::string text = "{";
  const auto add = [&](const std::string& name, const json& value) {
    if (text.size() > 1) text += ',';
    text += json(name).dump() + ':' + value.dump();
  };
  if (!header.metadata.empty()) add(std::string(kMetadata), header.metadata);
  uint64_t position = 0;
  for (const TensorEntry& tensor : header.tensors) {
    DEMIX_CHECK(tensor.name != kMetadata && tensor.begin == position);
    DEMIX_CHECK(tensor_bytes(tensor.dtype, tensor.shape) == tensor.size_bytes);
    position += tensor.size_bytes;
    add(tensor.name,
        {{"dtype", tensor.dtype},
         {"shape", tensor.shape},
         {"data_offsets", {tensor.begin, position}}});
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(kHeaderLengthBytes, '\0');
  for (size_t i = 0; i < kHeaderLengthBytes; ++i)
    length[i] = static_cast<char>(text.size() >> (8 * i));
  return length + text;
}

}  // namespace demix
