// Where a model's numbers stop being finite.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace demix {

class Decoder;
struct Weights;

// In words, for a message: a parameter that holds NaN or infinities, or else the first layer whose
// results on these tokens do, from 0. Reads all of the weights and computes one forward pass.
std::string first_not_finite(const Decoder& decoder,
                             const Weights& weights,
                             std::span<const int32_t> ids);

}  // namespace demix
