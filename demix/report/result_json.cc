#include "demix/report/result_json.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>

#include "demix/core/error.h"
#include "demix/core/hash.h"
#include "demix/report/trust.h"

namespace demix {
namespace {

// ---- writing ------------------------------------------------------------------------------------

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

template <typename Facts>
std::vector<std::string> names_of(const std::vector<Facts>& facts) {
  std::vector<std::string> names;
  for (const Facts& fact : facts) names.push_back(fact.name);
  return names;
}

// {name: write(value)}; nothing known is {}.
template <typename T, typename Write>
Json named(const std::vector<std::string>& names, const std::vector<T>& values, Write write) {
  DEMIX_CHECK(values.empty() || values.size() == names.size());
  Json object = Json::object();
  for (size_t i = 0; i < values.size(); ++i) object[names[i]] = write(values[i]);
  return object;
}

Json named(const std::vector<std::string>& names, const std::vector<double>& values) {
  return named(names, values, number);
}

Json named(const std::vector<std::string>& names, const std::vector<int64_t>& counts) {
  return named(names, counts, [](int64_t n) { return Json(n); });
}

Json values_of(const std::vector<std::string>& names, const std::vector<Score>& scores) {
  return named(names, scores, [](const Score& s) { return number(s.value); });
}

Json errors_of(const std::vector<std::string>& names, const std::vector<Score>& scores) {
  return named(names, scores, [](const Score& s) { return number(s.standard_error); });
}

Json scores_to_json(const std::vector<std::string>& names, const std::vector<Score>& scores) {
  return named(names, scores, [](const Score& s) {
    return Json{{"value", number(s.value)}, {"stderr", number(s.standard_error)}};
  });
}

Json estimate_to_json(const Estimate& e) {
  return {{"value", number(e.value)}, {"low", number(e.low)}, {"high", number(e.high)}};
}

Json agreement_to_json(const Agreement& a) {
  return {{"spearman", estimate_to_json(a.spearman)},
          {"spearman_top25", estimate_to_json(a.spearman_top25)},
          {"pearson", estimate_to_json(a.pearson)},
          {"capability_recovery", estimate_to_json(a.capability_recovery)},
          {"regret", estimate_to_json(a.regret)}};
}

struct Names {
  std::vector<std::string> datasets, domains, tasks;
  explicit Names(const RunResult& r)
      : datasets(names_of(r.datasets)), domains(names_of(r.domains)), tasks(names_of(r.tasks)) {}
};

Json chooser_to_json(const ChooserFidelity& chooser, const Names& names) {
  return {{"macro", agreement_to_json(chooser.macro)},
          {"domains", named(names.domains, chooser.domains, agreement_to_json)}};
}

Json baseline_to_json(const ChooserFidelity& chooser,
                      const Fidelity::Lead& lead,
                      const Names& names) {
  Json json = chooser_to_json(chooser, names);
  json["proxy_lead"] = {{"spearman", estimate_to_json(lead.spearman)},
                        {"regret", estimate_to_json(lead.regret)}};
  return json;
}

Json gauge_to_json(const GaugeFacts& gauge, const Names& names) {
  if (gauge.verdict.empty()) return nullptr;
  return {{"value", number(gauge.value)},
          {"verdict", gauge.verdict},
          {"broken", gauge.broken},
          {"domains", named(names.domains, gauge.domains)}};
}

Json length_to_json(const LengthFacts& length, const Names& names) {
  if (length.verdict.empty()) return nullptr;
  return {{"value", number(length.value)},
          {"verdict", length.verdict},
          {"domains", named(names.domains, length.domains)},
          {"share", number(length.share)}};
}

Json own_data_to_json(const OwnDataFacts& facts, const Names& names) {
  if (facts.components.empty()) return nullptr;
  Json components = Json::object();
  for (size_t k = 0; k < facts.components.size(); ++k)
    components[names.datasets[k]] = {{"reading", facts.components[k].reading},
                                     {"best", facts.components[k].best},
                                     {"bits_per_byte", named(names.datasets, facts.bits[k])}};
  return {{"components", components}, {"base", named(names.datasets, facts.base)}};
}

Json fidelity_to_json(const RunResult& result, const Names& names) {
  const Fidelity& fidelity = result.fidelity;
  Json json = {{"references", fidelity.references}};
  json.update(chooser_to_json(fidelity.proxy, names));
  json["free_baselines"] = {
      {"own_share", baseline_to_json(fidelity.own_share, fidelity.over_own_share, names)},
      {"interpolation",
       baseline_to_json(fidelity.interpolation, fidelity.over_interpolation, names)}};
  json["other_proxy"] = baseline_to_json(fidelity.other_proxy, fidelity.over_other_proxy, names);
  json["calibrated"] = baseline_to_json(fidelity.calibrated, fidelity.over_calibrated, names);
  json["gauge"] = gauge_to_json(result.gauge, names);
  json["length"] = length_to_json(result.length, names);
  return json;
}

// `proxy` and `trained` map domain to score, as other programs expect; errors and tasks lie beside.
Json mixture_to_json(const MixtureFacts& facts, const Names& names) {
  return {{"mixture", named(names.datasets, facts.mixture)},
          {"merge_weights", named(names.datasets, facts.merge_weights)},
          {"proxy", values_of(names.domains, facts.proxy.domains)},
          {"trained", values_of(names.domains, facts.trained.domains)},
          {"proxy_stderr", errors_of(names.domains, facts.proxy.domains)},
          {"trained_stderr", errors_of(names.domains, facts.trained.domains)},
          {"proxy_tasks", scores_to_json(names.tasks, facts.proxy.tasks)},
          {"trained_tasks", scores_to_json(names.tasks, facts.trained.tasks)},
          {"found_gain", scores_to_json(names.domains, facts.found_gain.domains)},
          {"found_gain_tasks", scores_to_json(names.tasks, facts.found_gain.tasks)},
          {"found_gain_proxy", scores_to_json(names.domains, facts.found_gain_proxy.domains)},
          {"found_gain_proxy_tasks", scores_to_json(names.tasks, facts.found_gain_proxy.tasks)},
          {"predicted", scores_to_json(names.domains, facts.predicted.domains)},
          {"predicted_tasks", scores_to_json(names.tasks, facts.predicted.tasks)},
          {"measured", scores_to_json(names.domains, facts.measured.domains)},
          {"measured_tasks", scores_to_json(names.tasks, facts.measured.tasks)},
          {"interpolation", scores_to_json(names.domains, facts.interpolation)},
          {"own_share", scores_to_json(names.domains, facts.own_share)},
          {"other_proxy", scores_to_json(names.domains, facts.other_proxy)},
          {"calibrated", scores_to_json(names.domains, facts.calibrated)},
          {"in_correlations", facts.in_correlations},
          {"note", facts.note}};
}

Json predicted_to_json(const RunResult& result) {
  DEMIX_CHECK(result.predicted.empty() || result.predicted.size() == result.tasks.size());
  Json json = Json::object();
  for (size_t i = 0; i < result.predicted.size(); ++i) {
    json[result.tasks[i].name] = {{"metric", result.tasks[i].metric},
                                  {"value", number(result.predicted[i].value)},
                                  {"stderr", number(result.predicted[i].standard_error)}};
  }
  return json;
}

Json tolerance_to_json(const ShareTolerance& t) {
  return {{"low", number(t.low)},
          {"high", number(t.high)},
          {"low_bound", t.low_bound},
          {"high_bound", t.high_bound}};
}

Json front_to_json(const RunResult& result, const Names& names) {
  Json json = Json::array();
  for (const FrontMixture& point : result.front) {
    json.push_back({{"mixture", named(names.datasets, point.mixture)},
                    {"merge_weights", named(names.datasets, point.merge_weights)},
                    {"domains", scores_to_json(names.domains, point.domains)}});
  }
  return json;
}

Json search_end_to_json(const SearchEnd& end) {
  return {{"decision", end.decision},
          {"stopped", end.stopped},
          {"next_gain", number(end.next_gain)},
          {"objective_stderr", number(end.objective_error)},
          {"select_share", end.select_share}};
}

Json verdicts_to_json(const RunResult& result) {
  Json json = Json::array();
  for (const Verdict& verdict : verdicts(result)) {
    json.push_back({{"question", verdict.question},
                    {"kind", name_of(verdict.kind)},
                    {"answer", verdict.answer}});
  }
  return json;
}

Json seconds_to_json(const Cost& cost) {
  Json seconds = Json::object();
  for (const auto& [stage, value] : cost.seconds) seconds[stage] = number(value);
  return seconds;
}

// ---- reading ------------------------------------------------------------------------------------

const Json& member(const Json& json, std::string_view key) {
  static const Json kNull;
  const auto found = json.find(key);
  return found == json.end() ? kNull : *found;
}

double read_number(const Json& json) { return json.is_null() ? kUnknown : json.get<double>(); }
double read_number(const Json& json, std::string_view key) {
  return read_number(member(json, key));
}

template <typename T>
T read(const Json& json, std::string_view key, T otherwise = {}) {
  const Json& value = member(json, key);
  return value.is_null() ? otherwise : value.get<T>();
}

// An object by name as a vector in the order of `names`; absent names leave `T{}`.
template <typename T, typename Read>
std::vector<T> read_named(const Json& object,
                          const std::vector<std::string>& names,
                          T missing,
                          Read read_one) {
  if (object.is_null() || object.empty()) return {};
  std::vector<T> values(names.size(), missing);
  for (const auto& [name, value] : object.items()) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      throw Error("'{}' is not among the names that the result lists; was the file edited?", name);
    }
    values[found - names.begin()] = read_one(value);
  }
  return values;
}

