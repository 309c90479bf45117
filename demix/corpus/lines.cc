#include "demix/corpus/lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "demix/core/error.h"

namespace demix {
namespace {

constexpr size_t kReadBytes = 1 << 18;

std::string lower_suffix(const std::filesystem::path& path) {
  std::string suffix = path.extension().string();
  for (char& c : suffix) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return suffix;
}

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(const std::filesystem::path& path) : path_(path.string()) {
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) throw Error("{}: cannot be opened: {}", path_, std::strerror(errno));
    struct stat status{};
    if (::fstat(descriptor_, &status) == 0 && S_ISDIR(status.st_mode)) {
      ::close(descriptor_);
      throw Error("{}: a folder, expected a file", path_);
    }
  }
  ~PlainSource() override { ::close(descriptor_); }
  PlainSource(const PlainSource&) = delete;

  size_t read(std::span<char> out) override {
    for (;;) {
      const ssize_t size = ::read(descriptor_, out.data(), out.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) throw Error("{}: reading failed: {}", path_, std::strerror(errno));
      bytes_ += size;
      return static_cast<size_t>(size);
    }
  }
  int64_t file_bytes() const override { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_;
  int64_t bytes_ = 0;
};

// What both decompressors share: a buffer of compressed bytes.
class CompressedSource : public ByteSource {
 public:
  explicit CompressedSource(const std::filesystem::path& path) : file_(path), input_(kReadBytes) {}
  int64_t file_bytes() const override { return file_.file_bytes(); }

 protected:
  // False at the end of the file.
  bool refill() {
    place_ = 0;
    size_ = file_.read(input_);
    return size_ > 0;
  }
  [[noreturn]] void fail_truncated(const char* format) const {
    throw Error("{}: the {} data end early, after {} bytes: the file was cut; copy it again",
                file_.path(),
                format,
                file_.file_bytes());
  }
  [[noreturn]] void fail_damaged(const char* format, const char* reason) const {
    throw Error("{}: damaged {} data within the first {} bytes: {}",
                file_.path(),
                format,
                file_.file_bytes(),
                reason);
  }

  PlainSource file_;
  std::vector<char> input_;
  size_t place_ = 0, size_ = 0;
};

class GzipSource : public CompressedSource {
 public:
  explicit GzipSource(const std::filesystem::path& path) : CompressedSource(path) {
    // 16 + window bits: a gzip header is expected.
    if (inflateInit2(&stream_, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(out.size(), 1u << 30));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room) {
      if (place_ == size_ && !refill()) {
        if (!between_members_) fail_truncated("gzip");
        return 0;
      }
      if (between_members_) {
        // A file may hold several members, and tapes pad the last with zeros.
        if (members_ > 0 && input_[place_] == 0) {
          ++place_;
          continue;
        }
        inflateReset(&stream_);
        between_members_ = false;
      }
      stream_.next_in = reinterpret_cast<Bytef*>(input_.data() + place_);
      stream_.avail_in = static_cast<uInt>(size_ - place_);
      const int code = inflate(&stream_, Z_NO_FLUSH);
      place_ = size_ - stream_.avail_in;
      if (code == Z_STREAM_END) {
        between_members_ = true;
        ++members_;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        fail_damaged("gzip", stream_.msg ? stream_.msg : zError(code));
      }
    }
    return room - stream_.avail_out;
  }

 private:
  z_stream stream_{};
  bool between_members_ = false;
  int64_t members_ = 0;
};

class ZstdSource : public CompressedSource {
 public:
  explicit ZstdSource(const std::filesystem::path& path)
      : CompressedSource(path), stream_(ZSTD_createDStream()) {
    if (!stream_) throw std::bad_alloc();
  }
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }

  size_t read(std::span<char> out) override {
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    while (output.pos == 0) {
      // A frame may hold back output that needs no more input.
      if (place_ == size_ && !more_output_ && !refill()) {
        if (!between_frames_) fail_truncated("zstd");
        return 0;
      }
      ZSTD_inBuffer input{input_.data(), size_, place_};
      const size_t code = ZSTD_decompressStream(stream_, &output, &input);
      if (ZSTD_isError(code)) fail_damaged("zstd", ZSTD_getErrorName(code));
      place_ = input.pos;
      between_frames_ = code == 0;
      more_output_ = output.pos == output.size && !between_frames_;
    }
    return output.pos;
  }

 private:
  ZSTD_DStream* stream_;
  bool between_frames_ = false, more_output_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> ByteSource::open(const std::filesystem::path& path) {
  const std::string suffix = lower_suffix(path);
  if (suffix == ".gz") return std::make_unique<GzipSource>(path);
  if (suffix == ".zst") return std::make_unique<ZstdSource>(path);
  return std::make_unique<PlainSource>(path);
}

LineReader::LineReader(const std::filesystem::path& path, int64_t max_line_bytes)
    : path_(path.string()),
      source_(ByteSource::open(path)),
      max_line_bytes_(static_cast<size_t>(max_line_bytes)),
      buffer_(kReadBytes + kPadding) {}

std::string LineReader::where() const { return fmt::format("{}:{}", path_, number_); }

bool LineReader::next() {
  ++number_;
  size_t searched = begin_;
  for (;;) {
    const char* data = buffer_.data();
    const auto* newline = static_cast<const char*>(
        end_ > searched ? std::memchr(data + searched, '\n', end_ - searched) : nullptr);
    searched = end_;
    const size_t line_end = newline ? static_cast<size_t>(newline - data) : end_;
    if (line_end - begin_ > max_line_bytes_) {
      throw Error(
          "{}: a line of more than {} bytes; if that is meant, raise "
          "corpus.max_document_bytes",
          where(),
          max_line_bytes_);
    }
    if (newline || (at_end_ && begin_ < end_)) {
      line_ = {data + begin_, line_end - begin_};
      begin_ = newline ? line_end + 1 : end_;
      if (number_ == 1 && line_.starts_with(kByteOrderMark)) {
        line_.remove_prefix(kByteOrderMark.size());
      }
      if (line_.ends_with('\r')) line_.remove_suffix(1);
      return true;
    }
    if (at_end_) return false;
    // Makes room: first by moving the unread part to the front, then by doubling the buffer.
    if (end_ == buffer_.size() - kPadding) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      searched -= begin_;
      end_ -= begin_;
      begin_ = 0;
      if (end_ > (buffer_.size() - kPadding) / 2) buffer_.resize(2 * buffer_.size());
    }
    const size_t size =
        source_->read(std::span(buffer_).subspan(end_, buffer_.size() - kPadding - end_));
    end_ += size;
    at_end_ = size == 0;
  }
}

std::string format_suffix(const std::filesystem::path& path) {
  const std::string suffix = lower_suffix(path);
  if (suffix == ".gz" || suffix == ".zst") return lower_suffix(path.stem());
  return suffix;
}

}  // namespace demix
