#include "demix/merge/merge_to_disk.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/progress.h"
#include "demix/merge/checkpoint_writer.h"
#include "demix/merge/merge_record.h"
#include "demix/merge/merged_folder_files.h"
#include "demix/merge/output_folder.h"
#include "demix/merge/streamed_merge.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// Models trained from one base drift by up to about a tenth; unrelated ones have 0.7.
constexpr double kAbsurdDrift = 0.5;

// The reference first. Without a base, the first model is the reference.
std::vector<ModelFolder> open_inputs(const MergeJob& job) {
  std::vector<ModelFolder> inputs;
  if (job.base) inputs.push_back(ModelFolder::open("base", *job.base));
  for (const MergeSource& model : job.models) {
    inputs.push_back(
        ModelFolder::open(fmt::format("component '{}'", printable(model.name)), model.folder));
    if (inputs.size() > 1) check_same_family(inputs[0], inputs.back());
  }
  if (!inputs[0].config)
    throw Error("{}: {} holds no config.json; expected a Hugging Face model folder",
                inputs[0].label,
                inputs[0].path().string());
  return inputs;
}

MergePlan plan_of(const std::vector<ModelFolder>& inputs, std::optional<NumberFormat> format) {
  std::vector<const ModelFolder*> pointers;
  for (const ModelFolder& input : inputs) pointers.push_back(&input);
  return plan_merge(pointers, format);
}

std::vector<std::string> names_of(const MergePlan& plan) {
  std::vector<std::string> names;
  for (const PlannedTensor& tensor : plan.tensors) names.push_back(tensor.name);
  return names;
}

// The models' parameters that are required; those of all models are checked with the others.
void refuse_missing(const MergeJob& job, const MergeParameters& parameters) {
  const MergeParameter* missing = job.parameters.method().find_parameter(parameters.missing());
  if (!missing || missing->scope != MergeParameter::Scope::kModel) return;
  for (size_t k = 0; k < job.models.size(); ++k)
    if (std::isnan(parameters.of_models(missing->name)[k]))
      throw Error("component '{}' has no '{}', which merge method {} needs for every model: the {}",
                  printable(job.models[k].name),
                  missing->name,
                  job.parameters.method().name,
                  missing->meaning);
}

// Checks the parameters of every tensor, and returns each model's least and largest factor.
std::vector<std::optional<std::pair<double, double>>> check_parameters(
    const MergeJob& job, const MergePlan& plan, std::span<const double> depths) {
  const MergeMethod& method = job.parameters.method();
  std::vector<std::optional<std::pair<double, double>>> weights(job.models.size());
  const bool passes_base = job.base && method.base != BaseUse::kNone;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const MergeParameters parameters = job.parameters.at(plan.tensors[i].name, depths[i]);
    try {
      refuse_missing(job, parameters);
      check_merge(method, parameters, passes_base);
    } catch (const Error& error) {
      if (job.parameters.constant()) throw;
      throw Error("tensor '{}': {}", printable(plan.tensors[i].name), error.what());
    }
    if (method.effective_weights) {
      const std::vector<double> factors = method.effective_weights(parameters);
      for (size_t k = 0; k < factors.size(); ++k) {
        auto& range = weights[k];
        if (!range) range.emplace(factors[k], factors[k]);
        range->first = std::min(range->first, factors[k]);
        range->second = std::max(range->second, factors[k]);
      }
    }
    if (job.parameters.constant()) break;
  }
  return weights;
}

uint64_t memory_for(const MergeJob& job, const StreamedMerge& merge) {
  const uint64_t least = least_memory(merge);
  if (job.memory_bytes && *job.memory_bytes < least)
    throw Error(
        "--memory: {} bytes are too few; with {} models, {} needs {} for the largest tensor of "
        "this "
        "architecture",
        *job.memory_bytes,
        merge.inputs.size(),
        merge.parameters.method().name,
        least);
  if (job.memory_bytes) return *job.memory_bytes;
  int64_t largest = 0;
  for (const PlannedTensor& tensor : merge.plan.tensors) largest = std::max(largest, tensor.count);
  constexpr uint64_t kBeside = 128 << 20;
  return std::max(
      least, (merge.inputs.size() + 1) * static_cast<uint64_t>(largest) * sizeof(float) + kBeside);
}

MergedInput input_of(const std::string& name, const ModelFolder& folder, std::string content) {
  MergedInput input;
  input.name = name;
  input.folder = folder.path();
  input.content = std::move(content);
  return input;
}

