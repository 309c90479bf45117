// What this processor can do, for code that is compiled for several.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define DEMIX_FOR_X86_64(level) __attribute__((target("arch=x86-64-" #level)))
#else
#define DEMIX_FOR_X86_64(level)
#endif

namespace demix {

// Whether code marked DEMIX_FOR_X86_64(v3), with AVX2, or (v4), with AVX-512, runs here.
bool has_x86_64_v3();
bool has_x86_64_v4();

// Whether the processor has AVX-512 with products of bfloat16.
inline bool has_avx512_bf16() {
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

}  // namespace demix
