#include "demix/evaluate/plan.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "demix/core/error.h"
#include "demix/corpus/shard.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/text.h"

namespace demix {
namespace {

// Keeps the last max_length + 1 ids: the last one is only predicted.
void cut_left(Sequence& sequence, int64_t max_length) {
  const int64_t surplus = static_cast<int64_t>(sequence.ids.size()) - (max_length + 1);
  if (surplus <= 0) return;
  sequence.ids.erase(sequence.ids.begin(), sequence.ids.begin() + surplus);
  sequence.first_target -= surplus;
  sequence.is_cut = true;
}

class TreeBuilder {
 public:
  explicit TreeBuilder(std::span<const Sequence> sequences) : sequences_(sequences) {}

  TokenTree build() {
    std::vector<size_t> all(sequences_.size());
    std::iota(all.begin(), all.end(), size_t{0});
    add_branches(all, 0);
    return std::move(tree_);
  }

 private:
  // Tokens of sequence `i` that are read.
  int64_t inputs(size_t i) const { return static_cast<int64_t>(sequences_[i].ids.size()) - 1; }

  // Adds what the sequences, equal before `start`, have from there on.
  void add_branches(const std::vector<size_t>& members, int64_t start) {
    std::vector<std::vector<size_t>> branches;
    for (size_t member : members) {
      if (inputs(member) <= start) continue;
      const int32_t token = sequences_[member].ids[start];
      auto branch = std::find_if(branches.begin(), branches.end(), [&](const auto& candidate) {
        return sequences_[candidate[0]].ids[start] == token;
      });
      if (branch == branches.end()) branch = branches.emplace(branches.end());
      branch->push_back(member);
    }
    for (const auto& branch : branches) add_segment(branch, start);
  }

  void add_segment(const std::vector<size_t>& members, int64_t start) {
    const auto& first = sequences_[members[0]].ids;
    int64_t end = inputs(members[0]);
    for (size_t member : members) {
      const auto& ids = sequences_[member].ids;
      end = std::min(end, inputs(member));
      end = std::mismatch(first.begin() + start, first.begin() + end, ids.begin() + start).first -
            first.begin();
    }
    const int64_t row = tree_.rows();
    tree_.segments.push_back({row, end - start, start});
    for (int64_t position = start; position < end; ++position) {
      tree_.ids.push_back(first[position]);
      tree_.positions.push_back(static_cast<int32_t>(position));
    }
    for (size_t member : members) {
      const Sequence& sequence = sequences_[member];
      for (int64_t position = std::max(start, sequence.first_target - 1); position < end;
           ++position)
        tree_.answers.push_back(
            {row + position - start, sequence.ids[position + 1], sequence.slot});
    }
    add_branches(members, end);
  }

