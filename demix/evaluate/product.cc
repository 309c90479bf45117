#include "demix/evaluate/product.h"

#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <type_traits>

#include "demix/core/error.h"
#include "demix/evaluate/bfloat16_block.h"
#include "demix/evaluate/bfloat16_tiles.h"
#include "demix/evaluate/vector_block.h"

namespace demix {
namespace {

// Inputs of one 32-bit word.
template <typename T>
constexpr int64_t kInputsPerWord = 4 / sizeof(T);

// oneDNN's kernel by way of the tensor library: it is compiled for this processor and shape.
void multiply_by_library(const BlockProduct<float>& p) {
  at::native::cpublas::brgemm(p.rows,
                              p.columns,
                              p.inputs,
                              p.a_stride,
                              kBlockColumns,
                              kBlockColumns,
                              p.add,
                              p.a,
                              p.panel,
                              p.block,
                              /*is_vnni=*/false);
}

// Whether the kernel is there and reads panels as we write them: 1 · 1 + 2 · 2.
bool library_kernel_works() {
  const Buffer<float> a(kBlockRows * 2), panel(kBlockColumns * 2),
      block(kBlockRows * kBlockColumns);
  a[0] = 1, a[1] = 2;
  panel[0] = 1, panel[kBlockColumns] = 2;
  try {
    multiply_by_library({.rows = kBlockRows,
                         .columns = kBlockColumns,
                         .inputs = 2,
                         .a = a.data(),
                         .a_stride = 2,
                         .panel = panel.data(),
                         .block = block.data()});
    end_block_products();
    return block[0] == 5 && block[1] == 0;
  } catch (const std::exception&) {
    return false;
  }
}

bool has_library_kernel() {
  static const bool works = library_kernel_works();
  return works;
}

// Rows of the next block of `left`: the library's kernels are compiled for a number of rows, and
// only those of one such kernel are sure to be the same in any place; ours take what is there.
template <typename T>
int64_t rows_of_block(int64_t left) {
  return std::is_same_v<T, float> && has_library_kernel() ? kBlockRows : std::min(kBlockRows, left);
}

}  // namespace

template <typename T>
void multiply_block(const BlockProduct<T>& product) {
  if constexpr (std::is_same_v<T, float>) {
    has_library_kernel() ? multiply_by_library(product) : multiply_vector_block(product);
  } else {
    has_bfloat16_tiles() ? multiply_bfloat16_tiles(product) : multiply_bfloat16_block(product);
  }
}

void end_block_products() {
  end_bfloat16_tiles();
  at::native::cpublas::brgemm_release();
}

template <typename T>
struct Matrix<T>::Parts {
  int64_t outputs, inputs;
  Buffer<T> weights;  // panels one after the other

  int64_t padded_outputs() const { return round_up(outputs, kBlockColumns); }
  int64_t padded_inputs() const { return round_up(inputs, kInputUnit<T>); }

  // Writes the words of 64 rows side by side.
  void fill_panel(int64_t panel, const std::function<const T*(int64_t)>& row) {
    constexpr int64_t kWordsTogether = 16;
    const int64_t whole = inputs / kInputsPerWord<T>;
    const int64_t words = round_up(inputs, kInputsPerWord<T>) / kInputsPerWord<T>;
    T* to = weights.data() + panel * kBlockColumns * padded_inputs();
    const T* from[kBlockColumns];
    for (int64_t c = 0; c < kBlockColumns; ++c) from[c] = row(panel * kBlockColumns + c);
    for (int64_t first = 0; first < words; first += kWordsTogether) {
      for (int64_t c = 0; c < kBlockColumns; ++c) {
        if (!from[c]) continue;
        const int64_t end = std::min(first + kWordsTogether, whole);
        for (int64_t w = first; w < end; ++w)
          std::memcpy(
              to + (w * kBlockColumns + c) * kInputsPerWord<T>, from[c] + w * kInputsPerWord<T>, 4);
        if (first + kWordsTogether >= words && whole < words)  // an odd input, alone in its word
          to[(whole * kBlockColumns + c) * kInputsPerWord<T>] = from[c][inputs - 1];
      }
    }
  }
};

template <typename T>
Matrix<T>::Matrix() = default;
template <typename T>
Matrix<T>::Matrix(Matrix&&) noexcept = default;
template <typename T>
Matrix<T>& Matrix<T>::operator=(Matrix&&) noexcept = default;
template <typename T>
Matrix<T>::~Matrix() = default;

template <typename T>
Matrix<T>::Matrix(int64_t outputs, int64_t inputs, const std::function<const T*(int64_t)>& row)
    : parts_(std::make_unique<Parts>()) {
  Parts& parts = *parts_;
  parts.outputs = outputs;
  parts.inputs = inputs;
  parts.weights = Buffer<T>(parts.padded_outputs() * parts.padded_inputs());
  const auto row_or_null = [&](int64_t i) { return i < outputs ? row(i) : nullptr; };
  for (int64_t panel = 0; panel * kBlockColumns < outputs; ++panel)
    parts.fill_panel(panel, row_or_null);
}

template <typename T>
void Matrix<T>::multiply(const T* x, int64_t x_stride, int64_t rows, const Use& use) const {
  const Parts& parts = *parts_;
  alignas(64) float values[kBlockRows * kBlockColumns];
  const int64_t inputs = parts.padded_inputs(), panel = kBlockColumns * inputs;
  const int64_t blocks = round_up(rows, kBlockRows) / kBlockRows;
  for (int64_t column = 0; column < parts.outputs; column += kBlockColumns) {
    // A part of the next panel comes with each block.
    const T* next = parts.weights.data() + (column + kBlockColumns) * inputs;
    const int64_t part = column + kBlockColumns < parts.outputs ? panel / blocks : 0;
    for (int64_t row = 0; row < rows; row += kBlockRows) {
      multiply_block<T>({.rows = rows_of_block<T>(rows - row),
                         .columns = kBlockColumns,
                         .inputs = inputs,
                         .a = x + row * x_stride,
                         .a_stride = x_stride,
                         .panel = parts.weights.data() + column * inputs,
                         .block = values,
                         .wanted = {next, static_cast<size_t>(part)}});
      next += part;
      use(row,
          column,
          {values,
           std::min(kBlockRows, rows - row),
           std::min(kBlockColumns, parts.outputs - column)});
    }
  }
}

#define DEMIX_FOR(T)        \
  template class Matrix<T>; \
  template void multiply_block(const BlockProduct<T>&);
DEMIX_FOR(float)
DEMIX_FOR(BFloat16)
#undef DEMIX_FOR

}  // namespace demix
