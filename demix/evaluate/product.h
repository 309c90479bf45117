// Products of activations with weights on the CPU, block by block. Each block is handed over in
// float32 while it lies in the cache, so that what follows a product needs no pass over memory.
//
// A row of a product depends bitwise on nothing but that row and the weights: its sums are made in
// the same order in every block. Element types are float and BFloat16; sums are float32.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>

#include "demix/core/simd.h"
#include "demix/evaluate/buffer.h"

namespace demix {

// A part of a product. Its rows are kBlockColumns apart, whatever its number of columns.
constexpr int64_t kBlockRows = 64;
constexpr int64_t kBlockColumns = 64;
struct Block {
  const float* values;
  int64_t rows, columns;
};
// Rows of a product's input are readable, and finite, up to a multiple of kBlockRows. And each row,
// up to a multiple of this.
template <typename T>
constexpr int64_t kInputUnit = std::is_same_v<T, float> ? 1 : 32;

// Elements from one row of `columns` to the next: whole cache lines, and not so many of them that
// the rows of a block compete for the same places in the cache.
template <typename T>
constexpr int64_t row_stride(int64_t columns) {
  constexpr int64_t kLine = 64 / sizeof(T);
  const int64_t stride = (columns + kLine - 1) / kLine * kLine;
  return stride % (16 * kLine) == 0 ? stride + kLine : stride;
}

// block [rows, columns] = a [rows, inputs] · panel [inputs, columns], added to it if `add`. Rows of
// the block are kBlockColumns apart. A panel holds 32-bit words, kBlockColumns to a row: one float,
// or two elements of successive inputs. `inputs` and `columns` are multiples of kInputUnit and 16;
// rows of `a` and of the block are read and written up to a multiple of 16, at most kBlockRows.
template <typename T>
struct BlockProduct {
  int64_t rows, columns, inputs;
  const T* a;
  int64_t a_stride;
  const T* panel;
  bool add = false;
  float* block;
  std::span<const T> wanted = {};  // memory that the caller will read next
};
template <typename T>
void multiply_block(const BlockProduct<T>& product);
// To be called by a thread that has multiplied and turns to something else.
void end_block_products();
// Does so at the end of its scope, however that is left.
struct BlockProducts {
  BlockProducts() = default;
  BlockProducts(const BlockProducts&) = delete;
  ~BlockProducts() { end_block_products(); }
};

// The weights of a linear map, laid out for products.
template <typename T>
class Matrix {
 public:
  Matrix();
  // `row(i)` points to the `inputs` weights of output i, or is null for zeros.
  Matrix(int64_t outputs, int64_t inputs, const std::function<const T*(int64_t)>& row);
  Matrix(Matrix&&) noexcept;
  Matrix& operator=(Matrix&&) noexcept;
  ~Matrix();

  // Calls use(row, column, block) for all blocks of x [rows, inputs] · weightsᵀ [inputs, outputs];
  // row and column are those of the block's first element. `x` is the first row.
  using Use = std::function<void(int64_t row, int64_t column, const Block& block)>;
  void multiply(const T* x, int64_t x_stride, int64_t rows, const Use& use) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace demix