std::vector<double> read_numbers(const Json& object, const std::vector<std::string>& names) {
  return read_named(object, names, kUnknown, [](const Json& j) { return read_number(j); });
}

std::vector<int64_t> read_counts(const Json& object, const std::vector<std::string>& names) {
  return read_named(object, names, int64_t{0}, [](const Json& j) { return j.get<int64_t>(); });
}

Score read_score(const Json& json) {
  return {read_number(json, "value"), read_number(json, "stderr")};
}

std::vector<Score> read_scores(const Json& object, const std::vector<std::string>& names) {
  return read_named(object, names, Score{}, read_score);
}

std::vector<Score> read_scores(const Json& values,
                               const Json& errors,
                               const std::vector<std::string>& names) {
  const auto value = read_numbers(values, names), error = read_numbers(errors, names);
  std::vector<Score> scores(value.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i] = {value[i], error.empty() ? kUnknown : error[i]};
  }
  return scores;
}

Estimate read_estimate(const Json& json) {
  return {read_number(json, "value"), read_number(json, "low"), read_number(json, "high")};
}

Agreement read_agreement(const Json& json) {
  return {read_estimate(member(json, "spearman")),
          read_estimate(member(json, "spearman_top25")),
          read_estimate(member(json, "pearson")),
          read_estimate(member(json, "capability_recovery")),
          read_estimate(member(json, "regret"))};
}

