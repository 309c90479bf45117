#include "demix/model/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "demix/core/error.h"
#include "demix/core/files.h"

namespace demix {
namespace {

// Files beyond these are opened anew for each read, so that a thousand sharded models stay below
// the usual limit of 1024 descriptors.
constexpr int kMostKeptOpen = 256;
std::atomic<int> kept_open = 0;

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path)
      // Not blocking: a named pipe in the place of a file must not stop the program.
      : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (value_ < 0)
      throw Error("{}: cannot be opened for reading: {}", path.string(), std::strerror(errno));
  }
  ~Descriptor() { ::close(value_); }
  Descriptor(const Descriptor&) = delete;
  int value() const { return value_; }

 private:
  int value_;
};

struct stat status_of(int descriptor, const std::filesystem::path& path) {
  struct stat status;
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
    throw Error("{}: not a regular file", path.string());
  return status;
}

// Reads until `size` bytes or the end of the file, and returns how many there were.
size_t read_at(
    int descriptor, const std::filesystem::path& path, void* out, size_t size, uint64_t offset) {
  size_t done = 0;
  while (done < size) {
    const ssize_t count = ::pread(
        descriptor, static_cast<char*>(out) + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("{}: reading failed: {}", path.string(), std::strerror(errno));
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return done;
}

SafetensorsHeader read_header(int descriptor,
                              const std::filesystem::path& path,
                              uint64_t file_bytes,
                              uint64_t& data_begin) {
  const std::string file = path.string();
  unsigned char length[kHeaderLengthBytes];
  const size_t found = read_at(descriptor, path, length, sizeof length, 0);
  const uint64_t header_bytes = parse_header_length({length, found}, file_bytes, file);
  std::string text(header_bytes, '\0');
  if (read_at(descriptor, path, text.data(), text.size(), kHeaderLengthBytes) < text.size())
    throw Error("{}: the file ended within the header; it was truncated while it was read", file);
  data_begin = kHeaderLengthBytes + header_bytes;
  return parse_safetensors_header(text, file_bytes - data_begin, file);
}

}  // namespace

struct SafetensorsFile::State {
  explicit State(const std::filesystem::path& file) : path(file), descriptor(new Descriptor(file)) {
    status = status_of(descriptor->value(), path);
    header =
        read_header(descriptor->value(), path, static_cast<uint64_t>(status.st_size), data_begin);
    for (const TensorEntry& tensor : header.tensors) by_name[tensor.name] = &tensor;
    if (kept_open.fetch_add(1) >= kMostKeptOpen) {
      descriptor.reset();
      kept_open.fetch_sub(1);
    }
  }
  ~State() {
    if (descriptor) kept_open.fetch_sub(1);
  }

  std::filesystem::path path;
  std::unique_ptr<Descriptor> descriptor;  // none: opened for each read
  struct stat status;
  uint64_t data_begin = 0;
  SafetensorsHeader header;
  std::unordered_map<std::string_view, const TensorEntry*> by_name;
};

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile result;
  result.state_ = std::make_shared<State>(path);
  return result;
}

const std::filesystem::path& SafetensorsFile::path() const { return state_->path; }

const std::vector<TensorEntry>& SafetensorsFile::tensors() const { return state_->header.tensors; }

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = state_->by_name.find(name);
  return found == state_->by_name.end() ? nullptr : found->second;
}

const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return state_->header.metadata;
}

void SafetensorsFile::read(const TensorEntry& tensor,
                           std::span<std::byte> out,
                           uint64_t offset) const {
  DEMIX_CHECK(offset <= tensor.size_bytes && out.size() <= tensor.size_bytes - offset);
  const auto read_from = [&](int descriptor) {
    const uint64_t begin = state_->data_begin + tensor.begin + offset;
    if (read_at(descriptor, state_->path, out.data(), out.size(), begin) < out.size())
      throw Error("{}: the file ended within tensor '{}'; it was truncated while it was read",
                  state_->path.string(),
                  printable(tensor.name));
  };
  if (state_->descriptor) return read_from(state_->descriptor->value());
  const Descriptor descriptor(state_->path);
  read_from(descriptor.value());
}

std::vector<std::byte> SafetensorsFile::read(const TensorEntry& tensor) const {
  std::vector<std::byte> bytes(tensor.size_bytes);
  read(tensor, bytes);
  return bytes;
}

void SafetensorsFile::prefetch(const TensorEntry& tensor, uint64_t offset, uint64_t size) const {
  DEMIX_CHECK(offset <= tensor.size_bytes && size <= tensor.size_bytes - offset);
  // No bytes would mean all that follow.
  if (!state_->descriptor || size == 0) return;
  // Advice: where it fails, reading is only slower.
  (void)::posix_fadvise(state_->descriptor->value(),
                        static_cast<off_t>(state_->data_begin + tensor.begin + offset),
                        static_cast<off_t>(size),
                        POSIX_FADV_WILLNEED);
}

void SafetensorsFile::check_unchanged() const {
  const Descriptor descriptor(state_->path);
  const struct stat now = status_of(descriptor.value(), state_->path);
  const struct stat& then = state_->status;
  if (now.st_size != then.st_size || now.st_ino != then.st_ino || now.st_dev != then.st_dev ||
      now.st_mtim.tv_sec != then.st_mtim.tv_sec || now.st_mtim.tv_nsec != then.st_mtim.tv_nsec)
    throw Error("{}: changed while it was read; start again when nothing writes to it",
                state_->path.string());
}

void write_safetensors(const std::filesystem::path& path,
                       std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  SafetensorsHeader header;
  header.metadata = metadata;
  uint64_t position = 0;
  for (const TensorView& tensor : tensors) {
    header.tensors.push_back(
        {tensor.name, tensor.dtype, tensor.shape, position, tensor.bytes.size()});
    position += tensor.bytes.size();
  }
  AtomicFile file(path);
  file.write(safetensors_header_text(header));
  for (const TensorView& tensor : tensors) file.write(tensor.bytes);
  file.commit();
}

}  // namespace demix
