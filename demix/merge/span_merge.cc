#include "demix/merge/span_merge.h"

#include <algorithm>
#include <cmath>

#include "demix/merge/blocks.h"
#include "demix/merge/kernels.h"

namespace demix {
namespace {

constexpr int64_t kMostScratch = 32 << 20;  // bytes

struct Vectors {
  std::span<const float* const> models;
  const float* origin;

  size_t size() const { return models.size(); }
  // Elements [begin, begin + size) of model k − origin, in `scratch` unless they lie ready.
  const float* read(size_t k, int64_t begin, int64_t size, float* scratch) const {
    if (origin == nullptr) return models[k] + begin;
    subtract(models[k] + begin, origin + begin, size, scratch);
    return scratch;
  }
};

void add_products(
    const Vectors& x, int64_t begin, int64_t end, std::vector<float>& scratch, InnerProducts& sum) {
  const size_t K = x.size();
  // Few models: a block of each stays in cache, whatever the pair.
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t size = std::min(kBlock, end - at);
    std::vector<const float*> vectors(K);
    for (size_t k = 0; k < K; ++k) {
      vectors[k] = x.read(k, at, size, scratch.data() + static_cast<int64_t>(k) * kBlock);
    }
    for (size_t i = 0; i < K; ++i) {
      for (size_t j = 0; j <= i; ++j) sum.at(i, j) += dot(vectors[i], vectors[j], size);
    }
  }
}

void mirror(InnerProducts& products) {
  for (size_t i = 0; i < products.vectors(); ++i) {
    for (size_t j = 0; j < i; ++j) products.at(j, i) = products.at(i, j);
  }
}

void add_up(const Vectors& x,
            std::span<const double> coefficients,
            int64_t begin,
            int64_t end,
            float* out) {
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t size = std::min(kBlock, end - at);
    float sum[kBlock] = {};
    for (size_t k = 0; k < x.size(); ++k) {
      const float c = static_cast<float>(coefficients[k]);
      if (x.origin == nullptr) {
        add_scaled(x.models[k] + at, c, size, sum);
      } else {
        add_scaled_update(x.models[k] + at, x.origin + at, c, size, sum);
      }
    }
    if (x.origin == nullptr) {
      std::copy_n(sum, size, out + at);
    } else {
      add_update(x.origin + at, sum, 1.F, size, out + at);
    }
  }
}

void merge_tensor(
    const Vectors& x, int64_t count, int threads, const Coefficients& coefficients, float* out) {
  const size_t K = x.size();
  // Products are summed by part; with many models the parts are few and large, to bound the memory.
  const int64_t most_parts = std::max<int64_t>(1, kMostScratch / static_cast<int64_t>(8 * K * K));
  const int64_t length = kPart * ((part_count(count) + most_parts - 1) / most_parts);
  const int64_t parts = (count + length - 1) / length;
  std::vector<InnerProducts> of_parts(parts, InnerProducts(K));
  std::vector<std::vector<float>> scratch(std::max(1, threads), std::vector<float>(K * kBlock));
  for_each_item(parts, threads, [&](int thread, int64_t part) {
    const int64_t begin = part * length, end = std::min(count, begin + length);
    add_products(x, begin, end, scratch[thread], of_parts[part]);
  });
  InnerProducts products(K);
  for (const InnerProducts& part : of_parts) {
    for (size_t i = 0; i < K; ++i) {
      for (size_t j = 0; j <= i; ++j) products.at(i, j) += part.at(i, j);
    }
  }
  mirror(products);
  std::vector<double> c(K);
  coefficients(products, c);
  for_each_item(parts, threads, [&](int, int64_t part) {
    const int64_t begin = part * length;
    add_up(x, c, begin, std::min(count, begin + length), out);
  });
}

void merge_rows(const Vectors& x,
                int64_t rows,
                int64_t length,
                int threads,
                const Coefficients& coefficients,
                float* out) {
  const size_t K = x.size();
  // So many rows at a time that handing them out costs nothing.
  const int64_t together = std::max<int64_t>(1, kBlock / std::max<int64_t>(1, length));
  std::vector<std::vector<float>> scratch(std::max(1, threads), std::vector<float>(K * kBlock));
  for_each_item((rows + together - 1) / together, threads, [&](int thread, int64_t item) {
    std::vector<double> c(K);
    for (int64_t row = item * together; row < std::min(rows, (item + 1) * together); ++row) {
      InnerProducts products(K);
      add_products(x, row * length, (row + 1) * length, scratch[thread], products);
      mirror(products);
      coefficients(products, c);
      add_up(x, c, row * length, (row + 1) * length, out);
    }
  });
}

// The elements of a vector lie `vectors` apart.
void merge_columns(const Vectors& x,
                   int64_t length,
                   int64_t vectors,
                   int threads,
                   const Coefficients& coefficients,
                   float* out) {
  constexpr int64_t kTogether = 64;  // columns: a few cache lines of each row
  const size_t K = x.size();
  for_each_item((vectors + kTogether - 1) / kTogether, threads, [&](int, int64_t item) {
    const int64_t begin = item * kTogether, width = std::min(kTogether, vectors - begin);
    std::vector<InnerProducts> products(width, InnerProducts(K));
    std::vector<float> scratch(K * kTogether);
    std::vector<const float*> at(K);
    for (int64_t i = 0; i < length; ++i) {
      for (size_t k = 0; k < K; ++k) {
        at[k] = x.read(k, i * vectors + begin, width, scratch.data() + k * kTogether);
      }
      for (size_t a = 0; a < K; ++a) {
        for (size_t b = 0; b <= a; ++b) {
          for (int64_t column = 0; column < width; ++column) {
            products[column].at(a, b) += double{at[a][column]} * double{at[b][column]};
          }
        }
      }
    }
    std::vector<std::vector<double>> c(width, std::vector<double>(K));
    for (int64_t column = 0; column < width; ++column) {
      mirror(products[column]);
      coefficients(products[column], c[column]);
    }
    for (int64_t i = 0; i < length; ++i) {
      const int64_t row = i * vectors + begin;
      for (size_t k = 0; k < K; ++k) {
        at[k] = x.read(k, row, width, scratch.data() + k * kTogether);
      }
      for (int64_t column = 0; column < width; ++column) {
        float sum = 0;
        for (size_t k = 0; k < K; ++k) sum += static_cast<float>(c[column][k]) * at[k][column];
        out[row + column] = x.origin == nullptr ? sum : x.origin[row + column] + sum;
      }
    }
  });
}

}  // namespace

double InnerProducts::length(size_t i) const { return std::sqrt(at(i, i)); }

double InnerProducts::length_of_sum(std::span<const double> factors) const {
  double square = 0;
  for (size_t i = 0; i < vectors_; ++i) {
    for (size_t j = 0; j < vectors_; ++j) square += factors[i] * factors[j] * at(i, j);
  }
  return std::sqrt(std::max(0.0, square));
}

void merge_in_span(std::span<const float* const> models,
                   const float* origin,
                   std::span<const int64_t> shape,
                   int64_t count,
                   VectorsAlong along,
                   int threads,
                   const Coefficients& coefficients,
                   float* out) {
  if (count == 0) return;
  const Vectors x = {models, origin};
  if (along == VectorsAlong::kTensor || shape.size() < 2) {
    merge_tensor(x, count, threads, coefficients, out);
  } else if (along == VectorsAlong::kLast) {
    merge_rows(x, count / shape.back(), shape.back(), threads, coefficients, out);
  } else {
    merge_columns(x, shape.front(), count / shape.front(), threads, coefficients, out);
  }
}

}  // namespace demix
