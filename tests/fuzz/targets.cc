#include "tests/fuzz/targets.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "demix/core/error.h"
#include "demix/model/checkpoint_files.h"
#include "demix/model/safetensors_header.h"

namespace demix {
namespace {

bool same(const TensorEntry& a, const TensorEntry& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.begin == b.begin &&
         a.size_bytes == b.size_bytes;
}

constexpr std::array<FuzzTarget, 6> kTargets{{{"safetensors", fuzz_safetensors},
                                              {"index", fuzz_index},
                                              {"task_file", fuzz_task_file},
                                              {"jinja", fuzz_jinja},
                                              {"regex", fuzz_regex},
                                              {"answer", fuzz_answer}}};

}  // namespace

std::span<const FuzzTarget> fuzz_targets() { return kTargets; }

void check_fuzz_message(const std::exception& error, std::string_view place) {
  const std::string_view message = error.what();
  DEMIX_CHECK(message.starts_with(place) && message.size() < 1500);
  for (const char c : message) DEMIX_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

void fuzz_safetensors(std::span<const unsigned char> bytes) {
  try {
    const uint64_t header_bytes = parse_header_length(
        bytes.first(std::min<size_t>(bytes.size(), kHeaderLengthBytes)), bytes.size(), "file");
    const auto data = bytes.subspan(kHeaderLengthBytes + header_bytes);
    const SafetensorsHeader header = parse_safetensors_header(
        text_of(bytes.subspan(kHeaderLengthBytes, header_bytes)), data.size(), "file");
    // What is accepted lies inside the file, covers it, and survives being written again.
    uint64_t position = 0;
    for (const TensorEntry& tensor : header.tensors) {
      DEMIX_CHECK(tensor.begin == position && tensor.size_bytes <= data.size() - position);
      position += tensor.size_bytes;
      uint64_t bits = static_cast<uint64_t>(dtype_bits(tensor.dtype));
      for (const int64_t size : tensor.shape) bits *= static_cast<uint64_t>(size);
      DEMIX_CHECK(bits == 8 * tensor.size_bytes);
    }
    DEMIX_CHECK(position == data.size());
    const std::string text = safetensors_header_text(header);
    DEMIX_CHECK(text.size() % 8 == 0);
    const SafetensorsHeader again = parse_safetensors_header(
        std::string_view(text).substr(kHeaderLengthBytes), data.size(), "file");
    DEMIX_CHECK(again.metadata == header.metadata);
    DEMIX_CHECK(std::equal(again.tensors.begin(),
                           again.tensors.end(),
                           header.tensors.begin(),
                           header.tensors.end(),
                           same));
  } catch (const Error& error) {
    check_fuzz_message(error, "file: ");
  }
}

void fuzz_index(std::span<const unsigned char> bytes) {
  try {
    for (const auto& [tensor, name] : parse_weight_map(text_of(bytes), "file"))
      DEMIX_CHECK(!name.empty() && name != ".." && name.find('/') == name.npos);
  } catch (const Error& error) {
    check_fuzz_message(error, "file: ");
  }
}

}  // namespace demix
