#include "demix/merge/storage.h"

#include <algorithm>
#include <vector>

#include "demix/core/error.h"

namespace demix {
namespace {

constexpr int64_t kMostProxies = 8;

struct PlaceName {
  Place place;
  std::string_view key, words;
};
constexpr PlaceName kPlaces[] = {{Place::kDevice, "device", "on the device"},
                                 {Place::kMemory, "memory", "in memory"},
                                 {Place::kDisk, "disk", "in a mapped file on the disk"}};

int64_t usable(int64_t free) { return free - free / 8; }

// Bytes at a place, and how they would be used.
struct Budget {
  const StorageNeed& need;
  const FreeBytes& free;

  int64_t at(Place place) const {
    return place == Place::kDevice   ? free.device.value_or(0)
           : place == Place::kMemory ? free.memory
                                     : free.disk;
  }
  Place of_proxies() const { return free.device ? Place::kDevice : Place::kMemory; }
  // What the proxies' place has for them with the components at `place`.
  int64_t left(Place place, int64_t bytes) const {
    const Place proxies = of_proxies();
    return usable(at(proxies)) - (place == proxies ? bytes : 0) -
           (proxies == Place::kMemory ? need.scratch_bytes : 0);
  }
  bool fits(Place place, int64_t bytes) const {
    if (place == Place::kDevice && !(free.device && need.on_device)) return false;
    // A proxy merged in memory for the device lies in both for a moment.
    const int64_t in_memory = (place == Place::kMemory ? bytes : 0) +
                              (place == Place::kDevice ? 0 : need.proxy_bytes) + need.scratch_bytes;
    return bytes <= usable(at(place)) && in_memory <= usable(free.memory) &&
           need.proxy_bytes <= left(place, bytes);
  }
};

}  // namespace

void StorageConfig::check() const {
  const auto one_of = [](std::string_view key,
                         const std::string& value,
                         std::initializer_list<std::string_view> known) {
    if (std::find(known.begin(), known.end(), value) == known.end())
      throw Error("{}: '{}' is not known; expected one of {}", key, value, fmt::join(known, ", "));
  };
  one_of("memory", memory, {"auto", "device", "memory", "disk"});
  one_of("dtype", dtype, {"auto", "float32", "bfloat16"});
}

std::string bytes_text(int64_t bytes) {
  return bytes < 2'000'000'000 ? fmt::format("{:.0f} MB", static_cast<double>(bytes) * 1e-6)
                               : fmt::format("{:.1f} GB", static_cast<double>(bytes) * 1e-9);
}

Storage choose_storage(const StorageNeed& need,
                       const FreeBytes& free,
                       const StorageConfig& config) {
  config.check();
  const Budget budget{need, free};
  const int64_t numbers = need.models * need.numbers;
  Storage storage;
  storage.bfloat16 = config.dtype == "bfloat16" || (config.dtype == "auto" && need.bfloat16_files);
  storage.bytes = numbers * (storage.bfloat16 ? 2 : 4);

  std::vector<std::string> refused;
  for (const PlaceName& name : kPlaces) {
    if (config.memory != "auto" && config.memory != name.key) continue;
    if (!budget.fits(name.place, storage.bytes)) {
      if (name.place != Place::kDevice || free.device)
        refused.push_back(
            fmt::format("{} {} are free", name.words, bytes_text(budget.at(name.place))));
      continue;
    }
    storage.place = name.place;
    storage.proxy_bytes = need.proxy_bytes;
    storage.proxies = std::clamp<int64_t>(
        budget.left(name.place, storage.bytes) / 4 / std::max<int64_t>(1, need.proxy_bytes),
        1,
        kMostProxies);
    storage.words = fmt::format("base and {} components as {} {}: {} of {} that are free there",
                                need.models - 1,
                                storage.bfloat16 ? "bfloat16" : "float32",
                                name.words,
                                bytes_text(storage.bytes),
                                bytes_text(budget.at(name.place)));
    if (storage.proxies > 1)
      storage.words += fmt::format("; {} proxies are merged at once", storage.proxies);
    if (config.memory == "auto" && name.place == Place::kDisk && !storage.bfloat16 &&
        budget.fits(Place::kMemory, numbers * 2))
      storage.words += "; rounded to bfloat16 (merge.dtype) they would fit into memory";
    return storage;
  }
  if (config.memory == "device" && !free.device)
    throw Error("merge.memory: 'device' is asked for, but the run has no device");
  if (config.memory == "device" && !need.on_device)
    throw Error("merge.memory: only linear merges run on the device; expected memory or disk");
  throw Error(
      "base and {} components as {} take {}, a proxy {}, merging {}: {}. Free some, {}name "
      "merge.memory: auto or another machine",
      need.models - 1,
      storage.bfloat16 ? "bfloat16" : "float32",
      bytes_text(storage.bytes),
      bytes_text(need.proxy_bytes),
      bytes_text(need.scratch_bytes),
      fmt::join(refused, ", "),
      storage.bfloat16 ? "" : "set merge.dtype: bfloat16, ");
}

}  // namespace demix
