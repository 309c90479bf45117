#include "demix/model/kernels.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "demix/core/error.h"
#include "demix/model/scalar_math.h"

namespace demix {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

bool has_kernel(const at::Tensor& x) {
  return x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// Calls f(Tag{}) with the element type of `x`.
template <typename F>
void dispatch(const at::Tensor& x, F&& f) {
  if (x.scalar_type() == at::kBFloat16)
    f(BFloat16{});
  else
    f(float{});
}

template <typename T>
T* data(const at::Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

template <typename T>
DEMIX_INLINE void rms_norm_rows(
    const T* x, const T* weight, T* y, float* scale, int64_t rows, int64_t C, float eps) {
  for (int64_t r = 0; r < rows; ++r, x += C, y += C) {
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t c = 0; c < C; ++c) squares += to_float(x[c]) * to_float(x[c]);
    const float s = 1.0f / std::sqrt(squares / static_cast<float>(C) + eps);
    scale[r] = s;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) store(y[c], to_float(x[c]) * s * to_float(weight[c]));
  }
}

// dx = s w dy - x s³/C Σ(w dy x); dw += x s dy.
template <typename T>
DEMIX_INLINE void rms_norm_rows_backward(const T* x,
                                         const T* weight,
                                         const T* dy,
                                         const float* scale,
                                         T* dx,
                                         float* dweight,
                                         int64_t rows,
                                         int64_t C) {
  for (int64_t r = 0; r < rows; ++r, x += C, dx += C, dy += C) {
    const float s = scale[r];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t c = 0; c < C; ++c) dot += to_float(weight[c]) * to_float(dy[c]) * to_float(x[c]);
    const float back = dot * s * s * s / static_cast<float>(C);
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) {
      store(dx[c], s * to_float(weight[c]) * to_float(dy[c]) - back * to_float(x[c]));
      dweight[c] += to_float(x[c]) * s * to_float(dy[c]);
    }
  }
}

template <typename T>
DEMIX_INLINE void swiglu_rows(const T* gate, const T* up, T* y, int64_t rows, int64_t I) {
  // By rows, so that a token's values do not depend on how many others there are: the compiler's
  // code for the end of a loop may round otherwise.
  for (int64_t r = 0; r < rows; ++r, gate += I, up += I, y += I) {
#pragma omp simd
    for (int64_t i = 0; i < I; ++i) {
      const float g = to_float(gate[i]);
      store(y[i], g * sigmoid(g) * to_float(up[i]));
    }
  }
}

template <typename T>
DEMIX_INLINE void swiglu_backward(
    const T* gate, const T* up, const T* dy, T* dgate, T* dup, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float g = to_float(gate[i]), d = to_float(dy[i]);
    const float s = sigmoid(g);
    const float silu = g * s;
    store(dup[i], d * silu);
    store(dgate[i], d * to_float(up[i]) * (s + silu * (1.0f - s)));
  }
}

// direction -1 rotates back, which is the gradient.
template <typename T>
DEMIX_INLINE void rope_all(const T* x,
                           T* y,
                           const float* cos,
                           const float* sin,
                           int64_t N,
                           int64_t H,
                           int64_t half,
                           float direction) {
  for (int64_t n = 0; n < N; ++n, cos += half, sin += half) {
    for (int64_t h = 0; h < H; ++h, x += 2 * half, y += 2 * half) {
#pragma omp simd
      for (int64_t d = 0; d < half; ++d) {
        const float a = to_float(x[d]), b = to_float(x[d + half]);
        const float turn = direction * sin[d];
        store(y[d], a * cos[d] - b * turn);
        store(y[d + half], b * cos[d] + a * turn);
      }
    }
  }
}

