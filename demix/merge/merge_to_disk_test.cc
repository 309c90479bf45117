#include "demix/merge/merge_to_disk.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/progress.h"
#include "demix/merge/merge_record.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_checkpoint.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// A base and components a and b, and a job that merges them with weights 0.25 and 0.75.
class MergeToDisk : public testing::Test {
 protected:
  MergeToDisk() {
    write_tiny_model(folder_ / "base", tiny_base());
    write_tiny_model(folder_ / "a", tiny_component(1));
    write_tiny_model(folder_ / "b", tiny_component(2));
    parameters_.set("weight", 0, ParameterSetting::of("0.25", ""));
    parameters_.set("weight", 1, ParameterSetting::of("0.75", ""));
  }

  fs::path path(const char* name) const { return folder_ / name; }
  MergeJob job() const {
    return {.parameters = parameters_,
            .models = {{"a", path("a")}, {"b", path("b")}},
            .base = path("base"),
            .out = path("out")};
  }
  // Merges, expects an Error that holds every one of `parts`, and nothing left behind.
  void expect_refused(const MergeJob& job, const std::vector<std::string>& parts) {
    try {
      merge_to_disk(job);
      ADD_FAILURE() << "accepted; expected: " << parts[0];
    } catch (const std::exception& error) {
      const std::string message = error_chain(error);
      for (const std::string& part : parts)
        EXPECT_NE(message.find(part), std::string::npos) << part << "\n" << message;
    }
    EXPECT_FALSE(fs::exists(path("out")));
    EXPECT_FALSE(fs::exists(path("out.demix-partial")));
  }
  // Changes component b and expects a refusal.
  void expect_model_refused(const TinyModel& model, const std::vector<std::string>& parts) {
    write_tiny_model(path("b"), model);
    expect_refused(job(), parts);
  }
  static bool warned(std::string_view part) {
    for (const std::string& warning : warnings())
      if (warning.find(part) != warning.npos) return true;
    return false;
  }
  // The two models' weighted mean.
  static TinyModel mean() {
    TinyModel result = tiny_component(1);
    const TinyModel b = tiny_component(2);
    for (auto& [name, tensor] : result)
      for (size_t i = 0; i < tensor.values.size(); ++i)
        tensor.values[i] = 0.25f * tensor.values[i] + 0.75f * b.at(name).values[i];
    return result;
  }

  TemporaryFolder folder_;
  ParameterPlan parameters_{find_merge_method("linear"), 2};
};

TEST_F(MergeToDisk, EveryTensorIsMergedAndTheRecordSaysHow) {
  write_file(path("base") / "tokenizer.json", "{}", false);
  write_file(path("base") / "generation_config.json", "{\"x\":1}", false);
  write_file(path("base") / "modeling_tiny.py", "pass", false);
  const MergeReport report = merge_to_disk(job());
  const TinyModel merged = read_tiny_model(path("out"));
  ASSERT_EQ(merged.size(), tiny_base().size());
  for (const auto& [name, tensor] : mean()) {
    ASSERT_EQ(merged.at(name).shape, tensor.shape);
    for (size_t i = 0; i < tensor.values.size(); ++i)
      ASSERT_NEAR(merged.at(name).values[i], tensor.values[i], 1e-6) << name;
  }
  EXPECT_EQ(read_file(path("out") / "tokenizer.json"), "{}");
  EXPECT_EQ(read_file(path("out") / "generation_config.json"), "{\"x\":1}");
  EXPECT_TRUE(fs::exists(path("out") / "modeling_tiny.py"));
  EXPECT_FALSE(fs::exists(path("out.demix-partial")));

  EXPECT_EQ(report.merged_tensors, 6);
  EXPECT_EQ(report.models[1].weight->first, 0.75);
  EXPECT_NEAR(report.models[0].drift, 0.025, 0.005);
  EXPECT_NEAR(report.cosines[0][0], 1, 1e-6);
  EXPECT_LT(std::abs(report.cosines[0][1]), 0.3);
  const Json record = Json::parse(read_file(path("out") / kMergeRecord));
  EXPECT_EQ(record["method"], "linear");
  EXPECT_EQ(record["models"][1]["name"], "b");
  EXPECT_EQ(record["models"][1]["effective_weight"], 0.75);
  EXPECT_EQ(record["models"][1]["content"], report.models[1].content);
  EXPECT_EQ(record["cosines"][0].size(), 2u);
}

