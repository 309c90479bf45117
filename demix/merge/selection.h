// The largest values of a tensor by magnitude, found without sorting.
//
// All elements stand in one order: larger magnitudes first, among equal ones the earlier element
// first, NaN before everything. mergekit takes an arbitrary one of equal magnitudes (its sort is
// not stable), so that results may differ from its own in elements equal to the one at the cut.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace demix {

// A place between two elements in that order: before it are all elements of larger magnitude than
// `bits`, and those of equal magnitude with an index below `index`.
struct Cut {
  uint32_t bits = 0;  // of the magnitude, see kernels.h
  int64_t index = 0;
};

// Writes the magnitudes' bits of elements [begin, begin + size) of one of several tensors.
using Magnitudes = std::function<void(size_t tensor, int64_t begin, int64_t size, uint32_t* bits)>;

struct CutRequest {
  size_t tensor = 0;     // passed to Magnitudes
  int64_t position = 0;  // how many elements are to be before the cut, in [0, count]
};

// One cut per request. Two or three passes over the tensors whatever their values, in bounded
// memory; `read` must give the same values every time and is called by several threads.
std::vector<Cut> find_cuts(std::span<const CutRequest> requests,
                           int64_t count,
                           int threads,
                           const Magnitudes& read);

// Zeroes those of elements [begin, begin + size) that are not between the two cuts.
void keep_between_cuts(
    const Cut& first, const Cut& last, int64_t begin, int64_t size, float* values);

}  // namespace demix