MergeReport report_of(const MergeJob& job,
                      const std::vector<ModelFolder>& inputs,
                      const MergePlan& plan,
                      const StreamedResult& result) {
  const UpdateStatistics& statistics = result.statistics;
  MergeReport report;
  report.has_base = job.base.has_value();
  report.reference =
      input_of(job.base ? "base" : job.models[0].name, inputs[0], result.contents[0]);
  report.reference.norm = statistics.base_norm();
  const size_t first = job.base ? 1 : 0;
  for (size_t k = 0; k < job.models.size(); ++k) {
    const size_t i = first + k;
    MergedInput& model =
        report.models.emplace_back(input_of(job.models[k].name, inputs[i], result.contents[i]));
    model.norm = i == 0 ? statistics.base_norm() : statistics.model_norm(i - 1);
    if (i == 0) continue;
    model.distance = statistics.distance(i - 1);
    model.drift = statistics.drift(i - 1);
  }
  if (statistics.with_cosines()) {
    // Row and column of a model that is the reference itself are zero.
    report.cosines.assign(job.models.size(), std::vector<double>(job.models.size(), 0));
    for (size_t a = 1; a < inputs.size(); ++a)
      for (size_t b = 1; b < inputs.size(); ++b)
        report.cosines[a - first][b - first] = statistics.cosine(a - 1, b - 1);
  }
  for (const PlannedTensor& tensor : plan.tensors) {
    ++(tensor.merged ? report.merged_tensors : report.copied_tensors);
    report.parameters += tensor.count;
  }
  report.dropped = plan.dropped;
  return report;
}

void check_drift(const MergeJob& job, const MergeReport& report) {
  for (const MergedInput& model : report.models) {
    if (model.drift > job.most_drift)
      throw Error(
          "component '{}': its drift from {} is {:.3f}, more than the {} that --max-drift allows",
          printable(model.name),
          report.reference.name,
          model.drift,
          job.most_drift);
    if (model.drift > kAbsurdDrift)
      warn(fmt::format(
          "component '{}' DOES NOT COME FROM {} {}: its drift is {:.3f}, where models trained from "
          "it stay below about 0.15 and unrelated ones have 0.7. A merge of unrelated models is "
          "noise; --max-drift 0.5 would refuse it",
          printable(model.name),
          report.has_base ? "the base" : "the same base as",
          report.reference.folder.string(),
          model.drift));
  }
}

void write_other_files(const MergeJob& job, const ModelFolder& reference, const fs::path& to) {
  const Json config =
      job.format ? config_with_dtype(*reference.config, *job.format) : *reference.config;
  write_file(to / "config.json", config.dump(2) + "\n", job.sync);
  copy_model_files(reference.path(), to, job.sync);
  if (!job.copy_tokenizer) return;
  const fs::path& source = job.tokenizer.empty() ? reference.path() : job.tokenizer;
  if (!copy_tokenizer_files(source, to, job.chat_template, job.sync))
    warn(fmt::format("{}: holds no tokenizer, so the result has none; --tokenizer DIR copies one",
                     source.string()));
}

}  // namespace

MergeReport merge_to_disk(const MergeJob& job) {
  DEMIX_CHECK(!job.models.empty() && job.parameters.models() == job.models.size());
  check_output_is_free(job.out);
  const std::vector<ModelFolder> inputs = open_inputs(job);
  if (job.copy_tokenizer && !job.tokenizer.empty()) check_tokenizer(inputs[0], job.tokenizer);
  const MergePlan plan = plan_of(inputs, job.format);
  const std::vector<double> depths = layer_depths(names_of(plan));
  const auto weights = check_parameters(job, plan, depths);

  StreamedMerge merge{.inputs = inputs,
                      .reference_is_base = job.base.has_value(),
                      .plan = plan,
                      .parameters = job.parameters,
                      .depths = depths,
                      .seed = job.seed};
  merge.threads = job.threads > 0
                      ? job.threads
                      : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  merge.memory_bytes = memory_for(job, merge);
  merge.stop = job.stop;

  OutputFolder output(job.out, job.sync);
  std::vector<TensorEntry> entries;
  for (const PlannedTensor& tensor : plan.tensors)
    entries.push_back({tensor.name,
                       tensor.dtype,
                       tensor.shape,
                       0,
                       static_cast<uint64_t>(tensor.count * dtype_bytes(tensor.dtype))});
  CheckpointWriter writer(output.partial(), entries, job.max_shard_bytes, job.sync);
  const StreamedResult result = stream_merge(merge, writer);
  writer.finish();
  for (const ModelFolder& input : inputs) input.checkpoint.check_unchanged();

  MergeReport report = report_of(job, inputs, plan, result);
  for (size_t k = 0; k < weights.size(); ++k) report.models[k].weight = weights[k];
  check_drift(job, report);
  write_other_files(job, inputs[0], output.partial());
  report.warnings = warnings();
  write_file(output.partial() / kMergeRecord, merge_record(job, report).dump(2) + "\n", job.sync);
  output.commit();
  return report;
}

}  // namespace demix
