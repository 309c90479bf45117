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

// oneDNN's kernels by way of the tensor library: they are compiled for this processor and shape.
template <typename T>
void library_kernel(int64_t rows,
                    int64_t columns,
                    int64_t inputs,
                    const T* a,
                    int64_t a_stride,
                    const T* panel,
                    bool add,
                    float* block) {
  using Element = std::conditional_t<std::is_same_v<T, float>, float, at::BFloat16>;
  at::native::cpublas::brgemm(rows,
                              columns,
                              inputs,
                              a_stride,
                              kBlockColumns,
                              kBlockColumns,
                              add,
                              reinterpret_cast<const Element*>(a),
                              reinterpret_cast<const Element*>(panel),
                              block,
                              /*is_vnni=*/!std::is_same_v<T, float>);
}

// Whether the kernels are there and read panels as we write them: 1 · 1 + 2 · 2.
template <typename T>
bool library_kernel_works() {
  // Without AMX, bfloat16 panels have another layout, and are no faster than float ones.
  if (!std::is_same_v<T, float> && !at::native::cpublas::could_pack(at::kBFloat16)) return false;
  Buffer<T> a(kBlockRows * 2), panel(kBlockColumns * 2);
  Buffer<float> block(kBlockRows * kBlockColumns);
  const auto number = [](float value) {
    if constexpr (std::is_same_v<T, float>) {
      return value;
    } else {
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      return BFloat16{static_cast<uint16_t>(bits >> 16)};
    }
  };
  a[0] = number(1), a[1] = number(2);
  panel[0] = number(1), panel[kInputsPerWord<T> == 2 ? 1 : kBlockColumns] = number(2);
  try {
    library_kernel<T>(kBlockRows, kBlockColumns, 2, a.data(), 2, panel.data(), false, block.data());
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

template <typename T>
bool has_library_kernel() {
  static const bool works = library_kernel_works<T>();
  return works;
}

// Rows of the next block of `left`: the library's kernels are compiled for a number of rows, and
// only those of one such kernel are sure to be the same in any place; ours take what is there.
template <typename T>
int64_t rows_of_block(int64_t left) {
  return has_library_kernel<T>() ? kBlockRows : std::min(kBlockRows, left);
}

}  // namespace

template <typename T>
bool has_block_products() {
  return has_library_kernel<T>() || (std::is_same_v<T, BFloat16> && has_bfloat16_block());
}

template <typename T>
void multiply_block(int64_t rows,
                    int64_t columns,
                    int64_t inputs,
                    const T* a,
                    int64_t a_stride,
                    const T* panel,
                    bool add,
                    float* block) {
  if constexpr (std::is_same_v<T, float>) {
    if (!has_library_kernel<T>())
      return plain_kernel(rows, columns, inputs, a, a_stride, panel, add, block);
  } else {
    if (!has_library_kernel<T>())
      return multiply_bfloat16_block(rows, columns, inputs, a, a_stride, panel, add, block);
  }
  library_kernel(rows, columns, inputs, a, a_stride, panel, add, block);
}

void end_block_products() { at::native::cpublas::brgemm_release(); }

template <typename T>
struct Matrix<T>::Parts {
  int64_t outputs, inputs;
  bool by_blocks;
  // By blocks: panels one after the other; else rows of `inputs`, one for each output.
  Buffer<T> weights;

  int64_t padded_outputs() const { return round_up(outputs, kBlockColumns); }
  int64_t padded_inputs() const { return round_up(inputs, kInputsPerWord<T>); }

  // Writes the words of 64 rows side by side.
  void fill_panel(int64_t panel, const std::function<const T*(int64_t)>& row) {
    constexpr int64_t kWordsTogether = 16;
    const int64_t whole = inputs / kInputsPerWord<T>, words = padded_inputs() / kInputsPerWord<T>;
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
    const int64_t inputs = parts.padded_inputs();
    for (int64_t column = 0; column < parts.outputs; column += kBlockColumns) {
      for (int64_t row = 0; row < rows; row += kBlockRows) {
        multiply_block(rows_of_block<T>(rows - row),
                       kBlockColumns,
                       inputs,
                       x + row * x_stride,
                       x_stride,
                       parts.weights.data() + column * inputs,
                       false,
                       values);
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
      int64_t, int64_t, int64_t, const T*, int64_t, const T*, bool, float*);
DEMIX_FOR(float)
DEMIX_FOR(BFloat16)
#undef DEMIX_FOR

}  // namespace demix
