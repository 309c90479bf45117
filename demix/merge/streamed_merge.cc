#include "demix/merge/streamed_merge.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>

#include "demix/core/error.h"
#include "demix/core/parallel.h"
#include "demix/core/progress.h"
#include "demix/merge/content_hash.h"

namespace demix {
namespace {

// What is read, converted and, by elementwise methods, merged at once: for up to about a dozen
// models it stays in the second-level cache. Also the unit of content hashes.
constexpr int64_t kChunk = kHashedChunk;
// What a thread takes at a time, and writes at once.
constexpr int64_t kRun = 16 * kChunk;
// Larger tensors are worked on by all threads together, so that none waits for the last.
constexpr int64_t kShared = 32 * kRun;
// Elements of all inputs together that are fetched from the disk before they are needed.
constexpr int64_t kFetchedAhead = 1 << 25;
// What methods may use beside their inputs and output.
constexpr uint64_t kMethodScratchBytes = 64 << 20;
// A thread's buffers of bytes as in files.
constexpr uint64_t kBytesOfThread = kChunk * 8 + kRun * 8;
// Pairs grow as the square of the models.
constexpr size_t kMostModelsWithCosines = 32;

// Memory that goes back to the system when it is released.
class FloatBuffer {
 public:
  float* of_size(size_t count) {
    if (count > count_) {
      release();
      const size_t bytes = count * sizeof(float);
      void* memory =
          ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED)
        throw Error("{} bytes of memory are not to be had; allow less with --memory", bytes);
      data_ = static_cast<float*>(memory);
      count_ = count;
    }
    return data_;
  }
  void release() {
    if (data_) ::munmap(data_, count_ * sizeof(float));
    data_ = nullptr;
    count_ = 0;
  }
  FloatBuffer() = default;
  FloatBuffer(const FloatBuffer&) = delete;
  ~FloatBuffer() { release(); }

 private:
  float* data_ = nullptr;
  size_t count_ = 0;
};

// A thread's bytes as in files.
struct FileBytes {
  std::vector<std::byte> in = std::vector<std::byte>(kChunk * 8);
  std::vector<std::byte> out;
};

// Objects that threads work in, one at a time; as many as are used at once.
template <typename T>
class Pool {
 public:
  class Lease {
   public:
    explicit Lease(Pool& pool) : pool_(pool), object_(pool.take()) {}
    ~Lease() { pool_.give_back(std::move(object_)); }
    Lease(const Lease&) = delete;
    T& operator*() { return *object_; }
    T* operator->() { return object_.get(); }

   private:
    Pool& pool_;
    std::unique_ptr<T> object_;
  };

  void clear() { free_.clear(); }

 private:
  std::unique_ptr<T> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<T>();
    std::unique_ptr<T> object = std::move(free_.back());
    free_.pop_back();
    return object;
  }
  void give_back(std::unique_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(object));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> free_;
};

// Elements [begin, begin + count) of a tensor, and what was learnt from reading them.
struct Run {
  size_t tensor = 0;
  int64_t begin = 0, count = 0;
  std::optional<UpdateStatistics> statistics;
  std::vector<std::vector<FastDigest>> digests;  // [inputs][chunks]
};

class Stream {
 public:
  Stream(const StreamedMerge& merge, CheckpointWriter& writer)
      : merge_(merge),
        method_(merge.parameters.method()),
        writer_(writer),
        root_(merge.seed),
        progress_("merge", total(), "parameters"),
        statistics_(merge.inputs.size() - 1, with_cosines()),
        contents_(merge.inputs.size()),
        digests_(merge.inputs.size()) {
    for (const PlannedTensor& tensor : merge.plan.tensors)
      starts_.push_back(starts_.back() + tensor.count);
  }