  std::span<const Sequence> sequences_;
  TokenTree tree_;
};

// With what the post-processor adds, but not before a text that begins with the start token.
std::vector<int32_t> encode_from_start(const Tokenizer& tokenizer,
                                       std::optional<int32_t> start,
                                       std::string_view text) {
  const std::string start_text = start ? tokenizer.decode({{*start}}) : "";
  return tokenizer.encode(text, start_text.empty() || !text.starts_with(start_text));
}

}  // namespace

std::optional<int32_t> start_token(const Tokenizer& tokenizer) {
  if (tokenizer.bos()) return tokenizer.bos();
  if (tokenizer.eos()) return tokenizer.eos();
  if (!tokenizer.prefix().empty()) return tokenizer.prefix().back();
  return std::nullopt;
}

Sequence tokenize_pair(const Tokenizer& tokenizer,
                       std::string_view context,
                       std::string_view continuation,
                       int64_t max_length,
                       const std::string& place) {
  const auto start = start_token(tokenizer);
  Sequence sequence{{}, 0, 0};
  if (context.empty()) {
    if (!start)
      throw Error(
          "{}: the context is empty, and the tokenizer has neither BOS nor EOS to begin with",
          place);
    sequence.ids = tokenizer.encode(continuation, false);
    // As in the harness: a continuation that begins with the start token is not given a second one.
    if (sequence.ids.empty() || sequence.ids[0] != *start)
      sequence.ids.insert(sequence.ids.begin(), *start);
    sequence.first_target = 1;
  } else {
    const auto encode = [&](std::string_view text) {
      return encode_from_start(tokenizer, start, text);
    };
    sequence.ids = encode(strip_right(context));
    sequence.first_target = static_cast<int64_t>(sequence.ids.size());
    if (sequence.first_target == 0)
      throw Error("{}: the context is blank and the tokenizer adds no BOS: nothing to begin with",
                  place);
    const auto whole = encode(std::string(context) + std::string(continuation));
    if (whole.size() > sequence.ids.size())
      sequence.ids.insert(sequence.ids.end(), whole.begin() + sequence.first_target, whole.end());
  }
  const int64_t targets = static_cast<int64_t>(sequence.ids.size()) - sequence.first_target;
  if (targets < 1)
    throw Error("{}: no token is left for the continuation '{}'", place, continuation);
  if (targets > max_length)
    throw Error("{}: a continuation of {} tokens is longer than the {} that the model reads",
                place,
                targets,
                max_length);
  cut_left(sequence, max_length);
  return sequence;
}

std::vector<int32_t> tokenize_prompt(const Tokenizer& tokenizer,
                                     std::string_view context,
                                     int64_t max_tokens,
                                     const std::string& place) {
  const auto start = start_token(tokenizer);
  std::vector<int32_t> ids = encode_from_start(tokenizer, start, context);
  if (ids.empty() && start) ids.push_back(*start);
  if (ids.empty())
    throw Error("{}: the context is empty, and the tokenizer has neither BOS nor EOS to begin with",
                place);
  const auto count = static_cast<int64_t>(ids.size());
  if (count > max_tokens) ids.erase(ids.begin(), ids.begin() + (count - max_tokens));
  return ids;
}

std::vector<Sequence> windows_of(std::span<const int32_t> ids, int64_t max_length) {
  const auto size = static_cast<int64_t>(ids.size());
  std::vector<Sequence> windows;
  for (int64_t scored = 1; scored < size;) {
    const int64_t end = std::min(size, scored + max_length);
    const int64_t begin = std::max<int64_t>(0, end - max_length - 1);
    windows.push_back({{ids.begin() + begin, ids.begin() + end}, scored - begin, 0});
    scored = end;
  }
  return windows;
}

std::vector<Sequence> text_windows(const Tokenizer& tokenizer,
                                   std::string_view text,
                                   int64_t max_length,
                                   const std::string& place) {
  const auto start = start_token(tokenizer);
  if (!start)
    throw Error("{}: the tokenizer has neither BOS nor EOS for a text to begin with", place);
  std::vector<int32_t> ids = encode_from_start(tokenizer, start, text);
  ids.insert(ids.begin(), *start);
  return windows_of(ids, max_length);
}

std::vector<Sequence> document_windows(const Shard& shard,
                                       int64_t document,
                                       int64_t max_length,
                                       int64_t most_tokens) {
  const auto offsets = shard.offsets().subspan(static_cast<size_t>(document), 2);
  std::vector<int32_t> ids(offsets[1] - offsets[0]);
  shard.copy(static_cast<int64_t>(offsets[0]), ids);
  if (ids.size() > 1 && ids.back() == shard.separator() && ids.front() != shard.separator())
    ids.pop_back();
  const auto size = std::min(static_cast<int64_t>(ids.size()), most_tokens);
  return windows_of(std::span(ids).first(static_cast<size_t>(size)), max_length);
}

TokenTree merge_sequences(std::span<const Sequence> sequences) {
  return TreeBuilder(sequences).build();
}

void Pass::add(const TokenTree& tree) {
  const int64_t offset = rows();
  ids.insert(ids.end(), tree.ids.begin(), tree.ids.end());
  positions.insert(positions.end(), tree.positions.begin(), tree.positions.end());
  for (Segment segment : tree.segments) {
    segment.row += offset;
    segments.push_back(segment);
  }
  for (Answer answer : tree.answers) {
    answer.row += offset;
    answers.push_back(answer);
  }
}

std::vector<Pass> pack(std::span<const TokenTree> trees, int64_t rows_per_pass) {
  std::vector<size_t> order(trees.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return trees[a].rows() > trees[b].rows();
  });
  std::vector<std::vector<size_t>> contents;
  std::multimap<int64_t, size_t> room;  // free rows -> pass
  for (size_t tree : order) {
    const int64_t rows = trees[tree].rows();
    const auto found = room.lower_bound(rows);
    size_t pass = contents.size();
    int64_t free = rows_per_pass;
    if (found == room.end()) {
      contents.emplace_back();
    } else {
      pass = found->second;
      free = found->first;
      room.erase(found);
    }
    contents[pass].push_back(tree);
    if (free > rows) room.emplace(free - rows, pass);
  }
  std::vector<Pass> passes(contents.size());
  for (size_t i = 0; i < passes.size(); ++i)
    for (size_t tree : contents[i]) passes[i].add(trees[tree]);
  std::stable_sort(passes.begin(), passes.end(), [](const Pass& a, const Pass& b) {
    return a.rows() > b.rows();
  });
  return passes;
}

}  // namespace demix
