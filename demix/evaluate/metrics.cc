#include "demix/evaluate/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>
#include <numeric>

#include "demix/core/error.h"
#include "demix/evaluate/pass_at_k.h"

namespace demix {
namespace {

struct Metric {
  std::string_view name;
  bool higher_is_better;
  bool needs_choices = false;
  bool needs_generation = false;
  bool needs_texts = false;
};

constexpr std::array<Metric, 14> kMetrics{{{"acc", true, false},
                                           {"acc_norm", true, true},
                                           {"acc_bytes", true, true},
                                           {"acc_tokens", true, true},
                                           {"choice_prob", true, true},
                                           {"choice_prob_norm", true, true},
                                           {"bpb", false},
                                           {"perplexity", false},
                                           {"word_perplexity", false, false, false, true},
                                           {"byte_perplexity", false, false, false, true},
                                           {"bits_per_byte", false, false, false, true},
                                           {"exact_match", true, false, true},
                                           {"exact_match_flexible", true, false, true},
                                           {"pass@1", true, false, true}}};

const Metric* look_up(const std::string& name) {
  // "exact_match,FILTER" is of a named filter.
  const bool is_filtered = name.starts_with("exact_match,") && !name.ends_with(',');
  const std::string_view listed = is_filtered    ? "exact_match"
                                  : pass_k(name) ? "pass@1"
                                                 : std::string_view(name);
  for (const Metric& metric : kMetrics)
    if (metric.name == listed) return &metric;
  return nullptr;
}

const Metric& find_metric(const std::string& name) {
  if (const Metric* metric = look_up(name)) return *metric;
  const auto names = known_metrics();
  throw Error("unknown metric '{}'; known are {}", name, fmt::join(names, ", "));
}

// Whether the gold choice has the largest score; the first of equal ones is the model's choice.
double is_right(std::span<const double> scores, int gold) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin() == gold ? 1 : 0;
}

double softmax_of_gold(std::span<const double> scores, int gold) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double score : scores) sum += std::exp(score - largest);
  return std::exp(scores[gold] - largest) / sum;
}

std::vector<double> per_unit(std::span<const double> loglikelihoods,
                             std::span<const int64_t> lengths) {
  std::vector<double> result(loglikelihoods.size());
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = loglikelihoods[i] / static_cast<double>(lengths[i]);
  return result;
}

double choice_value(std::string_view metric, const Item& item, const ItemScore& score) {
  const auto& lls = score.loglikelihoods;
  if (metric == "acc") return is_right(lls, item.gold);
  if (metric == "acc_norm") return is_right(per_unit(lls, item.chars), item.gold);
  if (metric == "acc_bytes") return is_right(per_unit(lls, item.bytes), item.gold);
  if (metric == "acc_tokens") return is_right(per_unit(lls, score.tokens), item.gold);
  if (metric == "choice_prob") return softmax_of_gold(lls, item.gold);
  if (metric == "choice_prob_norm") return softmax_of_gold(per_unit(lls, item.bytes), item.gold);
  DEMIX_CHECK(false);
}

// Standard error of Σ residuals / n, over ȳ; the residuals of a ratio or a difference sum to zero.
double error_of(std::span<const double> residuals, double mean_y) {
  const auto n = static_cast<double>(residuals.size());
  if (n < 2) return std::numeric_limits<double>::quiet_NaN();
  double squares = 0;
  for (double residual : residuals) squares += residual * residual;
  return std::sqrt(squares / (n * (n - 1))) / mean_y;
}

double sum_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace

bool higher_is_better(const std::string& metric) { return find_metric(metric).higher_is_better; }

bool needs_choices(const std::string& metric) { return find_metric(metric).needs_choices; }

bool needs_texts(const std::string& metric) { return find_metric(metric).needs_texts; }

bool needs_generation(const std::string& metric) { return find_metric(metric).needs_generation; }

std::optional<int64_t> pass_k(std::string_view metric) {
  constexpr std::string_view kPrefix = "pass@";
  if (!metric.starts_with(kPrefix)) return std::nullopt;
  metric.remove_prefix(kPrefix.size());
  int64_t k = 0;
  const auto [end, error] = std::from_chars(metric.data(), metric.data() + metric.size(), k);
  const bool is_number = error == std::errc() && end == metric.data() + metric.size();
  return is_number && k > 0 && metric[0] != '0' ? std::optional(k) : std::nullopt;
}

bool is_metric(const std::string& name) { return look_up(name) != nullptr; }

std::vector<std::string> known_metrics() {
  std::vector<std::string> names;
  for (const Metric& metric : kMetrics)
    if (!metric.needs_texts) names.emplace_back(metric.name);
  return names;
}