ChooserFidelity read_chooser(const Json& json, const Names& names) {
  return {read_agreement(member(json, "macro")),
          read_named(member(json, "domains"), names.domains, Agreement{}, read_agreement)};
}

Fidelity::Lead read_lead(const Json& baseline) {
  const Json& lead = member(baseline, "proxy_lead");
  return {read_estimate(member(lead, "spearman")), read_estimate(member(lead, "regret"))};
}

Fidelity read_fidelity(const Json& json, const Names& names) {
  const Json& free = member(json, "free_baselines");
  return {.references = read<int64_t>(json, "references"),
          .proxy = read_chooser(json, names),
          .own_share = read_chooser(member(free, "own_share"), names),
          .interpolation = read_chooser(member(free, "interpolation"), names),
          .other_proxy = read_chooser(member(json, "other_proxy"), names),
          .calibrated = read_chooser(member(json, "calibrated"), names),
          .over_own_share = read_lead(member(free, "own_share")),
          .over_interpolation = read_lead(member(free, "interpolation")),
          .over_other_proxy = read_lead(member(json, "other_proxy")),
          .over_calibrated = read_lead(member(json, "calibrated"))};
}

MixtureFacts read_mixture(const Json& json, std::string name, const Names& names) {
  return {.name = std::move(name),
          .mixture = read_numbers(member(json, "mixture"), names.datasets),
          .merge_weights = read_numbers(member(json, "merge_weights"), names.datasets),
          .proxy = {read_scores(member(json, "proxy"), member(json, "proxy_stderr"), names.domains),
                    read_scores(member(json, "proxy_tasks"), names.tasks)},
          .trained = {read_scores(
                          member(json, "trained"), member(json, "trained_stderr"), names.domains),
                      read_scores(member(json, "trained_tasks"), names.tasks)},
          .predicted = {read_scores(member(json, "predicted"), names.domains),
                        read_scores(member(json, "predicted_tasks"), names.tasks)},
          .measured = {read_scores(member(json, "measured"), names.domains),
                       read_scores(member(json, "measured_tasks"), names.tasks)},
          .found_gain = {read_scores(member(json, "found_gain"), names.domains),
                         read_scores(member(json, "found_gain_tasks"), names.tasks)},
          .found_gain_proxy = {read_scores(member(json, "found_gain_proxy"), names.domains),
                               read_scores(member(json, "found_gain_proxy_tasks"), names.tasks)},
          .interpolation = read_scores(member(json, "interpolation"), names.domains),
          .own_share = read_scores(member(json, "own_share"), names.domains),
          .other_proxy = read_scores(member(json, "other_proxy"), names.domains),
          .calibrated = read_scores(member(json, "calibrated"), names.domains),
          .in_correlations = read(json, "in_correlations", true),
          .note = read<std::string>(json, "note")};
}

