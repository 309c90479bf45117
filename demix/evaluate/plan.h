// What a scorer computes, decided once for all models: token sequences with the tokens whose
// log-likelihood is asked for, sequences of one item merged where they begin alike, trees packed
// into passes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demix/evaluate/attention.h"

namespace demix {

class Shard;
class Tokenizer;

// The log-likelihoods of ids[first_target], …, given what precedes each, are summed into `slot`.
struct Sequence {
  std::vector<int32_t> ids;
  int64_t first_target;  // at least 1
  int64_t slot;
  bool is_cut = false;  // from the left, to what the model reads
};

// What stands for an empty context, as in lm-evaluation-harness: the tokenizer's BOS, else its EOS.
// Where its configuration names neither, the BOS of the post-processor.
std::optional<int32_t> start_token(const Tokenizer& tokenizer);

// A context and its continuation as lm-evaluation-harness tokenises them: blanks at the end of the
// context move to the continuation; the context's tokens are its own, even where the two texts
// together are cut otherwise; the continuation's tokens are those of both texts together behind as
// many tokens as the context has. What the post-processor adds is kept, but not before a text that
// begins with the start token. An empty context is the start token. The left end is cut so that at
// most `max_length` tokens are read. Throws Error when no token is left for the continuation, or it
// is longer than max_length; `place` names the item.
Sequence tokenize_pair(const Tokenizer& tokenizer,
                       std::string_view context,
                       std::string_view continuation,
                       int64_t max_length,
                       const std::string& place);

// A context to be continued, as lm-evaluation-harness tokenises it: as it stands, with what the
// post-processor adds unless it begins with the start token; cut from the left to `max_tokens`. An
// empty context is the start token. Throws Error when there is none; `place` names the item.
std::vector<int32_t> tokenize_prompt(const Tokenizer& tokenizer,
                                     std::string_view context,
                                     int64_t max_tokens,
                                     const std::string& place);

// `ids` without the first as windows, the way lm-evaluation-harness rolls over long text: each is
// scored once; the first window begins with ids[0]; a later one is filled to the left with tokens
// scored before, so that its first scored token sees at least one. Slots are left to the caller.
std::vector<Sequence> windows_of(std::span<const int32_t> ids, int64_t max_length);

// A text as lm-evaluation-harness rolls over it: the start token, then the text's tokens with what
// the post-processor adds, in windows. A text without tokens gives none. Throws Error when there is
// no start token; `place` names the text.
std::vector<Sequence> text_windows(const Tokenizer& tokenizer,
                                   std::string_view text,
                                   int64_t max_length,
                                   const std::string& place);

// Document `document` of a shard as windows; the first begins with the document's start token. The
// end token is not text and is not scored. A document without tokens gives none. Of a document of
// more than `most_tokens` only its beginning is taken.
std::vector<Sequence> document_windows(const Shard& shard,
                                       int64_t document,
                                       int64_t max_length,
                                       int64_t most_tokens = INT64_MAX);

// The log-likelihood of `token` after the token in row `row`.
struct Answer {
  int64_t row;
  int32_t token;
  int64_t slot;
};

// What a slot's answers come to.
struct AnswerScore {
  double loglikelihood = 0;
  bool greedy = true;  // every token was the likeliest, or as likely as the likeliest
  bool operator==(const AnswerScore&) const = default;
};

// Sequences that share their beginning, in rows. The last token of a sequence needs none.
struct TokenTree {
  std::vector<int32_t> ids, positions;
  std::vector<Segment> segments;  // parents first, each subtree together
  std::vector<Answer> answers;    // of one slot: in the order of its tokens

  int64_t rows() const { return static_cast<int64_t>(ids.size()); }
};
TokenTree merge_sequences(std::span<const Sequence> sequences);

// What one forward pass computes: trees one after the other.
struct Pass {
  std::vector<int32_t> ids, positions;
  std::vector<Segment> segments;
  std::vector<Answer> answers;

  int64_t rows() const { return static_cast<int64_t>(ids.size()); }
  void add(const TokenTree& tree);
};

// Fills passes of at most `rows_per_pass` rows as full as it can (best fit, longest trees first); a
// longer tree is a pass of its own. Longest passes first.
std::vector<Pass> pack(std::span<const TokenTree> trees, int64_t rows_per_pass);

}  // namespace demix