  StreamedResult run() {
    const std::vector<PlannedTensor>& tensors = merge_.plan.tensors;
    for (size_t begin = 0; begin < tensors.size();) {
      const Kind kind = kind_of(tensors[begin]);
      size_t end = begin + 1;
      while (end < tensors.size() && kind != Kind::kShared && kind_of(tensors[end]) == kind) ++end;
      switch (kind) {
        case Kind::kCopied:
          copy(begin, end);
          break;
        case Kind::kByPieces:
          merge_by_pieces(begin, end);
          break;
        case Kind::kWhole:
          merge_whole(begin, end);
          break;
        case Kind::kShared:
          merge_shared(begin);
      }
      floats_.clear();  // the next kind counts on this memory
      begin = end;
    }
    StreamedResult result{std::move(statistics_), {}};
    for (ContentHash& content : contents_) result.contents.push_back(content.text());
    return result;
  }

 private:
  enum class Kind { kCopied, kByPieces, kWhole, kShared };

  size_t inputs() const { return merge_.inputs.size(); }
  bool with_cosines() const { return inputs() - 1 <= kMostModelsWithCosines; }

  int64_t total() const {
    int64_t sum = 0;
    for (const PlannedTensor& tensor : merge_.plan.tensors) sum += tensor.count;
    return sum;
  }

  // Bytes that one thread needs for so many elements.
  uint64_t need(int64_t count) const {
    return (inputs() + 1) * static_cast<uint64_t>(count) * sizeof(float) + kBytesOfThread;
  }
  int threads_within(uint64_t bytes_of_thread) const {
    const uint64_t fitting = std::max<uint64_t>(1, merge_.memory_bytes / bytes_of_thread);
    return static_cast<int>(std::min<uint64_t>(fitting, static_cast<uint64_t>(merge_.threads)));
  }

  Kind kind_of(const PlannedTensor& tensor) const {
    if (!tensor.merged) return Kind::kCopied;
    if (method_.elementwise) return Kind::kByPieces;
    const uint64_t bytes = need(tensor.count) + kMethodScratchBytes;
    return tensor.count > kShared || threads_within(bytes) < merge_.threads ? Kind::kShared
                                                                            : Kind::kWhole;
  }

  void check_stop() const {
    if (merge_.stop && *merge_.stop) throw Error("stopped; nothing is left in the output folder");
  }

  // ---- Reading

  struct Tensor {
    const PlannedTensor& plan;
    std::vector<StoredTensor> stored;  // of each input
    std::vector<NumberFormat> formats;
    MergeParameters parameters;
    Rng rng;
  };

  Tensor open(size_t index) const {
    const PlannedTensor& plan = merge_.plan.tensors[index];
    Tensor tensor{plan,
                  {},
                  {},
                  merge_.parameters.at(plan.name, merge_.depths[index]),
                  root_.stream(plan.name)};
    for (size_t i = 0; i < inputs(); ++i) {
      tensor.stored.push_back(merge_.inputs[i].checkpoint.tensor(plan.name));
      if (plan.merged) tensor.formats.push_back(*number_format_of(plan.dtypes[i]));
    }
    return tensor;
  }

  // Asks for what follows `begin` of a tensor, in the order of the plan, so that the disk works
  // while the processors do.
  void fetch_ahead_of(size_t tensor, int64_t begin) {
    const std::lock_guard lock(fetching_);
    const std::vector<PlannedTensor>& tensors = merge_.plan.tensors;
    if (std::pair(fetched_tensor_, fetched_) < std::pair(tensor, begin)) {
      fetched_tensor_ = tensor;
      fetched_ = begin;
    }
    // From `begin` to what is fetched.
    int64_t ahead = starts_[fetched_tensor_] + fetched_ - starts_[tensor] - begin;
    const int64_t wanted = std::max(kRun, kFetchedAhead / static_cast<int64_t>(inputs()));
    while (ahead < wanted && fetched_tensor_ < tensors.size()) {
      const PlannedTensor& next = tensors[fetched_tensor_];
      const int64_t count = std::min(kRun, next.count - fetched_);
      for (size_t i = 0; i < inputs(); ++i) {
        const StoredTensor stored = merge_.inputs[i].checkpoint.tensor(next.name);
        const int64_t bytes = dtype_bytes(next.dtypes[i]);
        stored.file->prefetch(*stored.entry,
                              static_cast<uint64_t>(fetched_ * bytes),
                              static_cast<uint64_t>(count * bytes));
      }
      ahead += count;
      fetched_ += count;
      if (fetched_ == next.count) {
        ++fetched_tensor_;
        fetched_ = 0;
      }
    }
  }