// What a program that knows no more than this could not do without.
void check_keys(const Json& json, std::initializer_list<const char*> keys, const char* file) {
  for (const char* key : keys)
    if (!json.contains(key))
      throw Error(
          "{} is not what demix writes: it has no '{}'; was it edited? Running the run again "
          "writes it anew",
          file,
          key);
}

void read_facts(const Json& json, RunResult& result) {
  for (const Json& d : member(json, "datasets")) {
    result.datasets.push_back({.name = read<std::string>(d, "name"),
                               .domain = read<std::string>(d, "domain"),
                               .path = read<std::string>(d, "path"),
                               .documents = read<int64_t>(d, "documents"),
                               .duplicates_removed = read<int64_t>(d, "duplicates_removed"),
                               .train_tokens = read<int64_t>(d, "train_tokens"),
                               .heldout_tokens = read<int64_t>(d, "heldout_tokens"),
                               .available_tokens = read<int64_t>(d, "available_tokens"),
                               .bytes = read<int64_t>(d, "bytes")});
  }
  for (const Json& d : member(json, "domains")) {
    result.domains.push_back(
        {.name = read<std::string>(d, "name"), .unit = read<std::string>(d, "unit")});
  }
  for (const Json& t : member(json, "tasks")) {
    result.tasks.push_back({.name = read<std::string>(t, "name"),
                            .domain = read<std::string>(t, "domain"),
                            .metric = read<std::string>(t, "metric"),
                            .higher_is_better = read(t, "higher_is_better", true),
                            .chance = read_number(t, "chance"),
                            .items = read<int64_t>(t, "items")});
  }
  const Names names(result);
  for (const Json& o : member(json, "overlaps")) {
    result.overlaps.push_back({.task = read<std::string>(o, "task"),
                               .items = read<int64_t>(o, "items"),
                               .judged = read<int64_t>(o, "judged"),
                               .seen = read_counts(member(o, "seen"), names.datasets)});
  }
  for (const Json& s : member(json, "shared_documents")) {
    result.shared.push_back({.a = read<std::string>(s, "a"),
                             .b = read<std::string>(s, "b"),
                             .documents = read<int64_t>(s, "documents")});
  }
}

