#include "demix/model/safetensors.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "demix/core/error.h"
#include "demix/core/files.h"

namespace demix {
namespace {

// Sorted objects: with ordered_json a hostile header of a million names takes quadratic time.
using SortedJson = nlohmann::json;

// The limit of the format's reference implementation: no model needs more, and a lying length asks
// for more.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr uint64_t kLengthBytes = 8;

// JSON text in which no object has a key twice: which of the two counts is not defined.
SortedJson parse_strictly(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;
  const auto check_keys = [&](int, SortedJson::parse_event_t event, const SortedJson& parsed) {
    if (event == SortedJson::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == SortedJson::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == SortedJson::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(key).second) throw Error("{}: '{}' occurs twice", where, key);
    }
    return true;
  };
  try {
    return SortedJson::parse(text.begin(), text.end(), check_keys);
  } catch (const SortedJson::exception& error) {
    throw Error("{}: not valid JSON: {}", where, error.what());
  }
}

// A value for messages. Lists and maps are not spelt out: hostile ones are long, or deep enough to
// exhaust the stack.
std::string shown(const SortedJson& value) {
  if (value.is_structured()) return fmt::format("a {} of {}", value.type_name(), value.size());
  const std::string text = value.dump();
  return text.size() > 80 ? text.substr(0, 77) + "..." : text;
}

// A JSON value as a size in 0..2^63-1.
int64_t read_size(const SortedJson& value, const std::string& where, const char* what) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{INT64_MAX})
    throw Error("{}: {} should be a whole number from 0, found {}", where, what, shown(value));
  return value.get<int64_t>();
}

// One entry of the header, whose data may be `data` at most.
TensorView read_entry(const std::string& name,
                      const SortedJson& entry,
                      std::span<const std::byte> data,
                      const std::string& file) {
  const std::string where = fmt::format("{}: tensor '{}'", file, name);
  if (!entry.is_object()) throw Error("{}: expected a map, found {}", where, shown(entry));
  for (const auto& [key, value] : entry.items())
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      throw Error("{}: unknown field '{}'", where, key);
  for (const char* key : {"dtype", "shape", "data_offsets"})
    if (!entry.contains(key)) throw Error("{}: '{}' is missing", where, key);

  TensorView tensor;
  tensor.name = name;
  const SortedJson& dtype = entry["dtype"];
  if (!dtype.is_string())
    throw Error("{}: dtype should be a string, found {}", where, shown(dtype));
  tensor.dtype = dtype.get<std::string>();
  const int64_t element_bytes = dtype_bytes(tensor.dtype);
  if (element_bytes == 0) throw Error("{}: dtype '{}' is not supported", where, tensor.dtype);

  const SortedJson& shape = entry["shape"];
  if (!shape.is_array()) throw Error("{}: shape should be a list, found {}", where, shown(shape));
  int64_t expected_bytes = element_bytes;
  for (const SortedJson& size : shape) {
    tensor.shape.push_back(read_size(size, where, "a size of shape"));
    if (__builtin_mul_overflow(expected_bytes, tensor.shape.back(), &expected_bytes))
      throw Error("{}: shape is too large, [{}]", where, fmt::join(tensor.shape, ", "));
  }

  const SortedJson& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2)
    throw Error("{}: data_offsets should be [begin, end], found {}", where, shown(offsets));
  const int64_t begin = read_size(offsets[0], where, "begin of data_offsets");
  const int64_t end = read_size(offsets[1], where, "end of data_offsets");
  if (end < begin)
    throw Error("{}: data_offsets end at {}, before they begin at {}", where, end, begin);
  if (static_cast<uint64_t>(end) > data.size())
    throw Error(
        "{}: data_offsets end at {}, but the file has {} bytes of data; it may be truncated",
        where,
        end,
        data.size());
  if (end - begin != expected_bytes)
    throw Error("{}: {} of shape [{}] takes {} bytes, but data_offsets span {}",
                where,
                tensor.dtype,
                fmt::join(tensor.shape, ", "),
                expected_bytes,
                end - begin);
  tensor.bytes = data.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  return tensor;
}

// Tensors in file order must follow each other without gap or overlap and fill the data: what lies
// outside of all of them would be invisible to every reader.
void check_coverage(const std::vector<TensorView>& tensors,
                    std::span<const std::byte> data,
                    const std::string& file) {
  size_t position = 0;
  for (const TensorView& tensor : tensors) {
    const auto begin = static_cast<size_t>(tensor.bytes.data() - data.data());
    if (begin != position)
      throw Error(
          "{}: tensor '{}' begins at byte {} of the data, but {} at byte {}",
          file,
          tensor.name,
          begin,
          begin < position ? "the one before it ends only" : "the one before it ends already",
          position);
    position += tensor.bytes.size();
  }
  if (position != data.size())
    throw Error(
        "{}: the data have {} bytes, but the tensors cover {}", file, data.size(), position);
}

}  // namespace

int64_t dtype_bytes(std::string_view dtype) {
  static constexpr std::pair<std::string_view, int64_t> kSizes[] = {{"F64", 8},
                                                                    {"F32", 4},
                                                                    {"F16", 2},
                                                                    {"BF16", 2},
                                                                    {"I64", 8},
                                                                    {"I32", 4},
                                                                    {"I16", 2},
                                                                    {"I8", 1},
                                                                    {"U64", 8},
                                                                    {"U32", 4},
                                                                    {"U16", 2},
                                                                    {"U8", 1},
                                                                    {"F8_E4M3", 1},
                                                                    {"F8_E5M2", 1},
                                                                    {"BOOL", 1}};
  for (const auto& [name, bytes] : kSizes)
    if (name == dtype) return bytes;
  return 0;
}