// The rows of dy that belong to one id, summed. `order` sorts tokens by id.
template <typename T>
DEMIX_INLINE void embed_backward(const T* dy,
                                 const int64_t* ids,
                                 const int64_t* order,
                                 int64_t N,
                                 int64_t C,
                                 T* dtable,
                                 float* sum) {
  for (int64_t i = 0; i < N;) {
    const int64_t id = ids[order[i]];
    for (int64_t c = 0; c < C; ++c) sum[c] = 0;
    for (; i < N && ids[order[i]] == id; ++i) {
      const T* row = dy + order[i] * C;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) sum[c] += to_float(row[c]);
    }
    T* to = dtable + id * C;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) store(to[c], sum[c]);
  }
}

// Clones need plain functions, one per element type.
#define DEMIX_FOR_BOTH(T)                                                                       \
  DEMIX_CPU_CLONES void run_rms_norm(                                                           \
      const T* x, const T* w, T* y, float* scale, int64_t rows, int64_t C, float eps) {         \
    rms_norm_rows(x, w, y, scale, rows, C, eps);                                                \
  }                                                                                             \
  DEMIX_CPU_CLONES void run_rms_norm_backward(const T* x,                                       \
                                              const T* w,                                       \
                                              const T* dy,                                      \
                                              const float* scale,                               \
                                              T* dx,                                            \
                                              float* dw,                                        \
                                              int64_t rows,                                     \
                                              int64_t C) {                                      \
    rms_norm_rows_backward(x, w, dy, scale, dx, dw, rows, C);                                   \
  }                                                                                             \
  DEMIX_CPU_CLONES void run_swiglu(const T* gate, const T* up, T* y, int64_t rows, int64_t I) { \
    swiglu_rows(gate, up, y, rows, I);                                                          \
  }                                                                                             \
  DEMIX_CPU_CLONES void run_swiglu_backward(                                                    \
      const T* gate, const T* up, const T* dy, T* dgate, T* dup, int64_t n) {                   \
    swiglu_backward(gate, up, dy, dgate, dup, n);                                               \
  }                                                                                             \
  DEMIX_CPU_CLONES void run_rope(const T* x,                                                    \
                                 T* y,                                                          \
                                 const float* cos,                                              \
                                 const float* sin,                                              \
                                 int64_t N,                                                     \
                                 int64_t H,                                                     \
                                 int64_t half,                                                  \
                                 float direction) {                                             \
    rope_all(x, y, cos, sin, N, H, half, direction);                                            \
  }                                                                                             \
  DEMIX_CPU_CLONES void run_embed_backward(const T* dy,                                         \
                                           const int64_t* ids,                                  \
                                           const int64_t* order,                                \
                                           int64_t N,                                           \
                                           int64_t C,                                           \
                                           T* dtable,                                           \
                                           float* sum) {                                        \
    embed_backward(dy, ids, order, N, C, dtable, sum);                                          \
  }
DEMIX_FOR_BOTH(float)
DEMIX_FOR_BOTH(BFloat16)
#undef DEMIX_FOR_BOTH

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static Variable forward(AutogradContext* context,
                          const Variable& x_,
                          const Variable& weight,
                          double eps) {
    const at::Tensor x = x_.contiguous();
    const int64_t C = x.size(-1), rows = x.numel() / std::max<int64_t>(C, 1);
    at::Tensor y = at::empty_like(x);
    at::Tensor scale = at::empty({rows}, x.options().dtype(at::kFloat));
    dispatch(x, [&]<typename T>(T) {
      run_rms_norm(data<T>(x),
                   data<T>(weight),
                   data<T>(y),
                   data<float>(scale),
                   rows,
                   C,
                   static_cast<float>(eps));
    });
    context->save_for_backward({x, weight, scale});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &scale = saved[2];
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dx = at::empty_like(x);
    at::Tensor dweight = at::zeros(weight.sizes(), scale.options());
    dispatch(x, [&]<typename T>(T) {
      run_rms_norm_backward(data<T>(x),
                            data<T>(weight),
                            data<T>(dy),
                            data<float>(scale),
                            data<T>(dx),
                            data<float>(dweight),
                            scale.numel(),
                            x.size(-1));
    });
    return {dx, dweight.to(weight.scalar_type()), {}};
  }
};