namespace {

// An item's share of right answers, or the chance that k of them hold a right one.
double answers_value(const std::string& metric, const std::vector<JudgedAnswer>& answers) {
  DEMIX_CHECK(!answers.empty());
  const auto n = static_cast<int64_t>(answers.size());
  if (const auto k = pass_k(metric)) {
    const auto right =
        std::count_if(answers.begin(), answers.end(), [](const JudgedAnswer& answer) {
          return answer.judgement.right;
        });
    return pass_at_k(n, right, *k);
  }
  double sum = 0;
  for (const JudgedAnswer& answer : answers) sum += answer.judgement.metrics.at(metric);
  return sum / static_cast<double>(n);
}

bool is_in_bits(std::string_view metric) { return metric == "bpb" || metric == "bits_per_byte"; }

// What an item's log-likelihood is divided by.
double units_of(const Item& item, std::string_view metric) {
  if (metric == "word_perplexity") return static_cast<double>(item.words);
  if (is_in_bits(metric) || metric == "byte_perplexity")
    return static_cast<double>(item.bytes[static_cast<size_t>(item.gold)]);
  return 1;
}

// Σ x / Σ y of what behaves like it for small changes: each x is the value and what the item adds.
ItemTerms linearised(double value, std::span<const double> additions) {
  ItemTerms terms;
  for (double addition : additions) terms.x.push_back(value + addition);
  terms.y.assign(terms.x.size(), 1);
  return terms;
}

ItemTerms terms_of_items(std::span<const Item> items,
                         const std::string& metric,
                         std::span<const ItemScore> scores) {
  ItemTerms terms;
  if (needs_generation(metric)) {
    for (const ItemScore& score : scores) terms.x.push_back(answers_value(metric, score.answers));
    terms.y.assign(scores.size(), 1);
    return terms;
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    const Item& item = items[i];
    const double loglikelihood = scores[i].loglikelihoods[static_cast<size_t>(item.gold)];
    if (metric == "acc" && item.continuations.size() == 1) {
      terms.x.push_back(scores[i].greedy ? 1 : 0);
    } else if (metric == "acc" || needs_choices(metric)) {
      terms.x.push_back(choice_value(metric, item, scores[i]));
    } else {
      terms.x.push_back(is_in_bits(metric) ? -loglikelihood / std::numbers::ln2 : -loglikelihood);
    }
    terms.y.push_back(units_of(item, metric));
  }
  if (!metric.ends_with("perplexity")) return terms;
  const double units = sum_of(terms.y), mean = sum_of(terms.x) / units;
  const double perplexity = std::exp(mean);
  const double per_item = units / static_cast<double>(terms.x.size());
  for (size_t i = 0; i < terms.x.size(); ++i)
    terms.x[i] = perplexity * (terms.x[i] - mean * terms.y[i]) / per_item;
  return linearised(perplexity, terms.x);
}

// Calls work(items, scores) for each member of a group.
template <typename Work>
void for_each_member(const Task& task, std::span<const ItemScore> scores, const Work& work) {
  size_t begin = 0;
  for (const Task::Member& member : task.members) {
    const auto count = static_cast<size_t>(member.items);
    work(std::span(task.items).subspan(begin, count), scores.subspan(begin, count));
    begin += count;
  }
  DEMIX_CHECK(begin == task.items.size());
}

// Standard error of a group's value when each member's items were drawn from that member.
double error_within_members(const Task& task,
                            const std::string& metric,
                            std::span<const ItemScore> scores) {
  const auto members = static_cast<double>(task.members.size());
  if (task.members_count_equally) {
    double squares = 0;
    for_each_member(task, scores, [&](auto items, auto of_items) {
      const double error = metric_value(terms_of_items(items, metric, of_items)).stderr_;
      squares += error * error;
    });
    return std::sqrt(squares) / members;
  }
  const ItemTerms terms = item_terms(task, metric, scores);
  const double y = sum_of(terms.y), ratio = sum_of(terms.x) / y;
  double squares = 0;
  size_t begin = 0;
  for (const Task::Member& member : task.members) {
    const auto end = begin + static_cast<size_t>(member.items);
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += terms.x[i] - ratio * terms.y[i];
    const double mean = sum / static_cast<double>(member.items);
    for (size_t i = begin; i < end; ++i) {
      const double residual = terms.x[i] - ratio * terms.y[i] - mean;
      squares += residual * residual;
    }
    begin = end;
  }
  const auto n = static_cast<double>(terms.x.size());
  if (n <= members) return std::numeric_limits<double>::quiet_NaN();
  return std::sqrt(squares / (n - members) / n) / (y / n);
}

}  // namespace

ItemTerms item_terms(const Task& task,
                     const std::string& metric,
                     std::span<const ItemScore> scores) {
  DEMIX_CHECK(scores.size() == task.items.size());
  if (!task.members_count_equally) return terms_of_items(task.items, metric, scores);
  ItemTerms all;
  for_each_member(task, scores, [&](auto items, auto of_items) {
    const ItemTerms terms = terms_of_items(items, metric, of_items);
    const auto n = static_cast<double>(items.size());
    const double y = sum_of(terms.y), value = sum_of(terms.x) / y;
    const double weight =
        static_cast<double>(task.items.size()) / (static_cast<double>(task.members.size()) * n);
    for (size_t i = 0; i < items.size(); ++i) {
      all.x.push_back(weight * (value + (terms.x[i] - value * terms.y[i]) * n / y));
      all.y.push_back(1);
    }
  });
  return all;
}

