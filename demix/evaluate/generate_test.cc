#include "demix/evaluate/generate.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <limits>

#include "demix/core/error.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/token_batch.h"
#include "demix/model/decoder.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// Small random models with tokenizers, one for each family.
const fs::path kData = fs::path(DEMIX_SOURCE_DIR) / "tests/data/evaluate";

struct Model {
  Architecture architecture;
  Tokenizer tokenizer;
  Weights weights;
  Decoder decoder;

  explicit Model(const std::string& family, at::ScalarType dtype = at::kFloat)
      : architecture(load_architecture(kData / family)),
        tokenizer(Tokenizer::load(kData / family)),
        weights(load_weights(kData / family, architecture, dtype, at::kCPU)),
        decoder(architecture, at::kCPU) {}

  std::vector<Generation> continued(std::span<const GenerationRequest> requests,
                                    const GenerateConfig& config = {},
                                    std::vector<int32_t> stop_tokens = {}) const {
    return generate(requests, stop_tokens, tokenizer, decoder, weights, config);
  }

  // The likeliest tokens, all of the sequence computed anew for each.
  std::vector<int32_t> expected(const GenerationRequest& request) const {
    std::vector<int64_t> ids(request.prompt.begin(), request.prompt.end());
    std::vector<int32_t> generated;
    for (int64_t i = 0; i < request.max_tokens; ++i) {
      const at::Tensor logits = decoder.logits(weights, at::tensor(ids, at::kLong).unsqueeze(0));
      ids.push_back(logits[0][-1].argmax().item<int64_t>());
      generated.push_back(static_cast<int32_t>(ids.back()));
    }
    return generated;
  }
};

// Prompts of uneven lengths, some with a common beginning, one that is all of another's beginning.
std::vector<GenerationRequest> uneven_requests(const Tokenizer& tokenizer) {
  std::vector<GenerationRequest> requests;
  const std::string common = "The river is wide and the boat is small. ";
  for (const std::string& text : {common,
                                  common + "Then",
                                  std::string("A"),
                                  common + "How many apples are left?",
                                  std::string("Question: what is 2 + 2?\nAnswer:"),
                                  std::string("def add(a, b):\n    return"),
                                  common + common + common,
                                  std::string("café")}) {
    requests.push_back({.name = "item " + std::to_string(requests.size()),
                        .prompt = tokenizer.encode(text),
                        .max_tokens = 5 + static_cast<int64_t>(requests.size()) * 3});
  }
  return requests;
}

std::vector<std::vector<int32_t>> ids_of(const std::vector<Generation>& generations) {
  std::vector<std::vector<int32_t>> ids;
  for (const Generation& generation : generations) ids.push_back(generation.ids);
  return ids;
}

class Generate : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Families, Generate, testing::Values("llama", "qwen2", "qwen3"));

TEST_P(Generate, GreedyIsTheLikeliestTokenOfTheWholeSequenceEachTime) {
  const Model model(GetParam());
  const auto requests = uneven_requests(model.tokenizer);
  const auto generations = model.continued(requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(generations[i].ids, model.expected(requests[i])) << requests[i].name;
    EXPECT_EQ(generations[i].text, model.tokenizer.decode(generations[i].ids));
    EXPECT_EQ(generations[i].end, Generation::End::kLength);
  }
}

TEST_P(Generate, DoesNotDependOnWhatElseIsGenerated) {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const Model model(GetParam(), dtype);
    const auto requests = uneven_requests(model.tokenizer);
    const auto together = ids_of(model.continued(requests));
    for (const int64_t places : {1, 3}) {
      GenerateConfig config;
      config.sequences_per_thread = places;
      EXPECT_EQ(ids_of(model.continued(requests, config)), together) << places << " at once";
    }
  }
}