TEST_F(MergeToDisk, ThreadsMemoryAndShardsDoNotChangeTheResult) {
  TinyModel base, a, b;
  // Larger than what is read, merged and written at once, whole or by pieces.
  for (const char* name : {"x.0.w", "x.1.w"}) {
    base[name] = tiny_tensor({700, 1001}, Rng(1).stream(name));
    a[name] = tiny_tensor({700, 1001}, Rng(2).stream(name));
    b[name] = tiny_tensor({700, 1001}, Rng(3).stream(name));
  }
  base["y"] = tiny_tensor({5}, Rng(4));
  a["y"] = tiny_tensor({5}, Rng(5));
  b["y"] = tiny_tensor({5}, Rng(6));
  for (const auto& [name, model] : {std::pair("base", base), {"a", a}, {"b", b}})
    write_tiny_model(path(name), model);
  for (const char* method : {"linear", "ties", "dare_linear"}) {
    ParameterPlan parameters(find_merge_method(method), 2);
    parameters.set("weight", ParameterSetting::of("0.5", ""));
    if (find_merge_method(method).find_parameter("density"))
      parameters.set("density", ParameterSetting::of("0.6", ""));
    TinyModel first;
    MergeReport first_report;
    for (int variant = 0; variant < 4; ++variant) {
      fs::remove_all(path("out"));
      MergeJob varied{.parameters = parameters,
                      .models = {{"a", path("a")}, {"b", path("b")}},
                      .base = path("base"),
                      .out = path("out")};
      varied.threads = variant + 1;
      if (variant == 2) varied.max_shard_bytes = 3'000'000;
      if (variant == 3) varied.memory_bytes = 100'000'000;  // of ties, one tensor at a time
      const MergeReport report = merge_to_disk(varied);
      const TinyModel merged = read_tiny_model(path("out"));
      if (variant == 0) {
        first = merged;
        first_report = report;
        continue;
      }
      EXPECT_EQ(fs::exists(path("out") / kIndexFile), variant == 2);
      for (const auto& [name, tensor] : first)
        ASSERT_EQ(merged.at(name).values, tensor.values) << method << " " << variant;
      for (size_t k = 0; k < 2; ++k) {
        EXPECT_EQ(report.models[k].drift, first_report.models[k].drift);
        EXPECT_EQ(report.models[k].content, first_report.models[k].content);
      }
    }
  }
}

TEST_F(MergeToDisk, ContentHashesTellNumbersApartAndNotFiles) {
  const MergeReport before = merge_to_disk(job());
  const TinyModel a = tiny_component(1);
  TinyModel first = a, second;
  second["scale"] = a.at("scale");
  first.erase("scale");
  fs::remove(path("a") / kSingleFile);
  write_tiny_file(path("a") / "1.safetensors", first);
  write_tiny_file(path("a") / "2.safetensors", second);
  Json index;
  for (const auto& [name, tensor] : a)
    index["weight_map"][name] = name == "scale" ? "2.safetensors" : "1.safetensors";
  write_file(path("a") / kIndexFile, index.dump(), false);
  fs::remove_all(path("out"));
  const MergeReport sharded = merge_to_disk(job());
  EXPECT_EQ(sharded.models[0].content, before.models[0].content);
  EXPECT_NE(sharded.models[1].content, before.models[0].content);

  second["scale"].values[0] += 1;
  write_tiny_file(path("a") / "2.safetensors", second);
  fs::remove_all(path("out"));
  EXPECT_NE(merge_to_disk(job()).models[0].content, before.models[0].content);
}

TEST_F(MergeToDisk, TheResultIsRoundedOnceToItsFormat) {
  write_file(path("base") / "config.json",
             R"({"torch_dtype":"float32","text_config":{"dtype":"float32"},"n":1})",
             false);
  for (const NumberFormat format : {NumberFormat::kBfloat16, NumberFormat::kFloat16}) {
    fs::remove_all(path("out"));
    MergeJob rounded = job();
    rounded.format = format;
    merge_to_disk(rounded);
    const TinyModel merged = read_tiny_model(path("out"));
    for (const auto& [name, tensor] : mean()) {
      ASSERT_EQ(merged.at(name).dtype, dtype_of(format));
      const float unit = format == NumberFormat::kBfloat16 ? 0x1p-8f : 0x1p-11f;
      for (size_t i = 0; i < tensor.values.size(); ++i)
        ASSERT_NEAR(merged.at(name).values[i],
                    tensor.values[i],
                    1.01 * unit * std::abs(tensor.values[i]) + 1e-7);
    }
    const Json config = Json::parse(read_file(path("out") / "config.json"));
    EXPECT_EQ(config["torch_dtype"], name_of(format));
    EXPECT_EQ(config["text_config"]["dtype"], name_of(format));
    EXPECT_EQ(config["n"], 1);
  }
}

