#include "demix/merge/checkpoint_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/model/checkpoint_files.h"

namespace demix {

struct CheckpointWriter::Shard {
  std::string name;
  SafetensorsHeader header;
  uint64_t data_begin = 0, data_bytes = 0;
  std::mutex mutex;  // of what follows
  int descriptor = -1;
  uint64_t unwritten_bytes = 0;

  std::filesystem::path path(const std::filesystem::path& folder) const { return folder / name; }
};

namespace {

void write_at(int descriptor,
              const std::filesystem::path& path,
              const void* data,
              size_t size,
              uint64_t offset) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::pwrite(descriptor, bytes, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_write_error(path, errno);
    bytes += written;
    offset += static_cast<uint64_t>(written);
    size -= static_cast<size_t>(written);
  }
}

void close_file(int& descriptor, const std::filesystem::path& path, bool sync) {
  const int closing = std::exchange(descriptor, -1);
  const bool failed = sync && ::fsync(closing) != 0;
  const int error = errno;
  // Network file systems may report a failed write only at close.
  if (::close(closing) != 0) throw_write_error(path, errno);
  if (failed) throw_write_error(path, error);
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::filesystem::path folder,
                                   std::span<const TensorEntry> tensors,
                                   uint64_t max_shard_bytes,
                                   bool sync)
    : folder_(std::move(folder)), tensors_(tensors.begin(), tensors.end()), sync_(sync) {
  for (TensorEntry& tensor : tensors_) {
    if (shards_.empty() || (shards_.back()->data_bytes > 0 &&
                            (shards_.back()->data_bytes > max_shard_bytes ||
                             tensor.size_bytes > max_shard_bytes - shards_.back()->data_bytes)))
      shards_.push_back(std::make_unique<Shard>());
    Shard& shard = *shards_.back();
    tensor.begin = shard.data_bytes;
    shard.data_bytes += tensor.size_bytes;
    shard.header.tensors.push_back(tensor);
    shard_of_.push_back(shards_.size() - 1);
  }
  // A checkpoint without tensors is a file without tensors.
  if (shards_.empty()) shards_.push_back(std::make_unique<Shard>());
  for (size_t i = 0; i < shards_.size(); ++i) {
    Shard& shard = *shards_[i];
    shard.name = shards_.size() == 1
                     ? kSingleFile
                     : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards_.size());
    shard.header.metadata = {{"format", "pt"}};
    const std::string text = safetensors_header_text(shard.header);
    shard.data_begin = text.size();
    shard.unwritten_bytes = shard.data_bytes;
    const std::filesystem::path path = shard.path(folder_);
    shard.descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (shard.descriptor < 0) throw_write_error(path, errno);
    // A disk that is too full says so now rather than after hours. Other failures mean that the
    // file system cannot reserve space, and are left to the writes.
    const auto whole_bytes = static_cast<off_t>(shard.data_begin + shard.data_bytes);
    if (::fallocate(shard.descriptor, 0, 0, whole_bytes) != 0 &&
        (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
      throw_write_error(path, errno);
    write_at(shard.descriptor, path, text.data(), text.size(), 0);
    // Opened again at the first write, so that any number of shards stays below the limit.
    close_file(shard.descriptor, path, sync_ && shard.data_bytes == 0);
  }
}

CheckpointWriter::~CheckpointWriter() {
  for (const std::unique_ptr<Shard>& shard : shards_)
    if (shard->descriptor >= 0) ::close(shard->descriptor);
}

void CheckpointWriter::write(size_t tensor, uint64_t offset, std::span<const std::byte> bytes) {
  const TensorEntry& entry = tensors_[tensor];
  DEMIX_CHECK(offset <= entry.size_bytes && bytes.size() <= entry.size_bytes - offset);
  Shard& shard = *shards_[shard_of_[tensor]];
  const std::filesystem::path path = shard.path(folder_);
  {
    const std::lock_guard lock(shard.mutex);
    if (shard.descriptor < 0) shard.descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (shard.descriptor < 0) throw_write_error(path, errno);
  }
  write_at(
      shard.descriptor, path, bytes.data(), bytes.size(), shard.data_begin + entry.begin + offset);
  const std::lock_guard lock(shard.mutex);
  DEMIX_CHECK(bytes.size() <= shard.unwritten_bytes);
  shard.unwritten_bytes -= bytes.size();
  if (shard.unwritten_bytes == 0 && !bytes.empty()) close_file(shard.descriptor, path, sync_);
}

void CheckpointWriter::finish() {
  for (const std::unique_ptr<Shard>& shard : shards_) DEMIX_CHECK(shard->unwritten_bytes == 0);
  if (shards_.size() == 1) return;
  nlohmann::ordered_json index;
  uint64_t total = 0;
  for (const std::unique_ptr<Shard>& shard : shards_) total += shard->data_bytes;
  index["metadata"]["total_size"] = total;
  // One by one: an ordered map looks through all its keys for each that is inserted by name.
  auto& weight_map = index["weight_map"] = nlohmann::ordered_json::object();
  for (size_t i = 0; i < tensors_.size(); ++i)
    weight_map.get_ref<nlohmann::ordered_json::object_t&>().emplace_back(
        tensors_[i].name, shards_[shard_of_[i]]->name);
  write_file(folder_ / kIndexFile, index.dump(2) + "\n", sync_);
}

}  // namespace demix
