#include "demix/study/gauges.h"

#include <algorithm>
#include <cmath>

#include "demix/validate/gauge.h"

namespace demix {
namespace {

bool is_whole(const std::vector<std::vector<double>>& scores) {
  return !scores.empty() && std::all_of(scores.begin(), scores.end(), [](const auto& of_domain) {
    return std::all_of(
        of_domain.begin(), of_domain.end(), [](double score) { return std::isfinite(score); });
  });
}

}  // namespace

void add_gauge(StudyTables& tables, const std::string& experiment) {
  const auto signs = std::find_if(tables.signs.begin(),
                                  tables.signs.end(),
                                  [&](const SignRow& row) { return row.experiment == experiment; });
  if (signs == tables.signs.end()) return;
  std::erase_if(signs->values, [](const auto& value) {
    return value.first == "gauge" || value.first.starts_with("gauge.");
  });
  GaugeSigns gauge;
  gauge.domains = tables.domains;
  gauge.proxies = estimates_of(tables, experiment, "merge");
  gauge.interpolated = estimates_of(tables, experiment, "interpolation");
  if (!is_whole(gauge.proxies) || !is_whole(gauge.interpolated)) return;
  gauge.barriers = barriers_of(gauge.proxies, gauge.interpolated);
  gauge.noise.assign(tables.domains.size(), 0);  // tables have none; it is small on all items
  const GaugeReading reading = read_gauge(gauge);
  if (!std::isfinite(reading.value)) return;
  signs->values["gauge"] = reading.value;
  for (size_t d = 0; d < tables.domains.size(); ++d)
    if (std::isfinite(reading.domains[d]))
      signs->values["gauge." + tables.domains[d]] = reading.domains[d];
}

}  // namespace demix