TEST_F(MergeToDisk, WithoutABaseDistancesAreFromTheFirstModel) {
  MergeJob baseless = job();
  baseless.base.reset();
  const MergeReport report = merge_to_disk(baseless);
  EXPECT_EQ(report.models[0].distance, 0);
  EXPECT_GT(report.models[1].distance, 0);
  EXPECT_EQ(report.reference.content, report.models[0].content);
}

TEST_F(MergeToDisk, IntegersAreCopiedWhereAllAgreeAndRefusedElsewhere) {
  const TinyTensor positions{{3}, {0, 1, 2}, "I64"};
  for (const auto& [name, model] :
       {std::pair("base", tiny_base()), {"a", tiny_component(1)}, {"b", tiny_component(2)}}) {
    TinyModel with = model;
    with["positions"] = positions;
    write_tiny_model(path(name), with);
  }
  const MergeReport report = merge_to_disk(job());
  EXPECT_EQ(report.copied_tensors, 1);
  EXPECT_EQ(read_tiny_model(path("out")).at("positions").dtype, "I64");
  fs::remove_all(path("out"));
  TinyModel other = tiny_component(2);
  other["positions"] = {{3}, {0, 1, 3}, "I64"};
  expect_model_refused(other, {"'positions' of dtype I64 differs", "component 'b'"});
}

TEST_F(MergeToDisk, TiedOutputMatricesStayTied) {
  const char* tied = R"({"model_type":"tiny","tie_word_embeddings":true})";
  TinyModel a = tiny_component(1);
  a["lm_head.weight"] = a["model.embed_tokens.weight"];
  write_tiny_model(path("base"), tiny_base(), tied);
  write_tiny_model(path("a"), a, tied);
  write_tiny_model(path("b"), tiny_component(2), tied);
  const MergeReport report = merge_to_disk(job());
  EXPECT_EQ(report.dropped, std::vector<std::string>{"lm_head.weight"});
  EXPECT_FALSE(read_tiny_model(path("out")).contains("lm_head.weight"));
  fs::remove_all(path("out"));

  a["lm_head.weight"].values[0] += 1;
  write_tiny_model(path("a"), a, tied);
  expect_refused(job(), {"component 'a'", "lm_head.weight differs from the embeddings"});
}

TEST_F(MergeToDisk, AnOutputMatrixThatConfigJsonSaysIsUntiedIsKept) {
  const char* untied = R"({"model_type":"tiny","tie_word_embeddings":false})";
  TinyModel base = tiny_base(), a = tiny_component(1);
  for (TinyModel* model : {&base, &a})
    (*model)["lm_head.weight"] = model->at("model.embed_tokens.weight");
  write_tiny_model(path("base"), base, untied);
  write_tiny_model(path("a"), a, untied);
  write_tiny_model(path("b"), tiny_component(2), untied);
  expect_refused(job(), {"component 'b'", "lm_head.weight is missing", "tie_word_embeddings"});
  write_tiny_model(path("b"), a, untied);
  merge_to_disk(job());
  EXPECT_TRUE(read_tiny_model(path("out")).contains("lm_head.weight"));
}

TEST_F(MergeToDisk, TensorsThatDifferAreAllNamed) {
  TinyModel b = tiny_component(2);
  b.erase("scale");
  b["extra"] = {{1}, {1}};
  b["model.norm.weight"] = {{4}, {1, 2, 3, 4}};
  expect_model_refused(b,
                       {"component 'b'",
                        "it lacks scale",
                        "it has beyond them extra",
                        "model.norm.weight [4] instead of [5]"});
}

TEST_F(MergeToDisk, AnotherDtypeIsMergedWithAWarningThatNamesTheTensors) {
  TinyModel b = tiny_component(2);
  for (const char* dtype : {"F16", "BF16", "F64"}) {
    fs::remove_all(path("out"));
    b["model.norm.weight"].dtype = dtype;
    write_tiny_model(path("b"), b);
    merge_to_disk(job());
    EXPECT_EQ(read_tiny_model(path("out")).at("model.norm.weight").dtype, "F32");
    EXPECT_TRUE(warned(fmt::format("model.norm.weight {} instead of F32", dtype)));
  }
}