OwnDataFacts read_own_data_facts(const Json& json, const Names& names) {
  if (json.is_null()) return {};
  struct Component {
    OwnDataFacts::Component facts;
    std::vector<double> bits;
  };
  OwnDataFacts facts;
  facts.base = read_numbers(member(json, "base"), names.datasets);
  for (Component& component : read_named(
           member(json, "components"),
           names.datasets,
           Component{{}, std::vector<double>(names.datasets.size(), kUnknown)},
           [&](const Json& j) {
             return Component{{read<std::string>(j, "reading"), read<std::string>(j, "best")},
                              read_numbers(member(j, "bits_per_byte"), names.datasets)};
           })) {
    facts.components.push_back(std::move(component.facts));
    facts.bits.push_back(std::move(component.bits));
  }
  return facts;
}

void read_outcome(const Json& json, RunResult& result) {
  const Names names(result);
  result.name = read<std::string>(json, "name");
  result.unfinished = read<std::string>(json, "unfinished");
  result.mixture = read_numbers(member(json, "mixture"), names.datasets);
  result.merge_weights = read_numbers(member(json, "merge_weights"), names.datasets);
  result.predicted = read_scores(member(json, "predicted"), names.tasks);
  result.target_tokens = read_number(json, "target_tokens");
  result.own_data = read_own_data_facts(member(json, "own_data"), names);
  result.fidelity = read_fidelity(member(json, "fidelity"), names);
  if (const Json& gauge = member(member(json, "fidelity"), "gauge"); !gauge.is_null()) {
    result.gauge = {read_number(gauge, "value"),
                    read<std::string>(gauge, "verdict"),
                    read_numbers(member(gauge, "domains"), names.domains),
                    read(gauge, "broken", false)};
  }
  if (const Json& length = member(member(json, "fidelity"), "length"); !length.is_null()) {
    result.length = {read_number(length, "value"),
                     read<std::string>(length, "verdict"),
                     read_numbers(member(length, "domains"), names.domains),
                     read_number(length, "share")};
  }
  const Json& baselines = member(json, "baselines");
  result.uniform = read_mixture(member(baselines, "uniform"), "uniform", names);
  result.natural = read_mixture(member(baselines, "natural"), "natural", names);
  result.found = read_mixture(member(baselines, "found"), "found", names);
  if (const Json& searched = member(baselines, "searched"); !searched.is_null())
    result.searched = read_mixture(searched, "searched", names);
  result.flattened = read_mixture(member(baselines, "flattened"), "flattened", names);
  result.current = read_mixture(member(baselines, "current"), "current", names);
  result.tolerance =
      read_named(member(json, "tolerance"), names.datasets, ShareTolerance{}, [](const Json& j) {
        return ShareTolerance{read_number(j, "low"),
                              read_number(j, "high"),
                              read(j, "low_bound", false),
                              read(j, "high_bound", false)};
      });
  for (const Json& point : member(json, "front")) {
    result.front.push_back({read_numbers(member(point, "mixture"), names.datasets),
                            read_numbers(member(point, "merge_weights"), names.datasets),
                            read_scores(member(point, "domains"), names.domains)});
  }
  const Json& end = member(json, "search");
  result.search_end = {read<std::string>(end, "decision"),
                       read<std::string>(end, "stopped"),
                       read_number(end, "next_gain"),
                       read_number(end, "objective_stderr"),
                       read(end, "select_share", 1.0)};
  const Json& cost = member(json, "cost");
  result.cost.tokens_trained = read<int64_t>(cost, "tokens_trained");
  result.cost.proxies = read<int64_t>(cost, "proxies");
  result.cost.items_scored = read<int64_t>(cost, "items_scored");
  for (const auto& [stage, seconds] : member(cost, "seconds").items()) {
    result.cost.seconds.emplace_back(stage, read_number(seconds));
  }
  result.warnings = read<std::vector<std::string>>(json, "warnings");
}

