#include "demix/evaluate/bfloat16_tiles.h"

#include <algorithm>

#include "demix/core/error.h"

#if defined(__x86_64__) && defined(__GNUC__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#define DEMIX_TILES __attribute__((target("amx-tile,amx-bf16")))
#endif

namespace demix {

#ifdef DEMIX_TILES
namespace {

constexpr int64_t kTileRows = 16;     // of sums and of `a`
constexpr int64_t kTileColumns = 16;  // of sums
constexpr int64_t kLineBytes = 64;
constexpr int64_t kBlockBytes = kBlockColumns * 4;  // of a row of a block or panel

// Inputs of a block that are multiplied before the next ones: those of its rows and of its columns
// stay in the first-level cache, with its sums.
constexpr int64_t kInputsTogether = 4 * kTileInputs;

// All tiles have 16 rows of 64 bytes.
struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileShapes kShapes;

// Whether this thread's tiles have kShapes.
thread_local bool shaped = false;

// How many of `size` hold `count`.
int64_t tiles(int64_t count, int64_t size) { return (count + size - 1) / size; }

bool may_use_tiles() {
  constexpr unsigned kTile = 1U << 24, kBFloat16 = 1U << 22;  // cpuid 7.0 edx
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kTile) == 0 || (d & kBFloat16) == 0)
    return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// Memory that is wanted soon, asked for a few cache lines at a time: many at once would hold up
// what products load.
struct Fetched {
  const char* next;
  int64_t lines;  // at a time

  void fetch() {
    for (int64_t i = 0; i < lines; ++i, next += kLineBytes) __builtin_prefetch(next, 0, 2);
  }
};

// One or two tiles of rows by one or two of columns: sums in tiles 0 to 3, rows of `a` in 4 and 5,
// the panel's columns in 6 and 7.
template <bool kLower, bool kRight>
DEMIX_TILES void multiply_tiles(int64_t inputs,
                                const BFloat16* a,
                                int64_t a_stride,
                                const BFloat16* panel,
                                bool add,
                                float* block,
                                Fetched& next) {
  const int64_t a_bytes = a_stride * 2;
  const BFloat16* lower = a + kTileRows * a_stride;
  float* lower_block = block + kTileRows * kBlockColumns;
  if (add) {
    _tile_loadd(0, block, kBlockBytes);
    if constexpr (kRight) _tile_loadd(1, block + kTileColumns, kBlockBytes);
    if constexpr (kLower) _tile_loadd(2, lower_block, kBlockBytes);
    if constexpr (kLower && kRight) _tile_loadd(3, lower_block + kTileColumns, kBlockBytes);
  } else {
    _tile_zero(0);
    if constexpr (kRight) _tile_zero(1);
    if constexpr (kLower) _tile_zero(2);
    if constexpr (kLower && kRight) _tile_zero(3);
  }
  for (int64_t i = 0; i < inputs; i += kTileInputs) {
    const BFloat16* words = panel + i * kBlockColumns;
    _tile_loadd(4, a + i, a_bytes);
    _tile_loadd(6, words, kBlockBytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kRight) {
      _tile_loadd(7, words + 2 * kTileColumns, kBlockBytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kLower) {
      _tile_loadd(5, lower + i, a_bytes);
      _tile_dpbf16ps(2, 5, 6);
    }
    if constexpr (kLower && kRight) _tile_dpbf16ps(3, 5, 7);
    next.fetch();
  }
  _tile_stored(0, block, kBlockBytes);
  if constexpr (kRight) _tile_stored(1, block + kTileColumns, kBlockBytes);
  if constexpr (kLower) _tile_stored(2, lower_block, kBlockBytes);
  if constexpr (kLower && kRight) _tile_stored(3, lower_block + kTileColumns, kBlockBytes);
}

}  // namespace

bool has_bfloat16_tiles() {
  static const bool has = may_use_tiles();
  return has;
}

DEMIX_TILES void multiply_bfloat16_tiles(const BlockProduct<BFloat16>& p) {
  DEMIX_CHECK(p.columns % kTileColumns == 0 && p.columns > 0 && p.columns <= kBlockColumns &&
              p.inputs % kTileInputs == 0);
  if (!shaped) {
    _tile_loadconfig(&kShapes);
    shaped = true;
  }
  asm volatile("" ::: "memory");  // what is in `a` is written
  const int64_t steps =
      tiles(p.rows, 2 * kTileRows) * tiles(p.columns, 2 * kTileColumns) * (p.inputs / kTileInputs);
  Fetched next{reinterpret_cast<const char*>(p.wanted.data()),
               tiles(static_cast<int64_t>(p.wanted.size_bytes()), kLineBytes * steps)};
  for (int64_t first = 0; first < p.inputs; first += kInputsTogether) {
    const int64_t together = std::min(kInputsTogether, p.inputs - first);
    for (int64_t column = 0; column < p.columns; column += 2 * kTileColumns) {
      const bool right = p.columns - column > kTileColumns;
      for (int64_t row = 0; row < p.rows; row += 2 * kTileRows) {
        const bool lower = p.rows - row > kTileRows;
        const auto multiply =
            lower ? (right ? multiply_tiles<true, true> : multiply_tiles<true, false>)
                  : (right ? multiply_tiles<false, true> : multiply_tiles<false, false>);
        multiply(together,
                 p.a + row * p.a_stride + first,
                 p.a_stride,
                 p.panel + first * kBlockColumns + 2 * column,
                 p.add || first > 0,
                 p.block + row * kBlockColumns + column,
                 next);
      }
    }
  }
}

DEMIX_TILES void end_bfloat16_tiles() {
  if (shaped) _tile_release();
  shaped = false;
}

#else

bool has_bfloat16_tiles() { return false; }
void multiply_bfloat16_tiles(const BlockProduct<BFloat16>&) {
  DEMIX_CHECK(!"this processor has no tiles");
}
void end_bfloat16_tiles() {}

#endif

}  // namespace demix
