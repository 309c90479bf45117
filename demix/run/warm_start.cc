#include "demix/run/warm_start.h"

#include <nlohmann/json.hpp>
#include <set>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/core/progress.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// The journal's kind for what was taken from other runs: Known by folder and setup.
constexpr const char* kKnown = "known proxies";

// A proxy of another run in terms of this one.
struct Adopted {
  std::vector<double> merge_weights;
  Scores scores;
};

// All that was taken from one folder.
struct Known {
  ProxySetup setup;  // this run's
  std::vector<Adopted> proxies;
  std::string warning;  // why there are none
};

void to_json(Json& json, const Adopted& proxy) {
  json = {{"merge_weights", proxy.merge_weights}, {"scores", proxy.scores}};
}

void from_json(const Json& json, Adopted& proxy) {
  json.at("merge_weights").get_to(proxy.merge_weights);
  json.at("scores").get_to(proxy.scores);
}

void to_json(Json& json, const Known& known) {
  json = {{"setup", known.setup}, {"proxies", known.proxies}, {"warning", known.warning}};
}

void from_json(const Json& json, Known& known) {
  json.at("setup").get_to(known.setup);
  json.at("proxies").get_to(known.proxies);
  json.at("warning").get_to(known.warning);
}

fs::path journal_in(const fs::path& folder) {
  fs::path file = folder / "journal.sqlite";
  if (!fs::exists(file)) {
    throw Error(
        "search.warm_start: {} holds no journal.sqlite; name the folder of a run that has scored "
        "proxies",
        folder.string());
  }
  return file;
}

// Reads one other run's journal and counts why proxies cannot be used.
class OtherRun {
 public:
  OtherRun(const fs::path& folder,
           const ProxySetup& setup,
           const std::vector<ScoredMetric>& metrics)
      : folder_(folder), journal_(journal_in(folder)), setup_(setup), metrics_(metrics) {}

  Known adopt() {
    Known taken{setup_, {}, ""};
    std::vector<Adopted>& adopted = taken.proxies;
    const auto consider = [&](const std::optional<ProxySetup>& theirs, const Adopted& proxy) {
      ++count_;
      if (auto placed = adopt(theirs, proxy)) adopted.push_back(std::move(*placed));
    };
    for (const JournalEntry& entry : journal_.all("score")) {
      if (!entry.value.contains("setup")) continue;  // models, references
      const auto setup = journal_.find("setup", entry.value.at("setup").get<std::string>());
      consider(setup ? std::optional(setup->get<ProxySetup>()) : std::nullopt,
               entry.value.get<Adopted>());
    }
    // What it knew from others itself.
    for (const JournalEntry& entry : journal_.all(kKnown)) {
      const auto known = entry.value.get<Known>();
      for (const Adopted& proxy : known.proxies) consider(known.setup, proxy);
    }
    if (count_ == 0) {
      taken.warning =
          fmt::format("{} (search.warm_start) has scored no proxy yet that could be used here.",
                      folder_.string());
      return taken;
    }
    if (adopted.empty()) {
      taken.warning =
          fmt::format("None of the {} proxies in {} (search.warm_start) can be used here: {}.",
                      count_,
                      folder_.string(),
                      reasons());
      return taken;
    }
    const std::string left_out = reasons();
    say(fmt::format("search: {} of {} proxies came from {}{}",
                    adopted.size(),
                    count_,
                    folder_.string(),
                    left_out.empty() ? "" : "; left out: " + left_out));
    return taken;
  }

