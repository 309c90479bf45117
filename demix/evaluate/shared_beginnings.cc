#include "demix/evaluate/shared_beginnings.h"

#include <algorithm>

namespace demix {
namespace {

// Large trees leave the cache while they go through a layer; a beginning that is read once for
// every so many rows is worth more.
constexpr int64_t kRowsOfBeginning = 4;

// What all of a tree's sequences begin with; empty where they part at once.
std::span<const int32_t> beginning(const TokenTree& tree) {
  for (size_t i = 1; i < tree.segments.size(); ++i)
    if (tree.segments[i].start == 0) return {};
  return std::span(tree.ids).first(static_cast<size_t>(tree.segments[0].count));
}

int64_t common(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

// Of trees that have their first `shared` tokens in common.
TokenTree join(std::span<const TokenTree* const> trees, int64_t shared) {
  TokenTree joined;
  const auto take = [&](const TokenTree& tree, int64_t first, int64_t end) {
    joined.ids.insert(joined.ids.end(), tree.ids.begin() + first, tree.ids.begin() + end);
    joined.positions.insert(
        joined.positions.end(), tree.positions.begin() + first, tree.positions.begin() + end);
  };
  take(*trees[0], 0, shared);
  joined.segments.push_back({0, shared, 0});
  for (const TokenTree* tree : trees) {
    const int64_t shift = joined.rows() - shared;
    take(*tree, shared, tree->rows());
    for (const auto& [row, count, start] : tree->segments) {
      const int64_t cut = row == 0 ? shared : 0;
      if (count > cut) joined.segments.push_back({row + cut + shift, count - cut, start + cut});
    }
    for (const auto& [row, token, slot] : tree->answers)
      joined.answers.push_back({row < shared ? row : row + shift, token, slot});
  }
  return joined;
}

}  // namespace

std::vector<TokenTree> share_beginnings(std::span<const TokenTree> trees, int64_t rows) {
  std::vector<const TokenTree*> order;
  for (const TokenTree& tree : trees) order.push_back(&tree);
  // Those with the longest common beginnings are neighbours then.
  std::stable_sort(order.begin(), order.end(), [](const TokenTree* a, const TokenTree* b) {
    return std::ranges::lexicographical_compare(beginning(*a), beginning(*b));
  });
  std::vector<TokenTree> result;
  for (size_t first = 0, end; first < order.size(); first = end) {
    int64_t shared = std::ssize(beginning(*order[first])), total = order[first]->rows();
    for (end = first + 1; end < order.size(); ++end) {
      const int64_t with_next = common(beginning(*order[first]), beginning(*order[end]));
      const auto members = static_cast<int64_t>(end - first);
      // A shorter beginning must not lose what the others share.
      if (with_next == 0 || members * with_next < (members - 1) * shared) break;
      const int64_t grown =
          total + (members - 1) * shared + order[end]->rows() - members * with_next;
      if (grown > std::max(rows, kRowsOfBeginning * with_next)) break;
      total = grown;
      shared = with_next;
    }
    const auto members = std::span(order).subspan(first, end - first);
    result.push_back(members.size() == 1 ? *members[0] : join(members, shared));
  }
  return result;
}

}  // namespace demix
