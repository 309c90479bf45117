#include "demix/evaluate/product.h"

#include <ATen/ATen.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <type_traits>
#include <vector>

#include "demix/core/error.h"
#include "demix/evaluate/bfloat16_block.h"
#include "demix/evaluate/bfloat16_tiles.h"

namespace demix {
namespace {

// Inputs of one 32-bit word.
template <typename T>
constexpr int64_t kInputsPerWord = 4 / sizeof(T);

template <typename T>
constexpr at::ScalarType kScalarType = std::is_same_v<T, float> ? at::kFloat : at::kBFloat16;

template <typename T>
at::Tensor tensor_over(const T* data, int64_t rows, int64_t columns, int64_t stride) {
  return at::from_blob(
      const_cast<T*>(data), {rows, columns}, {stride, 1}, at::dtype(kScalarType<T>));
}

// oneDNN's kernel by way of the tensor library: it is compiled for this processor and shape.
void library_kernel(int64_t rows,
                    int64_t columns,
                    int64_t inputs,
                    const float* a,
                    int64_t a_stride,
                    const float* panel,
                    bool add,
                    float* block) {
  at::native::cpublas::brgemm(rows,
                              columns,
                              inputs,
                              a_stride,
                              kBlockColumns,
                              kBlockColumns,
                              add,
                              a,
                              panel,
                              block,
                              /*is_vnni=*/false);
}

// Whether the kernel is there and reads panels as we write them: 1 · 1 + 2 · 2.
bool library_kernel_works() {
  Buffer<float> a(kBlockRows * 2), panel(kBlockColumns * 2), block(kBlockRows * kBlockColumns);
  a[0] = 1, a[1] = 2;
  panel[0] = 1, panel[kBlockColumns] = 2;
  try {
    library_kernel(kBlockRows, kBlockColumns, 2, a.data(), 2, panel.data(), false, block.data());
    end_block_products();
    return block[0] == 5 && block[1] == 0;
  } catch (const std::exception&) {
    return false;
  }
}

DEMIX_CPU_CLONES void plain_kernel(int64_t rows,
                                   int64_t columns,
                                   int64_t inputs,
                                   const float* a,
                                   int64_t a_stride,
                                   const float* panel,
                                   bool add,
                                   float* block) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; c += kLanes) {
      Floats sum = {}, x;
      if (add) load(block + r * kBlockColumns + c, sum);
      for (int64_t k = 0; k < inputs; ++k) {
        load(panel + k * kBlockColumns + c, x);
        sum += a[r * a_stride + k] * x;
      }
      store(sum, block + r * kBlockColumns + c);
    }
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
bool has_block_products() {
  if constexpr (std::is_same_v<T, float>) {
    return has_library_kernel();
  } else {
    return has_bfloat16_tiles() || has_bfloat16_block();
  }
}

template <typename T>
void multiply_block(int64_t rows,
                    int64_t columns,
                    int64_t inputs,
                    const T* a,
                    int64_t a_stride,
                    const T* panel,
                    bool add,
                    float* block,
                    std::span<const T> wanted) {
  if constexpr (std::is_same_v<T, float>) {
    const auto multiply = has_library_kernel() ? library_kernel : plain_kernel;
    multiply(rows, columns, inputs, a, a_stride, panel, add, block);
  } else if (has_bfloat16_tiles()) {
    multiply_bfloat16_tiles(rows, columns, inputs, a, a_stride, panel, add, block, wanted);
  } else {
    multiply_bfloat16_block(rows, columns, inputs, a, a_stride, panel, add, block);
  }
}

void end_block_products() {
  end_bfloat16_tiles();
  at::native::cpublas::brgemm_release();
}

template <typename T>
struct Matrix<T>::Parts {
  int64_t outputs, inputs;
  bool by_blocks;
  // By blocks: panels one after the other; else rows of `inputs`, one for each output.
  Buffer<T> weights;

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
Matrix<T>::Matrix(int64_t outputs,
                  int64_t inputs,
                  const std::function<const T*(int64_t)>& row,
                  bool by_blocks)
    : parts_(std::make_unique<Parts>()) {
  Parts& parts = *parts_;
  parts.outputs = outputs;
  parts.inputs = inputs;
  parts.by_blocks = by_blocks;
  parts.weights = Buffer<T>(parts.padded_outputs() * parts.padded_inputs());
  const auto row_or_null = [&](int64_t i) { return i < outputs ? row(i) : nullptr; };
  if (by_blocks) {
    for (int64_t panel = 0; panel * kBlockColumns < outputs; ++panel)
      parts.fill_panel(panel, row_or_null);
    return;
  }
  for (int64_t i = 0; i < outputs; ++i)
    if (const T* from = row(i)) std::copy(from, from + inputs, parts.weights.data() + i * inputs);
}

template <typename T>
void Matrix<T>::multiply(
    const T* x, int64_t x_stride, int64_t rows, const Use& use, int64_t row_unit) const {
  const Parts& parts = *parts_;
  alignas(64) float values[kBlockRows * kBlockColumns];
  const auto use_block = [&](int64_t row, int64_t column) {
    use(row,
        column,
        {values,
         std::min(kBlockRows, rows - row),
         std::min(kBlockColumns, parts.outputs - column)});
  };
  if (parts.by_blocks) {
    const int64_t inputs = parts.padded_inputs(), panel = kBlockColumns * inputs;
    const int64_t blocks = round_up(rows, kBlockRows) / kBlockRows;
    for (int64_t column = 0; column < parts.outputs; column += kBlockColumns) {
      // A part of the next panel comes with each block.
      const T* next = parts.weights.data() + (column + kBlockColumns) * inputs;
      const int64_t part = column + kBlockColumns < parts.outputs ? panel / blocks : 0;
      for (int64_t row = 0; row < rows; row += kBlockRows) {
        multiply_block(rows_of_block<T>(rows - row),
                       kBlockColumns,
                       inputs,
                       x + row * x_stride,
                       x_stride,
                       parts.weights.data() + column * inputs,
                       false,
                       values,
                       {next, static_cast<size_t>(part)});
        next += part;
        use_block(row, column);
      }
    }
    return;
  }
  const int64_t outputs = parts.padded_outputs();
  const Buffer<T> product(row_unit * outputs);
  at::Tensor out = tensor_over(product.data(), row_unit, outputs, outputs);
  const at::Tensor weights =
      tensor_over(parts.weights.data(), outputs, parts.inputs, parts.inputs).t();
  for (int64_t first = 0; first < rows; first += row_unit) {
    at::mm_out(out, tensor_over(x + first * x_stride, row_unit, parts.inputs, x_stride), weights);
    for (int64_t row = first; row < std::min(rows, first + row_unit); row += kBlockRows) {
      for (int64_t column = 0; column < parts.outputs; column += kBlockColumns) {
        for (int64_t r = 0; r < kBlockRows; ++r) {
          const T* from = product.data() + (row - first + r) * outputs + column;
          for (int64_t c = 0; c < kBlockColumns; ++c)
            values[r * kBlockColumns + c] = to_float(from[c]);
        }
        use_block(row, column);
      }
    }
  }
}

#define DEMIX_FOR(T)                     \
  template class Matrix<T>;              \
  template bool has_block_products<T>(); \
  template void multiply_block<T>(       \
      int64_t, int64_t, int64_t, const T*, int64_t, const T*, bool, float*, std::span<const T>);
DEMIX_FOR(float)
DEMIX_FOR(BFloat16)
#undef DEMIX_FOR

}  // namespace demix
