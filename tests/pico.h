// The model that tests use: two layers, width 32, 64 tokens.
#pragma once

#include "demix/model/architecture.h"

namespace demix {

inline Architecture pico() {
  Architecture a;
  a.vocabulary = 64;
  a.hidden = 32;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_dim = 8;
  a.intermediate = 48;
  a.max_positions = 512;
  return a;
}

}  // namespace demix