TEST_F(MergeToDisk, QuantisedTensorsAreRefused) {
  TinyModel b = tiny_component(2);
  b["model.norm.weight"].dtype = "I8";
  expect_model_refused(b, {"'model.norm.weight' has dtype I8", "dequantised"});
}

TEST_F(MergeToDisk, NumbersThatAreNotFiniteAreRefusedWithTheirPlace) {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    TinyModel b = tiny_component(2);
    b["model.layers.1.mlp.weight"].values[7] = bad;
    expect_model_refused(
        b, {"component 'b'", "'model.layers.1.mlp.weight'", "not finite", "element 7"});
  }
}

TEST_F(MergeToDisk, AResultThatOverflowsIsRefused) {
  TinyModel b = tiny_component(2);
  b["model.norm.weight"].values[2] = 1e6;
  write_tiny_model(path("b"), b);
  MergeJob half = job();
  half.format = NumberFormat::kFloat16;
  expect_refused(half, {"'model.norm.weight'", "overflow in float16", "--dtype bfloat16"});
  merge_to_disk(job());
}

TEST_F(MergeToDisk, AnotherArchitectureIsRefusedAndSmallDifferencesAreWarnedOf) {
  write_tiny_model(
      path("b"), tiny_component(2), R"({"model_type":"other","hidden_size":5,"rope_theta":2})");
  expect_refused(job(), {"component 'b'", "another architecture", "model_type \"other\" instead"});
  write_tiny_model(path("b"),
                   tiny_component(2),
                   R"({"model_type":"tiny","hidden_size":5,"rope_theta":2,"use_cache":true})");
  merge_to_disk(job());
  EXPECT_TRUE(warned("rope_theta 2 instead of no value"));
  EXPECT_FALSE(warned("use_cache"));
}

TEST_F(MergeToDisk, AnotherVocabularyIsRefused) {
  const auto tokenizer = [&](const char* name, const char* vocab, const char* added) {
    write_file(path(name) / "tokenizer.json",
               fmt::format(R"({{"model":{{"vocab":{}}},"added_tokens":[{}]}})", vocab, added),
               false);
  };
  tokenizer("base", R"({"x":0,"y":1})", R"({"id":2,"content":"<r>"})");
  tokenizer("a", R"({"x":0,"y":1})", R"({"id":2,"content":"<chat>"})");
  tokenizer("b", R"({"y":0,"x":1})", "");
  expect_refused(job(), {"component 'b'", "another vocabulary", "'x' is 1 instead of 0"});
  tokenizer("b", R"({"x":0,"y":1,"z":5})", R"({"id":1,"content":"<s>"},{"id":7,"content":"<t>"})");
  merge_to_disk(job());
  EXPECT_TRUE(warned("2 is '<chat>' instead of '<r>'"));
  EXPECT_TRUE(warned("'<t>' (7) is new, 1 is '<s>' instead of 'y'"));
}

TEST_F(MergeToDisk, ATokenizerFromElsewhereMustFitTheModels) {
  const auto tokenizer = [&](const char* name, const char* vocab) {
    write_file(
        path(name) / "tokenizer.json", fmt::format(R"({{"model":{{"vocab":{}}}}})", vocab), false);
  };
  const char* config = R"({"model_type":"tiny","vocab_size":3})";
  write_tiny_model(path("base"), tiny_base(), config);
  tokenizer("base", R"({"x":0,"y":1})");
  MergeJob other = job();
  other.tokenizer = path("none");
  expect_refused(other, {"the tokenizer to be copied", "is no folder"});
  fs::create_directory(path("none"));
  expect_refused(other, {"the tokenizer to be copied", "holds none"});
  tokenizer("none", R"({"x":1,"y":0})");
  expect_refused(other, {"another vocabulary", "'x' is 1 instead of 0"});
  tokenizer("none", R"({"x":0,"y":1,"z":3})");
  expect_refused(other, {"the token 'z' with id 3", "have 3 rows"});
  tokenizer("none", R"({"x":0,"y":1,"z":2})");
  merge_to_disk(other);
  EXPECT_EQ(read_file(path("out") / "tokenizer.json"), read_file(path("none") / "tokenizer.json"));
}