  Run new_run(size_t tensor, int64_t begin) const {
    Run run;
    run.tensor = tensor;
    run.begin = begin;
    run.count = std::min(kRun, merge_.plan.tensors[tensor].count - begin);
    run.statistics.emplace(inputs() - 1, with_cosines());
    run.digests.resize(inputs());
    return run;
  }

  // Reads `count` elements of every input from `begin` on into `to`, one array each.
  void read_chunk(const Tensor& tensor,
                  int64_t begin,
                  int64_t count,
                  std::span<float* const> to,
                  FileBytes& bytes_of_file,
                  Run& run) const {
    for (size_t i = 0; i < inputs(); ++i) {
      const int64_t bytes = bytes_of(tensor.formats[i]);
      const std::span<std::byte> raw =
          std::span(bytes_of_file.in).first(static_cast<size_t>(count * bytes));
      tensor.stored[i].read(raw, static_cast<uint64_t>(begin * bytes));
      run.digests[i].push_back(fast_hash(raw));
      if (!read_numbers(tensor.formats[i], raw.data(), count, to[i]))
        refuse_not_finite(tensor, i, begin, {to[i], static_cast<size_t>(count)});
    }
    const std::vector<const float*> models(to.begin() + 1, to.end());
    run.statistics->add(to[0], models, count);
  }

  [[noreturn]] void refuse_not_finite(const Tensor& tensor,
                                      size_t input,
                                      int64_t begin,
                                      std::span<const float> values) const {
    const auto bad = [](float value) { return !std::isfinite(value); };
    const auto first = std::find_if(values.begin(), values.end(), bad);
    throw Error(
        "{} ({}): tensor '{}' of shape {} holds numbers that are not finite (element {} is {}, and "
        "{} more follow within {} elements); a diverged or damaged model cannot be merged",
        merge_.inputs[input].label,
        tensor.stored[input].file->path().string(),
        printable(tensor.plan.name),
        shape_text(tensor.plan.shape),
        begin + (first - values.begin()),
        *first,
        std::count_if(first + 1, values.end(), bad),
        values.size());
  }

  // ---- Merging and writing

  void merge_into(const Tensor& tensor,
                  std::span<const int64_t> shape,
                  int64_t count,
                  std::span<float* const> from,
                  int threads,
                  float* out) const {
    const bool has_base = merge_.reference_is_base;
    const bool reads_base = has_base && method_.base != BaseUse::kNone;
    const std::vector<const float*> models(from.begin() + (has_base ? 1 : 0), from.end());
    method_.merge({.shape = shape,
                   .count = count,
                   .base = reads_base ? from[0] : nullptr,
                   .models = models,
                   .parameters = tensor.parameters,
                   .rng = tensor.rng,
                   .threads = threads},
                  out);
  }

  // Rounds elements [begin, begin + count) of the result to its format, at `to`.
  void round_to(const Tensor& tensor, const float* values, int64_t count, std::byte* to) const {
    const NumberFormat format = *number_format_of(tensor.plan.dtype);
    if (write_numbers(format, values, count, to)) return;
    const bool finite =
        std::all_of(values, values + count, [](float value) { return std::isfinite(value); });
    throw Error("the merged tensor '{}' has numbers that {}; {}",
                printable(tensor.plan.name),
                finite ? fmt::format("overflow in {}", name_of(format)) : "are not finite",
                finite ? "choose --dtype bfloat16 or float32"
                       : "the models' numbers or the merge's parameters are too large");
  }

  void write_run(const Run& run, std::span<const std::byte> bytes) {
    const int64_t element_bytes = static_cast<int64_t>(bytes.size()) / run.count;
    writer_.write(run.tensor, static_cast<uint64_t>(run.begin * element_bytes), bytes);
    progress_.add(run.count);
  }

