// Random numbers by position: word i of a stream is a function of the stream's key and i, so that
// any piece of a large array can be drawn alone, in any order, by any thread.
#pragma once

#include <cstdint>

namespace demix {

// words[j] = word `begin + j` of the stream `key`, for j in [0, size): 32 uniform bits each.
// SplitMix64 (Steele, Lea and Flood 2014) entered at position i/2, each of whose outputs gives two
// words. Take keys from Rng::next() of a named stream.
void random_words(uint64_t key, int64_t begin, int64_t size, uint32_t* words);

}  // namespace demix