struct Swiglu : torch::autograd::Function<Swiglu> {
  static Variable forward(AutogradContext* context, const Variable& gate_, const Variable& up_) {
    const at::Tensor gate = gate_.contiguous(), up = up_.contiguous();
    at::Tensor y = at::empty_like(gate);
    dispatch(gate, [&]<typename T>(T) {
      const int64_t I = y.size(-1);
      run_swiglu(data<T>(gate), data<T>(up), data<T>(y), y.numel() / I, I);
    });
    context->save_for_backward({gate, up});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dgate = at::empty_like(dy), dup = at::empty_like(dy);
    dispatch(dy, [&]<typename T>(T) {
      run_swiglu_backward(data<T>(saved[0]),
                          data<T>(saved[1]),
                          data<T>(dy),
                          data<T>(dgate),
                          data<T>(dup),
                          dy.numel());
    });
    return {dgate, dup};
  }
};

at::Tensor rotate(const at::Tensor& x_,
                  const at::Tensor& cos,
                  const at::Tensor& sin,
                  float direction) {
  const at::Tensor x = x_.contiguous();
  at::Tensor y = at::empty_like(x);
  dispatch(x, [&]<typename T>(T) {
    run_rope(data<T>(x),
             data<T>(y),
             data<float>(cos),
             data<float>(sin),
             x.size(0),
             x.size(1),
             x.size(2) / 2,
             direction);
  });
  return y;
}

struct Rope : torch::autograd::Function<Rope> {
  static Variable forward(AutogradContext* context,
                          const Variable& x,
                          const Variable& cos,
                          const Variable& sin) {
    context->save_for_backward({cos, sin});
    return rotate(x, cos, sin, 1);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    return {rotate(gradients[0], saved[0], saved[1], -1), {}, {}};
  }
};

struct Embed : torch::autograd::Function<Embed> {
  static Variable forward(AutogradContext* context, const Variable& table, const Variable& ids) {
    context->save_for_backward({ids});
    context->saved_data["rows"] = table.size(0);
    return table.index_select(0, ids);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor ids = context->get_saved_variables()[0].contiguous();
    const at::Tensor dy = gradients[0].contiguous();
    const int64_t N = dy.size(0), C = dy.size(1);
    const int64_t* id = ids.const_data_ptr<int64_t>();
    std::vector<int64_t> order(N);
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(
        order.begin(), order.end(), [&](int64_t a, int64_t b) { return id[a] < id[b]; });
    at::Tensor dtable = at::zeros({context->saved_data["rows"].toInt(), C}, dy.options());
    std::vector<float> sum(C);
    dispatch(dy, [&]<typename T>(T) {
      run_embed_backward(data<T>(dy), id, order.data(), N, C, data<T>(dtable), sum.data());
    });
    return {dtable, {}};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  if (has_kernel(x) && x.scalar_type() == weight.scalar_type())
    return RmsNorm::apply(x, weight, eps);
  const auto wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor values = x.to(wide);
  return (values * (values.square().mean(-1, true) + eps).rsqrt() * weight.to(wide))
      .to(x.scalar_type());
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  if (has_kernel(gate)) return Swiglu::apply(gate, up);
  return at::silu(gate) * up;
}

at::Tensor apply_rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  if (has_kernel(x)) return Rope::apply(x, cos.contiguous(), sin.contiguous());
  const auto wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const int64_t half = x.size(-1) / 2;
  const at::Tensor a = x.narrow(-1, 0, half).to(wide), b = x.narrow(-1, half, half).to(wide);
  return at::cat({a * cos - b * sin, b * cos + a * sin}, -1).to(x.scalar_type());
}

at::Tensor embed(const at::Tensor& table, const at::Tensor& ids_N) {
  if (has_kernel(table)) return Embed::apply(table, ids_N);
  return at::embedding(table, ids_N);
}

}  // namespace demix