  // Elementwise methods: chunk by chunk, runs in parallel.
  void merge_by_pieces(size_t begin, size_t end) {
    size_t next = begin;
    int64_t next_begin = 0;
    parallel_in_order(
        threads_within(need(kChunk)),
        [&]() -> std::optional<Run> {
          check_stop();
          if (next == end) return std::nullopt;
          fetch_ahead_of(next, next_begin);
          Run run = new_run(next, next_begin);
          next_begin += run.count;
          if (next_begin == merge_.plan.tensors[next].count) {
            ++next;
            next_begin = 0;
          }
          return run;
        },
        [&](Run& run) {
          if (run.count == 0) return;
          const Tensor tensor = open(run.tensor);
          Pool<FileBytes>::Lease bytes(bytes_);
          Pool<FloatBuffer>::Lease floats(floats_);
          const std::vector<float*> arrays = arrays_of(*floats, kChunk);
          const int64_t out_bytes = dtype_bytes(tensor.plan.dtype);
          bytes->out.resize(static_cast<size_t>(run.count * out_bytes));
          for (int64_t at = 0; at < run.count; at += kChunk) {
            const int64_t count = std::min(kChunk, run.count - at);
            const std::span inputs_of_method(arrays.data(), inputs());
            read_chunk(tensor, run.begin + at, count, inputs_of_method, *bytes, run);
            const int64_t shape[] = {count};
            merge_into(tensor, shape, count, inputs_of_method, 1, arrays.back());
            round_to(tensor, arrays.back(), count, bytes->out.data() + at * out_bytes);
          }
          write_run(run, bytes->out);
        },
        [&](Run& run) { learn(run); });
  }

  // Small tensors: one thread each.
  void merge_whole(size_t begin, size_t end) {
    struct Item {
      size_t tensor;
      std::vector<Run> runs;
    };
    size_t next = begin;
    parallel_in_order(
        merge_.threads,
        [&]() -> std::optional<Item> {
          check_stop();
          if (next == end) return std::nullopt;
          fetch_ahead_of(next, 0);
          return Item{next++, {}};
        },
        [&](Item& item) {
          Pool<FloatBuffer>::Lease floats(floats_);
          merge_tensor(
              item.tensor, *floats, 1, [&](Run& run) { item.runs.push_back(std::move(run)); });
        },
        [&](Item& item) {
          for (Run& run : item.runs) learn(run);
        });
  }

  // A large tensor: all threads together.
  void merge_shared(size_t index) {
    check_stop();
    fetch_ahead_of(index, 0);
    FloatBuffer floats;
    merge_tensor(index, floats, merge_.threads, [&](Run& run) {
      fetch_ahead_of(index, run.begin);
      learn(run);
    });
  }

  // Reads a tensor whole, merges and writes it; `learnt` gets its runs in order.
  template <typename Learnt>
  void merge_tensor(size_t index, FloatBuffer& floats, int threads, Learnt learnt) {
    const Tensor tensor = open(index);
    const int64_t count = tensor.plan.count;
    const std::vector<float*> arrays = arrays_of(floats, count);
    const std::span<float* const> from(arrays.data(), inputs());
    int64_t next = 0;
    bool first = true;
    const auto produce = [&]() -> std::optional<Run> {
      check_stop();
      // A tensor without elements has one run without elements.
      if (next == count && !first) return std::nullopt;
      first = false;
      Run run = new_run(index, next);
      next += run.count;
      return run;
    };
    parallel_in_order(
        threads,
        produce,
        [&](Run& run) {
          Pool<FileBytes>::Lease bytes(bytes_);
          for (int64_t at = 0; at < run.count; at += kChunk) {
            std::vector<float*> places(from.begin(), from.end());
            for (float*& place : places) place += run.begin + at;
            read_chunk(
                tensor, run.begin + at, std::min(kChunk, run.count - at), places, *bytes, run);
          }
        },
        learnt);
    if (count == 0) return;
    merge_into(tensor, tensor.plan.shape, count, from, threads, arrays.back());
    next = 0;
    parallel_in_order(
        threads,
        produce,
        [&](Run& run) {
          if (run.count == 0) return;
          Pool<FileBytes>::Lease bytes(bytes_);
          bytes->out.resize(static_cast<size_t>(run.count * dtype_bytes(tensor.plan.dtype)));
          round_to(tensor, arrays.back() + run.begin, run.count, bytes->out.data());
          write_run(run, bytes->out);
        },
        [](Run&) {});
  }

