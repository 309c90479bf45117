// Where the components of a run lie while proxies are merged from them, and as which numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace demix {

enum class Place {
  kDevice,  // the accelerator's memory
  kMemory,
  kDisk,  // a mapped file; the system keeps what fits of it in memory
};

// As users write them: "auto", or one place or number type.
struct StorageConfig {
  std::string memory = "auto";  // device | memory | disk
  // float32 | bfloat16. By itself bfloat16 where every file holds it, which loses nothing, else
  // float32: rounding components before they are merged costs accuracy, so it is asked for.
  std::string dtype = "auto";

  template <class V>
  void visit(V& v) {
    v("memory", memory);
    v("dtype", dtype);
  }
  void check() const;
};

struct StorageNeed {
  int64_t models = 0;   // with the base
  int64_t numbers = 0;  // of one model
  bool bfloat16_files = false;
  int64_t proxy_bytes = 0;    // of one proxy's weights
  int64_t scratch_bytes = 0;  // of memory, while merging
  bool on_device = true;      // the merge can run there
};

// Bytes to be had. Proxies lie on the device if there is one.
struct FreeBytes {
  std::optional<int64_t> device;
  int64_t memory = 0, disk = 0;
};

struct Storage {
  Place place = Place::kMemory;
  bool bfloat16 = false;
  int64_t bytes = 0;
  int64_t proxies = 1;      // that are merged at once
  int64_t proxy_bytes = 0;  // of one of them
  std::string words;        // all of this, for people
};

// The first of device, memory and disk that holds all models, a proxy and scratch and has an eighth
// of its free bytes left over, or the place that the configuration names. Several proxies, at most
// eight, are merged at once where they take no more than a quarter of what is left: they share the
// reading of the components. Throws Error, with what was needed and what there is, when nothing
// fits.
Storage choose_storage(const StorageNeed& need, const FreeBytes& free, const StorageConfig& config);

// "270 MB", "4.3 GB"
std::string bytes_text(int64_t bytes);

}  // namespace demix
