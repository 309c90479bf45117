// The components that proxies are merged from, while they are in memory and while they are not.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace demix {

class Components;
struct Weights;

// Components, and room for the proxies merged from them. Their memory can be given back for a
// while; whatever needs them then loads them again.
class LoadedComponents {
 public:
  // Loads them now. `load` is kept for later.
  explicit LoadedComponents(std::function<std::unique_ptr<Components>()> load);
  ~LoadedComponents();

  // The place of what is loaded is said on standard error.
  const Components& components();
  // How many proxies their storage has room for, one or more.
  size_t most_at_once();
  // The proxies of these mixtures, at most so many, until the next call of this or of `release`.
  std::span<const Weights> merge(std::span<const std::vector<double>> mixtures);
  void release();

 private:
  std::function<std::unique_ptr<Components>()> load_;
  std::unique_ptr<Components> components_;  // null while they are not in memory
  std::vector<Weights> proxies_;            // as many as were needed at once
};

}  // namespace demix