void read_details(const Json& json, RunResult& result) {
  const Names names(result);
  for (const Json& r : member(json, "references")) {
    result.references.push_back(read_mixture(r, read<std::string>(r, "name"), names));
  }
  result.objective = read<std::string>(json, "objective");
  if (json.contains("proxies")) result.proxies = read<std::string>(json, "proxies");
  for (const Json& p : member(json, "search")) {
    result.search.push_back(
        {.round = read<int64_t>(p, "round"),
         .mixture = read_numbers(member(p, "mixture"), names.datasets),
         .merge_weights = read_numbers(member(p, "merge_weights"), names.datasets),
         .domains = read_scores(member(p, "domains"), names.domains),
         .objective = read_number(p, "objective"),
         .predicted_objective = read_number(p, "predicted_objective")});
  }
  for (const Json& p : member(json, "predictors")) {
    result.predictors.push_back({.name = read<std::string>(p, "name"),
                                 .metric = read<std::string>(p, "metric"),
                                 .cv_spearman = read_number(p, "cv_spearman"),
                                 .cv_mae = read_number(p, "cv_mae"),
                                 .coverage90 = read_number(p, "coverage90"),
                                 .chosen = read(p, "chosen", false)});
  }
  for (const Json& m : member(json, "models")) {
    result.models.push_back(
        {.name = read<std::string>(m, "name"),
         .kind = read<std::string>(m, "kind"),
         .trained_by = read(m, "trained_by", std::string()),
         .tokens = read<int64_t>(m, "tokens"),
         .asked_shares = read_numbers(member(m, "asked_shares"), names.datasets),
         .tokens_by_dataset = read_counts(member(m, "tokens_by_dataset"), names.datasets),
         .epochs_by_dataset = read_numbers(member(m, "epochs_by_dataset"), names.datasets),
         .final_loss = read_number(m, "final_loss"),
         .drift = read_number(m, "drift"),
         .seconds = read_number(m, "seconds")});
  }
  result.seed = read<uint64_t>(json, "seed");
  result.device = read<std::string>(json, "device");
  result.command = read<std::string>(json, "command");
  result.config_yaml = read<std::string>(json, "config_yaml");
  for (const auto& [name, version] : member(json, "versions").items()) {
    result.versions.emplace_back(name, version.get<std::string>());
  }
}

}  // namespace

Json result_to_json(const RunResult& result) {
  const Names names(result);
  Json json = {{"version", 1},
               {"config_sha256", sha256(result.config_yaml)},
               {"name", result.name},
               {"unfinished", result.unfinished},
               {"mixture", named(names.datasets, result.mixture)},
               {"merge_weights", named(names.datasets, result.merge_weights)},
               {"predicted", predicted_to_json(result)},
               {"target_tokens", number(result.target_tokens)},
               {"own_data", own_data_to_json(result.own_data, names)},
               {"fidelity", fidelity_to_json(result, names)},
               {"baselines",
                {{"uniform", mixture_to_json(result.uniform, names)},
                 {"natural", mixture_to_json(result.natural, names)},
                 {"found", mixture_to_json(result.found, names)},
                 {"searched",
                  result.searched.name.empty() ? Json() : mixture_to_json(result.searched, names)},
                 {"flattened", mixture_to_json(result.flattened, names)},
                 {"current", mixture_to_json(result.current, names)}}},
               {"tolerance", named(names.datasets, result.tolerance, tolerance_to_json)},
               {"front", front_to_json(result, names)},
               {"search", search_end_to_json(result.search_end)},
               {"cost",
                {{"tokens_trained", result.cost.tokens_trained},
                 {"proxies", result.cost.proxies},
                 {"items_scored", result.cost.items_scored},
                 {"seconds", seconds_to_json(result.cost)}}},
               {"verdicts", verdicts_to_json(result)},
               {"warnings", result.warnings},
               {"datasets", Json::array()},
               {"domains", Json::array()},
               {"tasks", Json::array()},
               {"overlaps", Json::array()},
               {"shared_documents", Json::array()}};
  for (const DatasetFacts& d : result.datasets) {
    json["datasets"].push_back({{"name", d.name},
                                {"domain", d.domain},
                                {"path", d.path},
                                {"documents", d.documents},
                                {"duplicates_removed", d.duplicates_removed},
                                {"train_tokens", d.train_tokens},
                                {"heldout_tokens", d.heldout_tokens},
                                {"available_tokens", d.available_tokens},
                                {"bytes", d.bytes}});
  }
  for (const DomainFacts& d : result.domains) {
    json["domains"].push_back({{"name", d.name}, {"unit", d.unit}});
  }
  for (const TaskFacts& t : result.tasks) {
    json["tasks"].push_back({{"name", t.name},
                             {"domain", t.domain},
                             {"metric", t.metric},
                             {"higher_is_better", t.higher_is_better},
                             {"chance", number(t.chance)},
                             {"items", t.items}});
  }
  for (const OverlapFacts& o : result.overlaps) {
    json["overlaps"].push_back({{"task", o.task},
                                {"items", o.items},
                                {"judged", o.judged},
                                {"seen", named(names.datasets, o.seen)}});
  }
  for (const SharedFacts& s : result.shared)
    json["shared_documents"].push_back({{"a", s.a}, {"b", s.b}, {"documents", s.documents}});
  return json;
}