TEST_F(MergeToDisk, AComponentOfAnotherBaseIsWarnedOfLoudlyOrRefused) {
  TinyModel stranger = tiny_base();
  for (auto& [name, tensor] : stranger) tensor = tiny_tensor(tensor.shape, Rng(99).stream(name));
  write_tiny_model(path("b"), stranger);
  MergeJob strict = job();
  strict.most_drift = 0.5;
  expect_refused(strict, {"component 'b'", "more than the 0.5 that --max-drift allows"});
  const MergeReport report = merge_to_disk(job());
  EXPECT_NEAR(report.models[1].drift, 0.7, 0.1);
  EXPECT_TRUE(warned("component 'b' DOES NOT COME FROM"));
  ASSERT_FALSE(report.warnings.empty());
}

TEST_F(MergeToDisk, DamagedFilesAreRefusedByName) {
  const fs::path weights = path("b") / kSingleFile;
  fs::resize_file(weights, fs::file_size(weights) - 1);
  expect_refused(job(), {"component 'b' cannot be read", weights.string(), "truncated"});
  fs::remove(weights);
  write_file(path("b") / kIndexFile, R"({"weight_map":{"scale":"1.safetensors"}})", false);
  expect_refused(job(), {"component 'b'", "shard '1.safetensors' is missing"});
  write_file(path("b") / "config.json", std::string(200, '['), false);
  fs::remove(path("b") / kIndexFile);
  write_tiny_file(weights, tiny_component(2));
  expect_refused(job(), {"component 'b'", "config.json"});
  write_file(weights, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", false);
  expect_refused(job(), {"component 'b'", weights.string(), "git lfs pull"});
  fs::remove_all(path("b"));
  expect_refused(job(), {"component 'b'", "is no folder"});
}

TEST_F(MergeToDisk, ABaseWithoutConfigurationIsRefusedAndOneWithoutTokenizerWarnedOf) {
  merge_to_disk(job());
  EXPECT_TRUE(warned("holds no tokenizer"));
  fs::remove_all(path("out"));
  fs::remove(path("base") / "config.json");
  expect_refused(job(), {"base", "config.json"});
}

TEST_F(MergeToDisk, AnOutputThatIsNotEmptyIsRefusedBeforeAnyWork) {
  write_file(path("base") / "x", "1", false);
  MergeJob occupied = job();
  occupied.out = path("base");
  EXPECT_THROW(merge_to_disk(occupied), Error);
  EXPECT_EQ(read_file(path("base") / "x"), "1");
}

TEST_F(MergeToDisk, WeightsMayHaveAnySumButNotZeroWhereTheyAreDividedByIt) {
  parameters_.set("weight", 0, ParameterSetting::of("-0.5", ""));
  parameters_.set("weight", 1, ParameterSetting::of("2.5", ""));
  const MergeReport report = merge_to_disk(job());
  EXPECT_EQ(report.models[0].weight->first, -0.25);
  EXPECT_EQ(report.models[1].weight->first, 1.25);
  fs::remove_all(path("out"));
  parameters_.set("weight", ParameterSetting::of("0", ""));
  parameters_.set("weight", 0, ParameterSetting::of("0", ""));
  parameters_.set("weight", 1, ParameterSetting::of("0", ""));
  expect_refused(job(), {"the weights sum to 0"});
}

TEST_F(MergeToDisk, AModelWithoutWeightIsNamed) {
  ParameterPlan one(find_merge_method("linear"), 2);
  one.set("weight", 0, ParameterSetting::of("1", ""));
  expect_refused({.parameters = one,
                  .models = {{"a", path("a")}, {"b", path("b")}},
                  .base = path("base"),
                  .out = path("out")},
                 {"component 'b' has no 'weight'"});
}

TEST_F(MergeToDisk, MemoryThatIsTooSmallIsRefusedWithWhatIsNeeded) {
  ParameterPlan ties(find_merge_method("ties"), 2);
  ties.set("weight", ParameterSetting::of("1", ""));
  MergeJob small{.parameters = ties,
                 .models = {{"a", path("a")}, {"b", path("b")}},
                 .base = path("base"),
                 .out = path("out")};
  small.memory_bytes = 1000;
  expect_refused(small, {"--memory: 1000 bytes are too few", "ties needs"});
}

TEST_F(MergeToDisk, AStopFromOutsideLeavesNothing) {
  const std::atomic<bool> stop = true;
  MergeJob stopped = job();
  stopped.stop = &stop;
  expect_refused(stopped, {"stopped"});
}

TEST_F(MergeToDisk, AThousandComponentsAreMerged) {
  ParameterPlan parameters(find_merge_method("linear"), 1000);
  parameters.set("weight", ParameterSetting::of("1", ""));
  MergeJob many{.parameters = parameters, .models = {}, .base = path("base"), .out = path("out")};
  for (int k = 0; k < 1000; ++k)
    many.models.push_back({fmt::format("c{}", k), path(k % 2 ? "a" : "b")});
  const MergeReport report = merge_to_disk(many);
  EXPECT_TRUE(report.cosines.empty());
  const TinyModel merged = read_tiny_model(path("out")), a = tiny_component(1),
                  b = tiny_component(2);
  EXPECT_NEAR(
      merged.at("scale").values[0], (a.at("scale").values[0] + b.at("scale").values[0]) / 2, 5e-5);
}

// In a child process, since limits and signals are the process's own.
template <typename Work>
pid_t in_child(Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  return child;
}

// The exit status of a child that merges where there is too little room: 0 when the Error holds
// `reason`; `prepare` makes it scarce.
template <typename Prepare>
int status_of_scarce_merge(const MergeJob& job, std::string_view reason, Prepare prepare) {
  const pid_t child = in_child([&] {
    prepare();
    try {
      merge_to_disk(job);
      ::_exit(1);
    } catch (const Error& error) {
      if (std::string_view(error.what()).find(reason) == std::string_view::npos) ::_exit(2);
    }
    // In the child, since no one else sees what it mounted.
    if (fs::exists(job.out) || fs::exists(job.out.string() + ".demix-partial")) ::_exit(3);
  });
  int status = -1;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(MergeToDisk, AFullDiskAndALimitOnFilesAreNamedAndNothingIsLeft) {
  TinyModel large;
  large["x"] = tiny_tensor({300'000}, Rng(1));
  for (const char* name : {"base", "a", "b"}) write_tiny_model(path(name), large);
  EXPECT_EQ(status_of_scarce_merge(job(),
                                   "ulimit -f",
                                   [] {
                                     std::signal(SIGXFSZ, SIG_IGN);
                                     const rlimit limit{1'000'000, 1'000'000};
                                     ::setrlimit(RLIMIT_FSIZE, &limit);
                                   }),
            0);
  EXPECT_FALSE(fs::exists(path("out.demix-partial")));

  constexpr int kCannotMount = 77;
  fs::create_directory(path("small"));
  MergeJob full = job();
  full.out = path("small") / "out";
  const int status = status_of_scarce_merge(full, "disk is full", [&] {
    // A disk of one megabyte that only the child sees.
    if (::unshare(::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
        ::mount("none", path("small").c_str(), "tmpfs", 0, "size=1m") != 0)
      ::_exit(kCannotMount);
  });
  if (status == kCannotMount) GTEST_SKIP() << "this system lets nobody mount a small disk";
  EXPECT_EQ(status, 0);
}

TEST_F(MergeToDisk, AKillAtAnyMomentLeavesTheWholeResultOrNone) {
  TinyModel base, a, b;
  for (int i = 0; i < 40; ++i) {
    const std::string name = fmt::format("x.{}.w", i);
    for (TinyModel* model : {&base, &a, &b}) (*model)[name] = tiny_tensor({20'000}, Rng(i));
  }
  for (const auto& [name, model] : {std::pair("base", base), {"a", a}, {"b", b}})
    write_tiny_model(path(name), model);
  Rng rng(7);
  int killed = 0, finished = 0;
  for (int round = 0; round < 25; ++round) {
    fs::remove_all(path("out"));
    fs::remove_all(path("out.demix-partial"));
    const pid_t child = in_child([&] { merge_to_disk(job()); });
    // From the moment at which the merge begins to write, however fast the machine is; in some
    // rounds at once, so that not all of them finish.
    while (!fs::exists(path("out.demix-partial")) && !fs::exists(path("out")))
      std::this_thread::yield();
    if (round % 5 != 0) std::this_thread::sleep_for(std::chrono::microseconds(rng.below(20'000)));
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    if (!fs::exists(path("out"))) {
      ++killed;
      continue;
    }
    ++finished;
    EXPECT_FALSE(fs::exists(path("out.demix-partial")));
    EXPECT_EQ(read_tiny_model(path("out")).size(), 40u);
    EXPECT_TRUE(fs::exists(path("out") / "config.json"));
    EXPECT_TRUE(fs::exists(path("out") / kMergeRecord));
  }
  EXPECT_GT(killed, 0) << finished << " finished";
  // The next run removes what the last one left.
  fs::remove_all(path("out"));
  merge_to_disk(job());
  EXPECT_FALSE(fs::exists(path("out.demix-partial")));
}

}  // namespace
}  // namespace demix