 private:
  std::optional<Adopted> adopt(const std::optional<ProxySetup>& setup, const Adopted& proxy) {
    if (!setup) return refuse("the journal does not say how they were merged");
    const ProxySetup &theirs = *setup, &ours = setup_;
    if (theirs.base != ours.base) return refuse("their base is another model");
    if (theirs.merge != ours.merge)
      return refuse("theirs is '{}', here it is '{}'", theirs.merge, ours.merge);
    if (theirs.dtype != ours.dtype)
      return refuse(
          "theirs were scored in {}, here evaluate.dtype is {}", theirs.dtype, ours.dtype);
    for (const ScoredMetric& metric : metrics_) {
      const auto task = theirs.tasks.find(metric.task);
      if (task == theirs.tasks.end()) return refuse("they have no scores of {}", metric.task);
      if (task->second != ours.tasks.at(metric.task))
        return refuse(
            "their {} has other items, prompts or tokenizer, or another share of the items "
            "(search.select_share, search.item_share)",
            metric.task);
    }
    Adopted placed{{}, proxy.scores};
    if (!place(theirs, proxy.merge_weights, placed.merge_weights)) return std::nullopt;
    return placed;
  }

  template <typename... Args>
  std::nullopt_t refuse(fmt::format_string<Args...> pattern, Args&&... args) {
    ++reasons_[fmt::format(pattern, std::forward<Args>(args)...)];
    return std::nullopt;
  }

  std::string reasons() const {
    std::string text;
    for (const auto& [reason, count] : reasons_) {
      if (!text.empty()) text += "; ";
      text += count == count_ ? reason : fmt::format("of {}, {}", count, reason);
    }
    return text;
  }

  // Their weights in the order of our components, by content.
  bool place(const ProxySetup& theirs,
             const std::vector<double>& weights,
             std::vector<double>& placed) {
    const ProxySetup& ours = setup_;
    if (!ours.sum_of_models && theirs.components != ours.components) {
      refuse(
          "their components are others, and by this merge method those without weight may have a "
          "part");
      return false;
    }
    placed.assign(ours.components.size(), 0);
    std::vector<bool> taken(ours.components.size());
    for (size_t k = 0; k < weights.size(); ++k) {
      size_t at = 0;
      while (at < taken.size() && (taken[at] || ours.components[at] != theirs.components[k])) ++at;
      if (at < taken.size()) {
        taken[at] = true;
        placed[at] = weights[k];
      } else if (weights[k] != 0) {
        refuse("they have weight on {}, whose weights are no component here", theirs.names[k]);
        return false;
      }
    }
    return true;
  }

  const fs::path& folder_;
  const Journal journal_;
  const ProxySetup setup_;
  const std::vector<ScoredMetric>& metrics_;
  int count_ = 0;
  std::map<std::string, int> reasons_;
};

}  // namespace

void check_warm_start(Workspace& workspace) {
  std::set<std::string> read;
  for (const JournalEntry& entry : workspace.journal().all(kKnown)) read.insert(entry.name);
  for (const fs::path& folder : workspace.config().search.warm_start) {
    if (fs::weakly_canonical(folder) == fs::weakly_canonical(workspace.folder()))
      throw Error("search.warm_start: {} is this run's own folder", folder.string());
    if (!read.contains(folder.string())) journal_in(folder);
  }
}

void check_warm_start(const fs::path& folder) { journal_in(folder); }

std::vector<KnownProxy> warm_start(Workspace& workspace,
                                   const ProxySetup& setup,
                                   const std::vector<ScoredMetric>& metrics) {
  const SearchConfig& config = workspace.config().search;
  std::vector<KnownProxy> known;
  std::set<std::vector<double>> seen;
  for (const fs::path& folder : config.warm_start) {
    const std::string key = Hasher().field(folder.string()).field(Json(setup).dump()).hex();
    Known taken;
    if (const auto kept = workspace.journal().find(kKnown, key)) {
      kept->get_to(taken);
    } else {
      taken = OtherRun(folder, setup, metrics).adopt();
      workspace.journal().put(kKnown, key, folder.string(), taken);
    }
    if (!taken.warning.empty()) warn(taken.warning);
    for (Adopted& proxy : taken.proxies) {
      if (!seen.insert(proxy.merge_weights).second) continue;
      auto measured = measurements_of(proxy.scores, metrics, "a proxy of " + folder.string());
      known.push_back({std::move(proxy.merge_weights), std::move(measured)});
    }
  }
  return known;
}

}  // namespace demix