  // Arrays of `count` floats for each input and the result.
  std::vector<float*> arrays_of(FloatBuffer& floats, int64_t count) const {
    // Whole cache lines, so that arrays begin at one.
    const size_t stride = (static_cast<size_t>(count) + 15) / 16 * 16;
    float* data = floats.of_size(std::max<size_t>(1, stride * (inputs() + 1)));
    std::vector<float*> arrays;
    for (size_t i = 0; i <= inputs(); ++i) arrays.push_back(data + i * stride);
    return arrays;
  }

  // Tensors that are not numbers to be averaged: the same in every input, else an Error.
  void copy(size_t begin, size_t end) {
    std::vector<std::byte> first(kChunk * 8), other(kChunk * 8);
    for (size_t index = begin; index < end; ++index) {
      check_stop();
      const Tensor tensor = open(index);
      const int64_t element_bytes = dtype_bytes(tensor.plan.dtype);
      for (int64_t at = 0; at < tensor.plan.count || at == 0; at += kRun) {
        Run run = new_run(index, at);
        for (int64_t from = at; from < at + run.count; from += kChunk) {
          const auto size =
              static_cast<size_t>(std::min(kChunk, tensor.plan.count - from) * element_bytes);
          const auto offset = static_cast<uint64_t>(from * element_bytes);
          for (size_t i = 0; i < inputs(); ++i) {
            const std::span<std::byte> bytes = std::span(i == 0 ? first : other).first(size);
            tensor.stored[i].read(bytes, offset);
            run.digests[i].push_back(fast_hash(bytes));
            if (i > 0 && std::memcmp(bytes.data(), first.data(), size) != 0)
              throw Error(
                  "tensor '{}' of dtype {} differs between {} ({}) and {} ({}); integers cannot be "
                  "merged",
                  printable(tensor.plan.name),
                  tensor.plan.dtype,
                  merge_.inputs[0].label,
                  merge_.inputs[0].path().string(),
                  merge_.inputs[i].label,
                  merge_.inputs[i].path().string());
          }
          writer_.write(index, offset, std::span(first).first(size));
        }
        progress_.add(run.count);
        learn(run);
      }
    }
  }

  // ---- What is learnt; runs come in order

  void learn(const Run& run) {
    statistics_.add(*run.statistics);
    const PlannedTensor& tensor = merge_.plan.tensors[run.tensor];
    for (size_t i = 0; i < inputs(); ++i) {
      for (const FastDigest& digest : run.digests[i])
        digests_[i].add(std::as_bytes(std::span(digest)));
      if (run.begin + run.count < tensor.count) continue;
      contents_[i].add_tensor(tensor.name, tensor.dtypes[i], tensor.shape, digests_[i].digest());
      digests_[i] = FastHasher();
    }
  }

  const StreamedMerge& merge_;
  const MergeMethod& method_;
  CheckpointWriter& writer_;
  Rng root_;
  Progress progress_;
  std::vector<int64_t> starts_ = {0};  // elements before each tensor of the plan
  std::mutex fetching_;
  size_t fetched_tensor_ = 0;  // all before element fetched_ of this one was asked for
  int64_t fetched_ = 0;
  Pool<FileBytes> bytes_;
  Pool<FloatBuffer> floats_;
  UpdateStatistics statistics_;
  std::vector<ContentHash> contents_;
  std::vector<FastHasher> digests_;  // of the tensor at hand
};

}  // namespace

uint64_t least_memory(const StreamedMerge& merge) {
  int64_t largest = 0;
  for (const PlannedTensor& tensor : merge.plan.tensors)
    if (tensor.merged) largest = std::max(largest, tensor.count);
  const bool elementwise = merge.parameters.method().elementwise;
  const int64_t held = elementwise ? std::min(largest, kChunk) : largest;
  return (merge.inputs.size() + 1) * static_cast<uint64_t>(held) * sizeof(float) + kBytesOfThread +
         (elementwise ? 0 : kMethodScratchBytes);
}

StreamedResult stream_merge(const StreamedMerge& merge, CheckpointWriter& writer) {
  return Stream(merge, writer).run();
}

}  // namespace demix
