#include "demix/merge/mergekit_config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_checkpoint.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// Paths in configurations are relative to the working folder.
class WorkingFolder {
 public:
  explicit WorkingFolder(const fs::path& folder) : before_(fs::current_path()) {
    fs::current_path(folder);
  }
  ~WorkingFolder() { fs::current_path(before_); }

 private:
  fs::path before_;
};

MergeReport run(const MergekitConfig& config, const fs::path& out) {
  return merge_to_disk({.parameters = *config.parameters,
                        .models = config.models,
                        .base = config.base,
                        .out = out,
                        .format = config.format,
                        .tokenizer = config.tokenizer,
                        .copy_tokenizer = false,
                        .chat_template = config.chat_template});
}

// Configurations and mergekit's results: tools/parity/merge_config.py.
class MergekitParity : public testing::TestWithParam<const char*> {};

TEST_P(MergekitParity, AConfigurationGivesWhatMergekitMakesOfIt) {
  const WorkingFolder working(fs::path(DEMIX_SOURCE_DIR) / "tests/data/mergekit");
  const std::string name = GetParam();
  const TemporaryFolder folder;
  run(read_mergekit_config(ConfigNode::parse_file(name + ".yml")), folder / "out");
  const TinyModel merged = read_tiny_model(folder / "out");
  write_tiny_model(folder / "expected", {});
  fs::copy_file(name + ".safetensors",
                folder / "expected/model.safetensors",
                fs::copy_options::overwrite_existing);
  const TinyModel expected = read_tiny_model(folder / "expected");
  ASSERT_EQ(merged.size(), expected.size());
  for (const auto& [tensor, values] : expected) {
    ASSERT_TRUE(merged.contains(tensor)) << tensor;
    const TinyTensor& found = merged.at(tensor);
    ASSERT_EQ(found.dtype, values.dtype) << tensor;
    ASSERT_EQ(found.shape, values.shape) << tensor;
    // Elementwise methods 1e-6; slerp and nuslerp sum lengths in another order. Of bfloat16, one
    // unit in the last place.
    const float tolerance = found.dtype == "BF16" ? 0x1p-8f : name == "slerp" ? 1e-5f : 1e-6f;
    for (size_t i = 0; i < values.values.size(); ++i) {
      const float most =
          tolerance * std::max(found.dtype == "BF16" ? 0.f : 1.f, std::abs(values.values[i]));
      ASSERT_NEAR(found.values[i], values.values[i], most) << tensor << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Configs,
    MergekitParity,
    testing::Values("linear", "linear_global", "task_arithmetic", "slerp", "ties", "bfloat16"),
    [](const auto& info) { return std::string(info.param); });

class MergekitConfigs : public testing::Test {
 protected:
  MergekitConfigs() : working_(folder_.path()) {
    write_tiny_model("base", tiny_base(), R"({"num_hidden_layers":2})");
    write_tiny_model("a", tiny_component(1), R"({"num_hidden_layers":2})");
    write_tiny_model("b", tiny_component(2), R"({"num_hidden_layers":2})");
  }
  MergekitConfig read(const std::string& text) {
    return read_mergekit_config(ConfigNode::parse(text, "c.yml"));
  }
  void expect_refused(const std::string& text, std::string_view where, std::string_view reason) {
    try {
      read(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      const std::string_view message = error.what();
      EXPECT_TRUE(message.starts_with(where)) << message;
      EXPECT_NE(message.find(reason), std::string_view::npos) << message;
    }
  }

  TemporaryFolder folder_;
  WorkingFolder working_;
};

constexpr const char* kModels = "models: [{model: a}, {model: b}]\nbase_model: base\n";

TEST_F(MergekitConfigs, ModelsAreNamedByTheirFolders) {
  const MergekitConfig config = read(
      "merge_method: ties\nmodels: [{model: ./a/}, {model: base}, {model: b}]\n"
      "base_model: base\nparameters: {weight: 1}\ndtype: bfloat16\n");
  ASSERT_EQ(config.models.size(), 2u);
  EXPECT_EQ(config.models[0].name, "a");
  EXPECT_EQ(config.models[1].name, "b");
  EXPECT_EQ(config.base, "base");
  EXPECT_EQ(config.format, NumberFormat::kBfloat16);
}

TEST_F(MergekitConfigs, WhatIsNotSupportedIsNamedWithItsLine) {
  const std::string begin = std::string("merge_method: linear\n") + kModels;
  const std::string weights = begin + "parameters: {weight: 1}\n";
  expect_refused("merge_method: arcee_fusion\n" + std::string(kModels), "c.yml:1", "arcee_fusion");
  expect_refused("merge_method: linnear\n" + std::string(kModels), "c.yml:1", "'linear'");
  expect_refused("merge_method: linear\nmodels: [{model: a+lora}]\n", "c.yml:2", "LoRA");
  expect_refused("merge_method: linear\nmodels: [{model: {model: a, lora: b}}]\n",
                 "c.yml:2",
                 "'lora' is not supported");
  expect_refused(
      "merge_method: linear\nmodels: [{model: org/name}]\n", "c.yml:2", "not downloaded");
  expect_refused("merge_method: linear\nmodules: {}\n", "c.yml:2", "'modules'");
  expect_refused("merge_method: linear\nslices: [{}, {}]\n", "c.yml:2", "several slices");
  expect_refused("merge_method: linear\nslices: []\n", "c.yml:2", "there are no slices");
  expect_refused("merge_method: linear\nslices:\n- sources:\n  - {model: a, layer_range: [0, 1]}\n",
                 "c.yml:4",
                 "[0, 2]");
  expect_refused(weights + "tokenizer_source: union\n", "c.yml:5", "'union'");
  expect_refused(weights + "tokenizer: {source: union}\n", "c.yml:5", "'union'");
  expect_refused(
      weights + "tokenizer: {source: base, tokens: {x: {source: a}}}\n", "c.yml:5", "'tokens'");
  expect_refused(weights + "tokenizer: {source: base, pad_to_multiple_of: 8}\n",
                 "c.yml:5",
                 "'pad_to_multiple_of'");
  expect_refused(weights + "chat_template: chatml\n", "c.yml:5", "templates by name");
  expect_refused(weights + "dtype: int8\n", "c.yml:5", "'int8'");
  expect_refused(weights + "dtypes: float32\n", "c.yml:5", "did you mean 'dtype'?");
}

TEST_F(MergekitConfigs, WrongParametersAreNamedWithTheirLine) {
  const std::string begin = std::string("merge_method: ties\n") + kModels;
  expect_refused(begin + "parameters:\n  wieght: 1\n", "c.yml:5", "did you mean 'weight'?");
  expect_refused(begin + "parameters:\n  weight: x\n", "c.yml:5", "expected a number");
  expect_refused(begin + "parameters:\n  weight: [1, .nan]\n", "c.yml:5", "expected a number");
  expect_refused(begin + "parameters:\n  density: 1.5\n", "c.yml:5", "from 0 to 1");
  expect_refused(begin + "parameters:\n  weight: 010\n", "c.yml:5", "'010' is octal");
  expect_refused(begin + "parameters:\n  normalize: maybe\n", "c.yml:5", "true or false");
  expect_refused(
      begin + "parameters:\n  weight:\n  - {fliter: x, value: 1}\n", "c.yml:6", "filter");
  expect_refused(begin + "parameters:\n  weight:\n  - {filter: x}\n", "c.yml:6", "'value'");
  expect_refused("merge_method: ties\nmodels:\n- {model: a, parameters: {dens: 1}}\n",
                 "c.yml:3",
                 "has no parameter 'dens'");
}

TEST_F(MergekitConfigs, WrongModelsAreNamedWithTheirLine) {
  expect_refused("models: []\n", "c.yml:1", "'merge_method' is missing");
  expect_refused("merge_method: linear\n", "c.yml:1", "either 'models' or 'slices'");
  expect_refused("merge_method: linear\nmodels: []\n", "c.yml:1", "no models");
  expect_refused("merge_method: linear\nmodels: [{model: a}, {model: ./a}]\n", "c.yml:2", "twice");
  expect_refused("merge_method: linear\nmodels: [{}]\n", "c.yml:2", "'model' is missing");
  expect_refused(
      "merge_method: ties\nmodels: [{model: a}]\nbase_model: a\n", "c.yml:1", "beside the base");
}

TEST_F(MergekitConfigs, DeepYamlIsAnError) {
  EXPECT_THROW(ConfigNode::parse(std::string(100'000, '['), "c.yml"), Error);
  expect_refused("merge_method: ties\n" + std::string(kModels) +
                     "parameters: {weight: " + std::string(90, '[') + std::string(90, ']') + "}\n",
                 "c.yml:4",
                 "expected text");
}

TEST_F(MergekitConfigs, AModelWithoutWeightIsNamedWithItsLine) {
  expect_refused(
      "merge_method: ties\nmodels:\n- {model: a, parameters: {weight: 1}}\n- {model: b}\n"
      "base_model: base\n",
      "c.yml:4",
      "'b' has no 'weight'");
}

TEST_F(MergekitConfigs, SlerpTakesTwoModelsTheBaseAmongThem) {
  const auto slerp = [](const char* rest) {
    return fmt::format("merge_method: slerp\nparameters: {{t: 0.5}}\n{}", rest);
  };
  EXPECT_EQ(read(slerp("models: [{model: a}, {model: b}]\nbase_model: a\n")).models.size(), 1u);
  EXPECT_EQ(read(slerp("models: [{model: a}]\nbase_model: base\n")).models.size(), 1u);
  expect_refused(
      slerp("models: [{model: a}, {model: b}]\nbase_model: base\n"), "c.yml:3", "found 3");
  expect_refused(slerp("models: [{model: a}, {model: b}, {model: base}]\nbase_model: a\n"),
                 "c.yml:3",
                 "expected 2 models");
}

TEST_F(MergekitConfigs, ParametersThatMergekitDoesNotHaveAreRefused) {
  const std::string models = "models:\n- {model: a, parameters: {weight: 1}}\n- {model: b}\n";
  expect_refused("merge_method: karcher\n" + models, "c.yml:3", "'weight' in mergekit");
  expect_refused(
      "merge_method: linear\n" + std::string(kModels) + "parameters: {weight: 1, lambda: 2}\n",
      "c.yml:4",
      "'lambda' in mergekit");
}

TEST_F(MergekitConfigs, TheChatTemplateReplacesTheTokenizers) {
  write_file("base/tokenizer.json", "{}", false);
  write_file("base/tokenizer_config.json", R"({"a":1,"chat_template":"old"})", false);
  const MergekitConfig config =
      read("merge_method: linear\n" + std::string(kModels) +
           "parameters: {weight: 1}\nchat_template: \"{{ messages }}\"\n");
  merge_to_disk({.parameters = *config.parameters,
                 .models = config.models,
                 .base = config.base,
                 .out = "out",
                 .chat_template = config.chat_template});
  EXPECT_EQ(read_file("out/chat_template.jinja"), "{{ messages }}");
  EXPECT_EQ(read_file("out/tokenizer_config.json"), "{\n  \"a\": 1\n}\n");
}

}  // namespace
}  // namespace demix
