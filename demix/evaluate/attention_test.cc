#include "demix/evaluate/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "demix/core/rng.h"

namespace demix {
namespace {

std::vector<float> normals(int64_t count, std::string_view name) {
  Rng rng = Rng(1).stream(name);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(rng.normal());
  return values;
}

struct Tensors {
  AttentionShape shape;
  int64_t rows;
  std::vector<float> q, k, v;

  Tensors(AttentionShape s, int64_t r)
      : shape(s),
        rows(r),
        q(normals(r * s.heads * s.head_dim, "q")),
        k(normals(r * s.kv_heads * s.head_dim, "k")),
        v(normals(r * s.kv_heads * s.head_dim, "v")) {}

  AttentionInput input(std::span<const Segment> segments) const {
    const int64_t q_stride = shape.heads * shape.head_dim,
                  k_stride = shape.kv_heads * shape.head_dim;
    return {segments, shape, q_stride, k_stride, k_stride, q_stride};
  }
  std::vector<float> attend(std::span<const Segment> segments) const {
    std::vector<float> out(q.size(), -1);
    AttentionScratch scratch(shape.head_dim, rows, false);
    tree_attention(input(segments), q.data(), k.data(), v.data(), out.data(), scratch);
    return out;
  }
  // The definition, in float64: what `row` sees are `seen` rows.
  double expected(int64_t row, int64_t head, int64_t d, const std::vector<int64_t>& seen) const {
    const int64_t size = shape.head_dim, g = head / (shape.heads / shape.kv_heads);
    double sum = 0, mixed = 0;
    for (int64_t other : seen) {
      double dot = 0;
      for (int64_t x = 0; x < size; ++x)
        dot += double{q[(row * shape.heads + head) * size + x]} *
               k[(other * shape.kv_heads + g) * size + x];
      const double weight = std::exp(dot / std::sqrt(static_cast<double>(size)));
      sum += weight;
      mixed += weight * v[(other * shape.kv_heads + g) * size + d];
    }
    return mixed / sum;
  }
};

// A trunk of three tokens with two branches, one of which branches again; then a lone sequence.
const std::vector<Segment> kSegments{
    {0, 3, 0}, {3, 2, 3}, {5, 1, 5}, {6, 2, 5}, {8, 4, 3}, {12, 20, 0}};
const std::vector<std::vector<int64_t>> kParents{{}, {0}, {0, 1}, {0, 1}, {0}, {}};

TEST(TreeAttention, EachTokenSeesItsOwnPath) {
  for (const AttentionShape shape : {AttentionShape{4, 2, 8}, {3, 3, 16}, {6, 1, 40}, {2, 1, 64}}) {
    const Tensors t(shape, 32);
    const auto out = t.attend(kSegments);
    for (size_t s = 0; s < kSegments.size(); ++s) {
      std::vector<int64_t> seen;
      for (int64_t parent : kParents[s])
        for (int64_t i = 0; i < kSegments[parent].count; ++i)
          seen.push_back(kSegments[parent].row + i);
      for (int64_t i = 0; i < kSegments[s].count; ++i) {
        const int64_t row = kSegments[s].row + i;
        seen.push_back(row);
        for (int64_t head = 0; head < shape.heads; ++head)
          for (int64_t d = 0; d < shape.head_dim; ++d)
            ASSERT_NEAR(out[(row * shape.heads + head) * shape.head_dim + d],
                        t.expected(row, head, d, seen),
                        2e-6);
      }
    }
  }
}

TEST(TreeAttention, CuttingASequenceIntoSegmentsChangesNoBit) {
  const Tensors t({4, 2, 24}, 50);
  const std::vector<Segment> whole{{0, 50, 0}},
      cut{{0, 1, 0}, {1, 16, 1}, {17, 30, 17}, {47, 3, 47}};
  EXPECT_EQ(t.attend(whole), t.attend(cut));
}

TEST(TreeAttention, OtherTreesChangeNoBit) {
  const Tensors t({4, 2, 16}, 32);
  const auto all = t.attend(kSegments);
  const auto alone = t.attend(std::span(kSegments).subspan(5));
  EXPECT_TRUE(std::equal(all.begin() + 12 * 64, all.end(), alone.begin() + 12 * 64));
}

TEST(TreeAttention, HugeScoresDoNotOverflow) {
  Tensors t({1, 1, 16}, 2);
  for (float& value : t.q) value *= 1e4F;
  const auto out = t.attend(std::vector<Segment>{{0, 2, 0}});
  for (float value : out) EXPECT_TRUE(std::isfinite(value));
}

TEST(TreeAttention, BFloat16InputsGiveTheFloat32ResultUpToTwoRoundings) {
  const Tensors exact({4, 2, 16}, 32);
  Tensors rounded = exact;
  const auto round = [](std::vector<float>& values) {
    std::vector<BFloat16> halves(values.size());
    for (size_t i = 0; i < values.size(); i += kLanes) {
      Floats x;
      load(&values[i], x);
      store(x, &halves[i]);
    }
    for (size_t i = 0; i < values.size(); ++i) values[i] = to_float(halves[i]);
    return halves;
  };
  const auto q = round(rounded.q), k = round(rounded.k), v = round(rounded.v);
  EXPECT_NEAR(rounded.q[0], exact.q[0], std::abs(exact.q[0]) / 256);
  std::vector<float> expected = rounded.attend(kSegments);
  std::vector<BFloat16> out(q.size());
  AttentionScratch scratch(16, 32, true);
  tree_attention(rounded.input(kSegments), q.data(), k.data(), v.data(), out.data(), scratch);
  // The weights of the values, which sum to one, and the result.
  const float largest = *std::max_element(rounded.v.begin(), rounded.v.end());
  for (size_t i = 0; i < out.size(); ++i)
    ASSERT_NEAR(to_float(out[i]), expected[i], 2 * largest / 512);
}

}  // namespace
}  // namespace demix