TEST_P(Generate, TensorOperationsGiveTheSameLogits) {
  const Model model(GetParam());
  const auto requests = uneven_requests(model.tokenizer);
  const auto packed = packed_token_model<float>(model.decoder, model.weights, 128);
  const auto tensors = tensor_token_model(model.decoder, model.weights, 128);
  const auto a = packed->batch(10), b = tensors->batch(10);
  std::vector<PlacedPrompt> prompts;
  for (size_t i = 0; i < requests.size(); ++i)
    prompts.push_back({static_cast<int64_t>(i), requests[i].prompt});
  const auto expect_same = [&](std::span<const float> x, std::span<const float> y) {
    ASSERT_EQ(x.size(), y.size());
    for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], 2e-5) << i;
  };
  expect_same(a->read_prompts(prompts), b->read_prompts(prompts));
  // Some go on, one begins anew.
  std::vector<PlacedToken> tokens = {{6, 3}, {0, 5}, {2, 7}};
  for (int step = 0; step < 3; ++step) expect_same(a->read_tokens(tokens), b->read_tokens(tokens));
  const PlacedPrompt again{2, requests[3].prompt};
  expect_same(a->read_prompts({&again, 1}), b->read_prompts({&again, 1}));
  expect_same(a->read_tokens(tokens), b->read_tokens(tokens));
}

TEST(Generation, EndsAtStopTokensAndTexts) {
  const Model model("llama");
  GenerationRequest request{
      .name = "item", .prompt = model.tokenizer.encode("The river"), .max_tokens = 24};
  const Generation whole = model.continued({&request, 1})[0];
  ASSERT_EQ(whole.ids.size(), 24U);

  // The first token that did not stand before.
  const int32_t stop = whole.ids[10];
  const auto first = std::find(whole.ids.begin(), whole.ids.end(), stop);
  const Generation by_token = model.continued({&request, 1}, {}, {stop})[0];
  EXPECT_EQ(by_token.end, Generation::End::kToken);
  EXPECT_EQ(by_token.ids, std::vector<int32_t>(whole.ids.begin(), first));

  // Two tokens' texts together.
  request.stops = {"never there", model.tokenizer.decode(std::span(whole.ids).subspan(12, 2))};
  const Generation by_text = model.continued({&request, 1})[0];
  EXPECT_EQ(by_text.end, Generation::End::kText);
  EXPECT_EQ(by_text.text, whole.text.substr(0, whole.text.find(request.stops[1])));
}

TEST(Generation, DrawsAreReproducibleAndDifferBySeedAndRequest) {
  const Model model("qwen3");
  std::vector<GenerationRequest> requests(3,
                                          {.name = "item",
                                           .prompt = model.tokenizer.encode("The river"),
                                           .max_tokens = 20,
                                           .sampling = {.temperature = 1}});
  requests[1].answer = 1;
  requests[2].name = "other item";
  const auto once = ids_of(model.continued(requests));
  EXPECT_EQ(ids_of(model.continued(requests)), once);
  EXPECT_NE(once[0], once[1]);
  EXPECT_NE(once[0], once[2]);
  // Whatever else is generated, and in whatever order.
  std::swap(requests[0], requests[2]);
  EXPECT_EQ(ids_of(model.continued({requests.data() + 2, 1}))[0], once[0]);
  EXPECT_EQ(ids_of(model.continued(requests))[0], once[2]);
  for (GenerationRequest& request : requests) request.sampling.seed = 2;
  EXPECT_NE(ids_of(model.continued(requests))[2], once[0]);
}

void expect_error(const std::function<void()>& action, const std::string& text) {
  try {
    action();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  }
}

TEST(Generation, RefusesWhatDoesNotFit) {
  const Model model("llama");
  const int64_t positions = model.architecture.max_positions;
  std::vector<GenerationRequest> requests = {
      {.name = "task gsm8k, item 3", .prompt = {1, 2, 3}, .max_tokens = positions - 2}};
  expect_error([&] { model.continued(requests); }, "task gsm8k, item 3: a prompt of 3 tokens");
  requests[0].prompt.clear();
  expect_error([&] { model.continued(requests); }, "no token to begin with");
}

TEST(Generation, NamesTheItemWhoseLogitsAreNotFinite) {
  Model model("llama");
  model.weights.flat.fill_(std::numeric_limits<float>::quiet_NaN());
  const std::vector<GenerationRequest> requests = {
      {.name = "task gsm8k, item 3", .prompt = {1, 2, 3}, .max_tokens = 4}};
  expect_error([&] { model.continued(requests); },
               "task gsm8k, item 3: the model's logits are not finite");
}

}  // namespace
}  // namespace demix
