// Which documents of a dataset are held out from training.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

namespace demix {

// A document on its way into a shard.
struct TokenisedDocument {
  uint64_t rank = 0;  // leading bits of its content hash: uniform, the same in every dataset
  int64_t text_bytes = 0;
  std::vector<int32_t> tokens;
};

// Holds out the documents of lowest rank: those below share * 2^64, of these as many as fit into
// max_tokens. So the split depends on the texts alone, not on their order, and a text below the
// share is trained on in no dataset: what does not fit is left out of both parts. Where no rank
// lies below the share, the lowest is held out, and a dataset always keeps one document for
// training.
class HeldOutSplit {
 public:
  using Sink = std::function<void(const TokenisedDocument&)>;

  // Documents for training go to `train` as soon as that is certain. share 0 holds out nothing.
  HeldOutSplit(double share, int64_t max_tokens, Sink train);
  void add(TokenisedDocument document);
  // The held-out documents by rank. To be called once, at the end.
  std::vector<TokenisedDocument> finish();
  int64_t surplus() const { return surplus_; }  // documents left out of both parts

 private:
  void send_to_training(const TokenisedDocument& document);

  double share_;
  int64_t max_tokens_;
  Sink train_;
  std::multimap<uint64_t, TokenisedDocument> below_, lowest_;  // lowest_ has at most one
  int64_t held_tokens_ = 0, trained_ = 0, surplus_ = 0;
};

}  // namespace demix
