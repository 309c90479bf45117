#include "demix/run/loaded_components.h"

#include "demix/core/progress.h"
#include "demix/merge/components.h"

namespace demix {

LoadedComponents::LoadedComponents(std::function<std::unique_ptr<Components>()> load)
    : load_(std::move(load)) {
  components();
}

LoadedComponents::~LoadedComponents() = default;

const Components& LoadedComponents::components() {
  if (!components_) {
    components_ = load_();
    say(components_->storage().words);
  }
  return *components_;
}

size_t LoadedComponents::most_at_once() {
  return static_cast<size_t>(components().storage().proxies);
}

std::span<const Weights> LoadedComponents::merge(std::span<const std::vector<double>> mixtures) {
  const Components& components = this->components();
  while (proxies_.size() < mixtures.size()) proxies_.push_back(components.allocate());
  const std::span proxies = std::span(proxies_).first(mixtures.size());
  components.merge(mixtures, proxies);
  return proxies;
}

void LoadedComponents::release() {
  proxies_.clear();
  components_.reset();
}

}  // namespace demix
