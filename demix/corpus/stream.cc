#include "demix/corpus/stream.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "demix/core/error.h"

namespace demix {
namespace {

// One dataset as an endless stream of tokens: its documents in a new order each epoch.
class EndlessDocuments {
 public:
  EndlessDocuments(const Shard& shard, const Rng& rng) : shard_(shard), rng_(rng) {
    if (shard.documents() > std::numeric_limits<uint32_t>::max()) {
      throw Error("a dataset of {} documents; at most 2^32 can be shuffled", shard.documents());
    }
  }

  // Moves to token `position` of the endless stream.
  void seek(int64_t position) {
    if (position == position_) return;
    const int64_t epoch = position / shard_.tokens();
    if (epoch != epoch_) shuffle(epoch);
    position_ = position;
    auto remaining = static_cast<uint64_t>(position % shard_.tokens());
    for (place_ = 0; remaining >= document_tokens(); ++place_) remaining -= document_tokens();
    offset_ = remaining;
  }

  // Fills one row: T + 1 ids, T begins and predicts. Advances by T, as the last target is the next
  // row's first input.
  void read_row(std::span<int32_t> ids, std::span<int32_t> begins, std::span<uint8_t> predicts) {
    const size_t length = begins.size();
    std::fill(predicts.begin(), predicts.end(), uint8_t{1});
    for (size_t column = 0; column < length;) {
      const size_t part = std::min<size_t>(length - column, document_tokens() - offset_);
      shard_.copy(static_cast<int64_t>(document_begin() + offset_), ids.subspan(column, part));
      std::fill_n(
          begins.begin() + static_cast<std::ptrdiff_t>(column), part, static_cast<int32_t>(column));
      column += part;
      advance(part);
      if (offset_ != 0) continue;
      // The next token opens another document: a fair target only as the separator of this one.
      shard_.copy(static_cast<int64_t>(document_begin()), ids.subspan(column, 1));
      predicts[column - 1] = ids[column] == shard_.separator();
    }
    shard_.copy(static_cast<int64_t>(document_begin() + offset_), ids.subspan(length, 1));
  }

 private:
  uint64_t document_begin() const { return shard_.offsets()[order_[place_]]; }
  uint64_t document_tokens() const {
    return shard_.offsets()[order_[place_] + size_t{1}] - document_begin();
  }

  void advance(uint64_t tokens) {
    position_ += static_cast<int64_t>(tokens);
    offset_ += tokens;
    if (offset_ < document_tokens()) return;
    offset_ = 0;
    if (++place_ < order_.size()) return;
    shuffle(epoch_ + 1);
    place_ = 0;
  }

  void shuffle(int64_t epoch) {
    epoch_ = epoch;
    order_.resize(static_cast<size_t>(shard_.documents()));
    std::iota(order_.begin(), order_.end(), 0u);
    rng_.stream("epoch", epoch).shuffle(std::span(order_));
  }

  Shard shard_;
  Rng rng_;
  int64_t position_ = -1, epoch_ = -1;
  std::vector<uint32_t> order_;  // of this epoch's documents
  size_t place_ = 0;             // in order_
  uint64_t offset_ = 0;          // in the document, below its length
};

void check_sources(std::span<const MixedStream::Source> sources) {
  if (sources.empty()) throw Error("a stream of tokens needs at least one dataset");
  double sum = 0;
  std::set<std::string_view> names;
  const MixedStream::Source* first = nullptr;
  for (const auto& source : sources) {
    if (!names.insert(source.name).second) throw Error("dataset '{}' appears twice", source.name);
    if (!std::isfinite(source.weight) || source.weight < 0) {
      throw Error(
          "dataset '{}': weight {}, expected a share in [0, 1]", source.name, source.weight);
    }
    sum += source.weight;
    if (source.weight == 0) continue;
    if (source.shard.tokens() == 0) {
      throw Error("dataset '{}' has weight {} but no tokens", source.name, source.weight);
    }
    if (!first) first = &source;
    if (source.shard.vocabulary_size() != first->shard.vocabulary_size() ||
        source.shard.separator() != first->shard.separator()) {
      throw Error(
          "datasets '{}' and '{}' were tokenised by different tokenizers: vocabulary {} and {}, "
          "separator {} and {}",
          first->name,
          source.name,
          first->shard.vocabulary_size(),
          source.shard.vocabulary_size(),
          first->shard.separator(),
          source.shard.separator());
    }
  }
  if (std::abs(sum - 1) > 1e-6) {
    throw Error("the datasets' weights sum to {}, expected 1", sum);
  }
}

}  // namespace

struct MixedStream::State {
  std::vector<Source> sources;
  int64_t length;
  std::vector<EndlessDocuments>
      documents;                     // of sources with weight; others have no documents to order
  std::vector<size_t> documents_of;  // by source
  int64_t row = 0;
  std::vector<int64_t> given;  // rows so far, by source