Json details_to_json(const RunResult& result) {
  const Names names(result);
  Json json = {{"version", 1},
               {"references", Json::array()},
               {"objective", result.objective},
               {"proxies", result.proxies},
               {"search", Json::array()},
               {"predictors", Json::array()},
               {"models", Json::array()},
               {"seed", result.seed},
               {"device", result.device},
               {"command", result.command},
               {"config_yaml", result.config_yaml},
               {"versions", Json::object()}};
  for (const MixtureFacts& r : result.references) {
    Json reference = {{"name", r.name}};
    reference.update(mixture_to_json(r, names));
    json["references"].push_back(std::move(reference));
  }
  for (const SearchedProxy& p : result.search) {
    json["search"].push_back({{"round", p.round},
                              {"mixture", named(names.datasets, p.mixture)},
                              {"merge_weights", named(names.datasets, p.merge_weights)},
                              {"domains", scores_to_json(names.domains, p.domains)},
                              {"objective", number(p.objective)},
                              {"predicted_objective", number(p.predicted_objective)}});
  }
  for (const PredictorFit& p : result.predictors) {
    json["predictors"].push_back({{"name", p.name},
                                  {"metric", p.metric},
                                  {"cv_spearman", number(p.cv_spearman)},
                                  {"cv_mae", number(p.cv_mae)},
                                  {"coverage90", number(p.coverage90)},
                                  {"chosen", p.chosen}});
  }
  for (const TrainedModel& m : result.models) {
    json["models"].push_back({{"name", m.name},
                              {"kind", m.kind},
                              {"trained_by", m.trained_by},
                              {"tokens", m.tokens},
                              {"asked_shares", named(names.datasets, m.asked_shares)},
                              {"tokens_by_dataset", named(names.datasets, m.tokens_by_dataset)},
                              {"epochs_by_dataset", named(names.datasets, m.epochs_by_dataset)},
                              {"final_loss", number(m.final_loss)},
                              {"drift", number(m.drift)},
                              {"seconds", number(m.seconds)}});
  }
  for (const auto& [name, version] : result.versions) json["versions"][name] = version;
  return json;
}

RunResult result_from_json(const Json& result_json, const Json& details_json) {
  RunResult result;
  const char* file = "result.json";
  check_keys(
      result_json,
      {"version", "datasets", "domains", "tasks", "mixture", "fidelity", "baselines", "cost"},
      "result.json");
  check_keys(details_json,
             {"version", "references", "search", "models", "seed", "config_yaml"},
             "details.json");
  try {
    if (const int64_t version = read<int64_t>(result_json, "version"); version != 1) {
      throw Error("result.json has version {}; this program reads version 1", version);
    }
    read_facts(result_json, result);
    read_outcome(result_json, result);
    file = "details.json";
    read_details(details_json, result);
    // Older results have no hash.
    const std::string hash = sha256(result.config_yaml);
    if (read(result_json, "config_sha256", hash) != hash ||
        result.fidelity.references > static_cast<int64_t>(result.references.size()))
      throw Error(
          "result.json and details.json are of different runs: expected those of one; copy both "
          "again from the run's folder, or run it again, which writes them anew");
  } catch (const Json::exception& error) {
    throw Error(
        "{} is not what demix writes: {}; was it edited? Running the run again writes it anew",
        file,
        error.what());
  }
  return result;
}

}  // namespace demix
