#include "demix/core/near_memory.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

namespace demix {
namespace {

// Items of one node that are still to be taken; alone on its cache line.
struct alignas(64) Stretch {
  std::atomic<int64_t> next;
  int64_t end;
};

void bind_to(const std::vector<int>& processors) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int processor : processors) CPU_SET(processor, &set);
  sched_setaffinity(0, sizeof set, &set);  // only a wish
}

}  // namespace

std::vector<int> parse_processor_list(std::string_view text) {
  std::vector<int> processors;
  const char *at = text.data(), *const end = at + text.size();
  while (at != end && *at != '\n') {
    int first = 0;
    auto read = std::from_chars(at, end, first);
    int last = first;
    if (read.ec == std::errc{} && read.ptr != end && *read.ptr == '-')
      read = std::from_chars(read.ptr + 1, end, last);
    if (read.ec != std::errc{} || first < 0 || last < first || last >= CPU_SETSIZE) return {};
    for (int processor = first; processor <= last; ++processor) processors.push_back(processor);
    at = read.ptr;
    if (at != end && *at == ',') ++at;
  }
  return processors;
}

std::vector<std::vector<int>> memory_nodes(const std::filesystem::path& root) {
  cpu_set_t ours;
  CPU_ZERO(&ours);
  if (sched_getaffinity(0, sizeof ours, &ours) != 0) return {};
  std::vector<std::vector<int>> nodes;
  const std::filesystem::path folder = root / "sys/devices/system/node";
  // Numbers may have gaps.
  std::string text;
  std::ifstream online(folder / "online");
  std::getline(online, text);
  for (const int node : parse_processor_list(text)) {
    std::ifstream list(folder / ("node" + std::to_string(node)) / "cpulist");
    text.clear();
    std::getline(list, text);
    std::vector<int> processors = parse_processor_list(text);
    std::erase_if(processors, [&](int processor) { return !CPU_ISSET(processor, &ours); });
    if (!processors.empty()) nodes.push_back(std::move(processors));
  }
  return nodes;
}

void for_each_near_memory(int64_t items, int threads, const std::function<void(int64_t)>& work) {
  static const std::vector<std::vector<int>> nodes = memory_nodes();
  for_each_near_memory(items, threads, work, nodes);
}

void for_each_near_memory(int64_t items,
                          int threads,
                          const std::function<void(int64_t)>& work,
                          const std::vector<std::vector<int>>& nodes) {
  const auto used =
      static_cast<size_t>(std::clamp<int64_t>(threads, 1, std::max<int64_t>(items, 1)));
  const size_t stretches = std::clamp<size_t>(nodes.size(), 1, used);
  std::vector<Stretch> left(stretches);
  for (size_t s = 0; s < stretches; ++s) {
    left[s].next = items * static_cast<int64_t>(s) / static_cast<int64_t>(stretches);
    left[s].end = items * static_cast<int64_t>(s + 1) / static_cast<int64_t>(stretches);
  }
  std::exception_ptr failure;
  std::once_flag failed;
  std::atomic<bool> stop = false;
  const auto run = [&](size_t thread) {
    const size_t home = thread * stretches / used;
    if (stretches > 1) bind_to(nodes[home]);
    try {
      for (size_t i = 0; i < stretches; ++i) {
        Stretch& stretch = left[(home + i) % stretches];
        for (int64_t item; !stop && (item = stretch.next.fetch_add(1)) < stretch.end;) work(item);
      }
    } catch (...) {
      std::call_once(failed, [&] { failure = std::current_exception(); });
      stop = true;
    }
  };
  {
    // The caller works with the others where it need not be bound for it.
    const bool takes_part = stretches == 1;
    std::vector<std::jthread> others;
    for (size_t thread = takes_part ? 1 : 0; thread < used; ++thread)
      others.emplace_back(run, thread);
    if (takes_part) run(0);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace demix