  // The source of row `row`.
  size_t next_source() const {
    size_t best = sources.size();
    double best_due = 0;
    for (size_t i = 0; i < sources.size(); ++i) {
      const double weight = sources[i].weight;
      const auto rows = static_cast<double>(given[i]);
      if (weight * static_cast<double>(row + 1) <= rows) continue;
      const double due = (rows + 1) / weight;
      if (best == sources.size() || due < best_due) {
        best = i;
        best_due = due;
      }
    }
    DEMIX_CHECK(best < sources.size());
    return best;
  }
};

MixedStream::MixedStream(std::vector<Source> sources, uint64_t seed, int64_t length)
    : state_(std::make_unique<State>()) {
  if (length <= 0) throw Error("sequence length {}, expected at least 1", length);
  check_sources(sources);
  double sum = 0;
  for (const Source& source : sources) sum += source.weight;
  for (Source& source : sources) source.weight /= sum;
  state_->length = length;
  state_->given.assign(sources.size(), 0);
  for (const Source& source : sources) {
    state_->documents_of.push_back(state_->documents.size());
    if (source.weight == 0) continue;
    state_->documents.emplace_back(source.shard, Rng(seed).stream("documents/" + source.name));
  }
  state_->sources = std::move(sources);
}

MixedStream::~MixedStream() = default;
MixedStream::MixedStream(MixedStream&&) noexcept = default;
MixedStream& MixedStream::operator=(MixedStream&&) noexcept = default;

PackedBatch MixedStream::next(int64_t rows) {
  DEMIX_CHECK(rows >= 0);
  const auto length = static_cast<size_t>(state_->length);
  const auto count = static_cast<size_t>(rows);
  PackedBatch batch;
  batch.rows = rows;
  batch.length = state_->length;
  batch.ids.resize(count * (length + 1));
  batch.begins.resize(count * length);
  batch.predicts.resize(count * length);
  for (size_t i = 0; i < count; ++i) {
    const size_t source = state_->next_source();
    EndlessDocuments& documents = state_->documents[state_->documents_of[source]];
    documents.seek(state_->given[source] * state_->length);
    documents.read_row(std::span(batch.ids).subspan(i * (length + 1), length + 1),
                       std::span(batch.begins).subspan(i * length, length),
                       std::span(batch.predicts).subspan(i * length, length));
    ++state_->given[source];
    ++state_->row;
  }
  return batch;
}

void MixedStream::seek(int64_t row) {
  DEMIX_CHECK(row >= 0);
  if (row < state_->row) {
    state_->row = 0;
    std::fill(state_->given.begin(), state_->given.end(), 0);
  }
  for (; state_->row < row; ++state_->row) ++state_->given[state_->next_source()];
}

int64_t MixedStream::row() const { return state_->row; }

Consumed MixedStream::consumed() const {
  Consumed consumed;
  for (size_t i = 0; i < state_->sources.size(); ++i) {
    const int64_t tokens = state_->given[i] * state_->length;
    const int64_t of_dataset = state_->sources[i].shard.tokens();
    consumed.tokens.push_back(tokens);
    consumed.epochs.push_back(
        of_dataset == 0 ? 0.0 : static_cast<double>(tokens) / static_cast<double>(of_dataset));
  }
  return consumed;
}

}  // namespace demix