MetricValue metric_value(const ItemTerms& terms) {
  const size_t n = terms.x.size();
  DEMIX_CHECK(n > 0 && terms.y.size() == n);
  const double y = sum_of(terms.y), ratio = sum_of(terms.x) / y;
  std::vector<double> residuals;
  for (size_t i = 0; i < n; ++i) residuals.push_back(terms.x[i] - ratio * terms.y[i]);
  return {ratio, error_of(residuals, y / static_cast<double>(n)), static_cast<int64_t>(n)};
}

MetricValue paired_difference(const ItemTerms& a, const ItemTerms& b) {
  const size_t n = a.x.size();
  if (n == 0 || a.y != b.y)
    throw Error("scores of different items ({} and {}) cannot be paired", n, b.x.size());
  const double y = sum_of(a.y), ratio_a = sum_of(a.x) / y, ratio_b = sum_of(b.x) / y;
  std::vector<double> residuals;
  for (size_t i = 0; i < n; ++i)
    residuals.push_back((b.x[i] - ratio_b * b.y[i]) - (a.x[i] - ratio_a * a.y[i]));
  return {
      ratio_b - ratio_a, error_of(residuals, y / static_cast<double>(n)), static_cast<int64_t>(n)};
}

bool is_of_mixtures(const Task& task, const std::string& metric) {
  const bool chooses = !task.items.empty() && task.items[0].continuations.size() > 1;
  return !needs_generation(metric) && (metric != "acc" || chooses);
}

std::map<std::string, MetricValue> task_metrics(const Task& task,
                                                std::span<const ItemScore> scores) {
  return task_metrics(task, task.metrics, scores);
}

std::map<std::string, MetricValue> task_metrics(const Task& task,
                                                std::span<const std::string> names,
                                                std::span<const ItemScore> scores) {
  DEMIX_CHECK(scores.size() == task.items.size());
  for (const ItemScore& score : scores)
    for (double loglikelihood : score.loglikelihoods)
      if (!std::isfinite(loglikelihood))
        throw Error(
            "task {}, item {}: a log-likelihood is {}; the model's weights give no finite logits "
            "here",
            task.name,
            score.id,
            loglikelihood);
  std::map<std::string, MetricValue> metrics;
  for (const std::string& name : names) {
    metrics[name] = metric_value(item_terms(task, name, scores));
    if (!task.members.empty()) metrics[name].stderr_ = error_within_members(task, name, scores);
  }
  return metrics;
}

std::map<std::string, std::map<std::string, MetricValue>> member_metrics(
    const Task& task, std::span<const ItemScore> scores) {
  DEMIX_CHECK(scores.size() == task.items.size());
  std::map<std::string, std::map<std::string, MetricValue>> metrics;
  if (task.members.empty()) return metrics;
  auto member = task.members.begin();
  for_each_member(task, scores, [&](auto items, auto of_items) {
    for (const std::string& name : task.metrics)
      metrics[member->name][name] = metric_value(terms_of_items(items, name, of_items));
    ++member;
  });
  return metrics;
}

double chance_level(const Task& task) {
  double sum = 0;
  for (const Item& item : task.items)
    if (item.continuations.size() > 1) sum += 1 / static_cast<double>(item.continuations.size());
  return task.items.empty() ? 0 : sum / static_cast<double>(task.items.size());
}

bool at_chance(const Task& task, const MetricValue& accuracy) {
  double variance = 0;
  for (const Item& item : task.items) {
    const double chance = 1 / static_cast<double>(item.continuations.size());
    variance += chance * (1 - chance);
  }
  if (variance == 0) return false;
  const double error = std::sqrt(variance) / static_cast<double>(task.items.size());
  return accuracy.value <= chance_level(task) + 2 * error;
}

void to_json(Json& json, const Scores& scores) {
  const auto number = [](double value) {
    return std::isfinite(value) ? Json(value) : Json(nullptr);
  };
  json = Json::object();
  for (const auto& [task, metrics] : scores.tasks) {
    Json& fields = json[task] = Json::object();
    for (const auto& [metric, value] : metrics) {
      fields["n"] = value.n;
      fields[metric] = number(value.value);
      fields[metric + "_stderr"] = number(value.stderr_);
    }
  }
}

void from_json(const Json& json, Scores& scores) {
  const auto number = [](const Json& value) {
    return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
  };
  scores.tasks.clear();
  for (const auto& [task, fields] : json.items()) {
    auto& metrics = scores.tasks[task];
    for (const auto& [key, value] : fields.items())
      if (fields.contains(key + "_stderr"))
        metrics[key] = {
            number(value), number(fields.at(key + "_stderr")), fields.at("n").get<int64_t>()};
  }
}

void to_json(Json& json, const ItemTerms& terms) { json = {{"x", terms.x}, {"y", terms.y}}; }

void from_json(const Json& json, ItemTerms& terms) {
  json.at("x").get_to(terms.x);
  json.at("y").get_to(terms.y);
}

}  // namespace demix
