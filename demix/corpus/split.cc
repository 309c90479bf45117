#include "demix/corpus/split.h"

#include <utility>

#include "demix/core/error.h"

namespace demix {

HeldOutSplit::HeldOutSplit(double share, int64_t max_tokens, Sink train)
    : share_(share), max_tokens_(max_tokens), train_(std::move(train)) {
  DEMIX_CHECK(share >= 0 && share < 1 && max_tokens > 0);
}

void HeldOutSplit::send_to_training(const TokenisedDocument& document) {
  train_(document);
  ++trained_;
}

void HeldOutSplit::add(TokenisedDocument document) {
  if (static_cast<double>(document.rank) < share_ * 0x1p64) {
    held_tokens_ += static_cast<int64_t>(document.tokens.size());
    const uint64_t rank = document.rank;
    below_.emplace(rank, std::move(document));
    while (held_tokens_ > max_tokens_ && below_.size() > 1) {
      const auto last = std::prev(below_.end());
      held_tokens_ -= static_cast<int64_t>(last->second.tokens.size());
      below_.erase(last);
      ++surplus_;
    }
    return;
  }
  if (share_ == 0 || !below_.empty()) {
    send_to_training(document);
    return;
  }
  const uint64_t rank = document.rank;
  lowest_.emplace(rank, std::move(document));
  if (lowest_.size() > 1) {
    const auto higher = std::prev(lowest_.end());
    send_to_training(higher->second);
    lowest_.erase(higher);
  }
}

std::vector<TokenisedDocument> HeldOutSplit::finish() {
  if (!below_.empty() || trained_ == 0) {
    for (auto& [rank, document] : std::exchange(lowest_, {})) send_to_training(document);
  }
  if (trained_ == 0 && !below_.empty()) {
    const auto last = std::prev(below_.end());
    send_to_training(last->second);
    below_.erase(last);
  }
  std::vector<TokenisedDocument> held_out;
  for (auto* part : {&below_, &lowest_}) {
    for (auto& [rank, document] : *part) held_out.push_back(std::move(document));
  }
  return held_out;
}

}  // namespace demix