struct SafetensorsFile::State {
  explicit State(const std::filesystem::path& path) : mapping(path) {}

  MappedFile mapping;
  std::vector<TensorView> tensors;
  std::map<std::string_view, const TensorView*> by_name;
  std::map<std::string, std::string> metadata;
};

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  const std::string file = path.string();
  auto state = std::make_shared<State>(path);
  const std::span<const std::byte> bytes = state->mapping.bytes();
  if (bytes.size() < kLengthBytes)
    throw Error(
        "{}: {} bytes are too few for a safetensors file; it may be truncated", file, bytes.size());
  uint64_t header_bytes = 0;
  for (size_t i = 0; i < kLengthBytes; ++i)
    header_bytes |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  if (header_bytes > kMaxHeaderBytes)
    throw Error(
        "{}: the header claims {} bytes, the most allowed are {}; this is no safetensors file",
        file,
        header_bytes,
        kMaxHeaderBytes);
  if (header_bytes > bytes.size() - kLengthBytes)
    throw Error("{}: the header claims {} bytes, but the file has {}; it may be truncated",
                file,
                header_bytes,
                bytes.size() - kLengthBytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              header_bytes);
  if (!text.starts_with('{'))
    throw Error("{}: the header should begin with '{{'; this is no safetensors file", file);
  const SortedJson header = parse_strictly(text, file + ": header");

  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + header_bytes);
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object()) throw Error("{}: __metadata__ should be a map", file);
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string())
          throw Error(
              "{}: __metadata__: '{}' should be a string, found {}", file, key, shown(value));
        state->metadata[key] = value.get<std::string>();
      }
      continue;
    }
    state->tensors.push_back(read_entry(name, entry, data, file));
  }
  // Tensors without elements share their place with a neighbour; they come first.
  std::stable_sort(state->tensors.begin(), state->tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(a.bytes.data(), a.bytes.size()) < std::pair(b.bytes.data(), b.bytes.size());
  });
  check_coverage(state->tensors, data, file);
  for (const TensorView& tensor : state->tensors) state->by_name[tensor.name] = &tensor;

  SafetensorsFile result;
  result.state_ = std::move(state);
  return result;
}

const std::vector<TensorView>& SafetensorsFile::tensors() const { return state_->tensors; }

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto found = state_->by_name.find(name);
  return found == state_->by_name.end() ? nullptr : found->second;
}

const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return state_->metadata;
}

Checkpoint Checkpoint::open(const std::filesystem::path& folder) {
  Checkpoint result;
  const auto add = [&](const SafetensorsFile& file, const std::string& name) {
    for (const TensorView& tensor : file.tensors())
      if (!result.tensors_.emplace(tensor.name, &tensor).second)
        throw Error(
            "{}: tensor '{}' is in another shard, too", (folder / name).string(), tensor.name);
    result.files_.push_back(file);
  };

  const std::string single = "model.safetensors";
  if (std::filesystem::exists(folder / single)) {
    add(SafetensorsFile::open(folder / single), single);
    return result;
  }
  const std::filesystem::path index_path = folder / "model.safetensors.index.json";
  if (!std::filesystem::exists(index_path))
    throw Error("{}: holds neither model.safetensors nor model.safetensors.index.json{}",
                folder.string(),
                std::filesystem::exists(folder / "pytorch_model.bin")
                    ? "; pytorch_model.bin is not read: convert it with transformers"
                    : "");

  const std::string where = index_path.string();
  const MappedFile mapping(index_path);
  const auto bytes = mapping.bytes();
  const SortedJson index =
      parse_strictly({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, where);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw Error("{}: should have a map 'weight_map' from tensors to files", where);
  std::map<std::string, SafetensorsFile> shards;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    if (!file.is_string())
      throw Error("{}: the file of '{}' should be a string, found {}", where, tensor, shown(file));
    const auto& name = file.get_ref<const std::string&>();
    // Names come from outside: only plain ones stay inside the folder.
    if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
        name.find('\0') != name.npos)
      throw Error("{}: '{}' is not a file name inside the folder", where, name);
    auto shard = shards.find(name);
    if (shard == shards.end()) {
      if (!std::filesystem::exists(folder / name))
        throw Error("{}: shard '{}' is missing from the folder", where, name);
      shard = shards.emplace(name, SafetensorsFile::open(folder / name)).first;
    }
    if (!shard->second.find(tensor))
      throw Error("{}: tensor '{}' is not in '{}'", where, tensor, name);
  }
  for (const auto& [name, file] : shards) add(file, name);
  return result;
}

const TensorView* Checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> result;
  for (const auto& [name, tensor] : tensors_) result.push_back(name);
  return result;
}

void write_safetensors(const std::filesystem::path& path,
                       std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  SortedJson header = SortedJson::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    int64_t expected_bytes = dtype_bytes(tensor.dtype);
    for (const int64_t size : tensor.shape) expected_bytes *= size;
    DEMIX_CHECK(static_cast<uint64_t>(expected_bytes) == tensor.bytes.size());
    DEMIX_CHECK(tensor.name != "__metadata__" && !header.contains(tensor.name));
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // data begin at a multiple of 8, as readers like it
  std::string length(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));

  AtomicFile file(path);
  file.write(length);
  file.write(text);
  for (const TensorView& tensor : tensors) file.write(tensor.bytes);
  file.commit();
}

}  // namespace demix
