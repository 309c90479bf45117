// Passes over large buffers by threads that sit where the memory is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

namespace demix {

// "0-2,5" as {0, 1, 2, 5}; empty when it is no such list.
std::vector<int> parse_processor_list(std::string_view text);
// The processors of each node of the machine's memory, those that this process may use; nodes
// without any are left out. Empty when the system does not say. `root` is where /sys is found.
std::vector<std::vector<int>> memory_nodes(const std::filesystem::path& root = "/");

// Calls work(item) for items 0 … items-1 on at most `threads` threads; returns when all are done.
// The first exception ends everything and is thrown here.
//
// On a machine of several memory nodes each node's threads, bound to it, take the items of one
// stretch, and help elsewhere only when it is done. So memory that was first written in such a pass
// is read by the node that holds it in later passes over as many items.
void for_each_near_memory(int64_t items, int threads, const std::function<void(int64_t)>& work);
// The same on a machine with these nodes.
void for_each_near_memory(int64_t items,
                          int threads,
                          const std::function<void(int64_t)>& work,
                          const std::vector<std::vector<int>>& nodes);

}  // namespace demix
