#include "demix/merge/components.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "demix/core/error.h"
#include "demix/merge/method.h"
#include "tests/message_of.h"
#include "tests/pico.h"
#include "tests/temporary_folder.h"

namespace demix {
namespace {

double largest_difference(const at::Tensor& x, const at::Tensor& y) {
  return (x.to(at::kDouble) - y.to(at::kDouble)).abs().max().item<double>();
}

// Three components and their base in folders.
class ComponentsTest : public testing::Test {
 protected:
  static constexpr size_t K = 3;

  explicit ComponentsTest(at::ScalarType stored = at::kFloat) {
    models_.push_back(initial_weights(pico(), Rng(1)));
    for (uint64_t k = 0; k < K; ++k) {
      const Weights other = initial_weights(pico(), Rng(2 + k));
      models_.push_back(weights_over(pico(), models_[0].flat + 0.1 * other.flat));
    }
    for (size_t i = 0; i < models_.size(); ++i) save(i, stored);
  }

  void save(size_t i, at::ScalarType stored) {
    save_model(folder(i), pico(), models_[i], stored, {});
    models_[i] = load_weights(folder(i), pico(), at::kFloat, at::kCPU);
  }
  // 0: the base.
  std::filesystem::path folder(size_t i) const { return folder_ / ("model" + std::to_string(i)); }
  const at::Tensor& base() const { return models_[0].flat; }
  const at::Tensor& model(size_t k) const { return models_[k + 1].flat; }

  Components components(const ProxyMethodConfig& method = {},
                        at::ScalarType dtype = at::kFloat,
                        const StorageConfig& storage = {}) const {
    std::vector<ComponentFolder> folders;
    for (size_t k = 0; k < K; ++k) folders.push_back({"c" + std::to_string(k), folder(k + 1)});
    return Components(pico(),
                      folder(0),
                      folders,
                      ProxyMethod(method, K, /*seed=*/5),
                      {at::kCPU, dtype, folder_.path()},
                      storage);
  }

  std::string error_of(const ProxyMethodConfig& method = {}, const StorageConfig& storage = {}) {
    try {
      components(method, at::kFloat, storage);
    } catch (const Error& error) {
      return error_chain(error);
    }
    return "no error";
  }

  // The method applied to every tensor of the files, as `demix merge` does it.
  Weights expected(const ProxyMethodConfig& config, const std::vector<double>& weights) const {
    const MergeMethod& method = find_merge_method(config.method);
    MergeParameters parameters(method, K);
    for (const auto& [name, text] : config.parameters) parameters.set(name, text);
    for (size_t k = 0; k < K; ++k) parameters.set("weight", k, weights[k]);
    Weights out = weights_over(pico(), at::zeros_like(base()));
    const auto layout = parameter_layout(pico());
    for (size_t i = 0; i < layout.size(); ++i) {
      std::vector<const float*> models;
      for (size_t k = 0; k < K; ++k)
        models.push_back(models_[k + 1].tensors[i].const_data_ptr<float>());
      const Rng rng = Rng(5).stream(layout[i].name);
      method.merge({.shape = layout[i].shape,
                    .count = layout[i].count,
                    .base = models_[0].tensors[i].const_data_ptr<float>(),
                    .models = models,
                    .parameters = parameters,
                    .rng = rng},
                   out.tensors[i].mutable_data_ptr<float>());
    }
    return out;
  }

  TemporaryFolder folder_;
  std::vector<Weights> models_;  // the base first
};

class Bfloat16Components : public ComponentsTest {
 protected:
  Bfloat16Components() : ComponentsTest(at::kBFloat16) {}
};

TEST_F(ComponentsTest, AProxyIsTheWeightedSumAndIsSeenThroughTheViews) {
  const Components components = this->components();
  Weights proxy = components.allocate();
  components.merge({0.25, 0.75, 0}, proxy);
  EXPECT_LT(largest_difference(proxy.flat, 0.25 * model(0) + 0.75 * model(1)), 1e-7);
  EXPECT_LT(largest_difference(proxy.tensors[3],
                               0.25 * models_[1].tensors[3] + 0.75 * models_[2].tensors[3]),
            1e-7);
}

TEST_F(ComponentsTest, LambdaShrinksTheUpdatesTowardsTheBase) {
  Weights proxy = components().allocate();
  components({"linear", {{"lambda", "0.5"}}}).merge({0.2, 0.3, 0.5}, proxy);
  const at::Tensor sum = 0.2 * model(0) + 0.3 * model(1) + 0.5 * model(2);
  EXPECT_LT(largest_difference(proxy.flat, base() + 0.5 * (sum - base())), 1e-6);
  components({"linear", {{"lambda", "0"}}}).merge({0.2, 0.3, 0.5}, proxy);
  EXPECT_LT(largest_difference(proxy.flat, base()), 1e-7);
  // Weights that do not sum to one: of updates here, of models with linear.
  components({"task_arithmetic", {}}).merge({0.5, 0.5, 0.5}, proxy);
  EXPECT_LT(
      largest_difference(proxy.flat, base() + 0.5 * (model(0) + model(1) + model(2) - 3 * base())),
      1e-6);
}

TEST_F(ComponentsTest, ManyProxiesAtOnceAreBitwiseThoseOneByOneInEveryPlace) {
  std::vector<std::vector<double>> mixtures;
  Rng rng(3);
  for (int m = 0; m < 11; ++m) mixtures.push_back(rng.dirichlet(std::vector<double>(K, 1.0)));
  mixtures[4] = {0, 1, 0};
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Components in_memory = components({}, dtype);
    EXPECT_EQ(in_memory.storage().place, Place::kMemory);
    std::vector<Weights> proxies;
    for (size_t m = 0; m < mixtures.size(); ++m) proxies.push_back(in_memory.allocate());
    in_memory.merge(mixtures, proxies);
    const Components on_disk = components({}, dtype, {"disk", "auto"});
    EXPECT_EQ(on_disk.storage().place, Place::kDisk);
    Weights alone = in_memory.allocate();
    for (size_t m = 0; m < mixtures.size(); ++m) {
      in_memory.merge(mixtures[m], alone);
      EXPECT_TRUE(at::equal(alone.flat, proxies[m].flat)) << m;
      on_disk.merge(mixtures[m], alone);
      EXPECT_TRUE(at::equal(alone.flat, proxies[m].flat)) << m;
    }
  }
}

TEST_F(ComponentsTest, ThreadsChangeNothing) {
  const int before = at::get_num_threads();
  std::vector<at::Tensor> proxies;
  std::vector<std::vector<double>> drifts;
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    const Components components = this->components();
    Weights proxy = components.allocate();
    components.merge({0.2, 0.3, 0.5}, proxy);
    proxies.push_back(proxy.flat);
    drifts.push_back(components.drifts());
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(proxies[0], proxies[1]));
  EXPECT_EQ(drifts[0], drifts[1]);
}

TEST_F(ComponentsTest, AreRoundedOnlyWhenAsked) {
  EXPECT_FALSE(components().storage().bfloat16);
  const Components rounded = components({}, at::kFloat, {"auto", "bfloat16"});
  EXPECT_EQ(rounded.storage().bytes, 2 * 4 * flat_size(pico()));
  Weights proxy = rounded.allocate();
  rounded.merge({0.25, 0.25, 0.5}, proxy);
  const auto half = [&](size_t k) { return model(k).to(at::kBFloat16).to(at::kFloat); };
  EXPECT_LT(largest_difference(proxy.flat, 0.25 * half(0) + 0.25 * half(1) + 0.5 * half(2)), 1e-7);
}

TEST_F(Bfloat16Components, LieAsTheyAreAndGiveWhatFloat32Gives) {
  const Components halves = components({}, at::kBFloat16);
  EXPECT_TRUE(halves.storage().bfloat16);
  const Components floats = components({}, at::kBFloat16, {"auto", "float32"});
  EXPECT_FALSE(floats.storage().bfloat16);
  Weights a = halves.allocate(), b = floats.allocate();
  halves.merge({0.5, 0.25, 0.25}, a);
  floats.merge({0.5, 0.25, 0.25}, b);
  EXPECT_TRUE(at::equal(a.flat, b.flat));
  // Rounded once: these weights are powers of two, so float32 holds the sum.
  const at::Tensor exact = 0.5 * model(0) + 0.25 * model(1) + 0.25 * model(2);
  EXPECT_TRUE(at::equal(a.flat, exact.to(at::kBFloat16)));
}

// Every method of the table that a search takes, as it is applied to files.
void check_all_methods(const std::function<Components(const ProxyMethodConfig&)>& components,
                       const std::function<Weights(const ProxyMethodConfig&)>& expected,
                       const std::vector<double>& weights) {
  int fitting = 0;
  for (const MergeMethod* method : merge_methods()) {
    ProxyMethodConfig config{std::string(method->name), {}};
    if (method->find_parameter("density")) config.parameters["density"] = "0.6";
    if (method->find_parameter("lambda")) config.parameters["lambda"] = "0.9";
    try {
      check_fit_for_search(*method);
    } catch (const Error&) {
      EXPECT_THROW(components(config), Error) << method->name;
      continue;
    }
    ++fitting;
    const Components loaded = components(config);
    Weights proxy = loaded.allocate();
    loaded.merge(weights, proxy);
    EXPECT_LT(largest_difference(proxy.flat, expected(config).flat.to(proxy.flat.scalar_type())),
              1e-6)
        << method->name;
  }
  EXPECT_EQ(fitting, 11);
}

TEST_F(ComponentsTest, EveryMethodThatFitsASearchGivesWhatItGivesForFiles) {
  const std::vector<double> weights = {0.2, 0.3, 0.5};
  check_all_methods([&](const auto& config) { return components(config); },
                    [&](const auto& config) { return expected(config, weights); },
                    weights);
}

TEST_F(Bfloat16Components, EveryMethodWorksOnThemToo) {
  const std::vector<double> weights = {0.2, 0.3, 0.5};
  check_all_methods([&](const auto& config) { return components(config); },
                    [&](const auto& config) { return expected(config, weights); },
                    weights);
}

TEST_F(ComponentsTest, MethodsThatDrawDrawTheSameForEveryProxy) {
  const Components components = this->components({"dare_linear", {{"density", "0.5"}}});
  Weights a = components.allocate(), b = components.allocate();
  components.merge({1, 0, 0}, a);
  components.merge({0.5, 0, 0}, b);
  const at::Tensor kept = (a.flat != base()), kept_by_half = (b.flat != base());
  EXPECT_TRUE(at::equal(kept, kept_by_half));
  const double share = kept.to(at::kDouble).mean().item<double>();
  EXPECT_GT(share, 0.3);
  EXPECT_LT(share, 0.7);
}

TEST_F(ComponentsTest, DriftAndCosinesFollowTheirDefinitions) {
  models_[1] = weights_over(pico(), base() * 2);
  models_[2] = models_[0];
  models_[3] = weights_over(pico(), base() * 0.5);
  for (size_t i = 1; i < 4; ++i) save(i, at::kFloat);
  const Components components = this->components();
  EXPECT_NEAR(components.drifts()[0], 1.0 / 3, 1e-6);
  EXPECT_EQ(components.drifts()[1], 0);
  EXPECT_NEAR(components.cosines()[0][0], 1, 1e-6);
  EXPECT_EQ(components.cosines()[0][1], 0);
  EXPECT_NEAR(components.cosines()[0][2], -1, 1e-6);
}

TEST_F(ComponentsTest, ProductsOfTensorsGiveTheSameSums) {
  const at::Tensor rows = at::stack({model(0), model(1), model(2), base()});
  const at::Tensor factors =
      at::tensor({0.2, 0.3, 0.5, 0.0, -1.0, 2.0, 0.5, 0.25}, at::kFloat).view({2, 4});
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor stored = rows.to(dtype);
    const at::Tensor exact = at::mm(factors.to(at::kDouble), stored.to(at::kDouble));
    // A stretch that does not divide the rows.
    std::vector<at::Tensor> outs = {at::empty({rows.size(1)}, at::kFloat),
                                    at::empty({rows.size(1)}, at::kBFloat16)};
    sum_by_products(factors, stored, outs, 1000);
    EXPECT_LT(largest_difference(outs[0], exact[0]), 1e-6);
    EXPECT_LT(largest_difference(outs[1], exact[1].to(at::kFloat).to(at::kBFloat16)), 1e-2);
  }
}

TEST_F(ComponentsTest, BadMixturesAreRefused) {
  const Components components = this->components();
  Weights proxy = components.allocate();
  EXPECT_THROW(components.merge({0.5, NAN, 0.5}, proxy), Error);
  EXPECT_THROW(components.merge({0.5, 0.5}, proxy), Error);
  EXPECT_THROW(components.merge({0, 0, 0}, proxy), Error);
}

TEST_F(ComponentsTest, BadFilesAreRefusedByName) {
  models_[2].tensors[3].view(-1)[7] = NAN;
  save_model(folder(2), pico(), models_[2], at::kFloat, {});
  EXPECT_MENTIONS(error_of(), "model2");
  EXPECT_MENTIONS(error_of(), parameter_layout(pico())[3].name);
  models_[2].tensors[3].view(-1)[7] = 3.4e38;
  save_model(folder(2), pico(), models_[2], at::kFloat, {});
  EXPECT_EQ(error_of(), "no error");
  EXPECT_MENTIONS(error_of({}, {"auto", "bfloat16"}), "not finite as bfloat16");

  Architecture wider = pico();
  wider.intermediate = 64;
  save_model(folder(2), wider, initial_weights(wider, Rng(1)), at::kFloat, {});
  EXPECT_MENTIONS(error_of(), "component 'c1'");
  EXPECT_MENTIONS(error_of(), "intermediate");
  std::filesystem::remove(folder(2) / "model.safetensors");
  EXPECT_MENTIONS(error_of(), "model2");
}

TEST_F(ComponentsTest, BadMethodsAreRefusedByName) {
  EXPECT_MENTIONS(error_of({"tie", {}}), "ties");
  EXPECT_MENTIONS(error_of({"slerp", {}}), "slerp");
  EXPECT_MENTIONS(error_of({"nuslerp", {}}), "nuslerp");
  EXPECT_MENTIONS(error_of({"model_stock", {}}), "model_stock");
  EXPECT_MENTIONS(error_of({"sce", {}}), "sce");
  EXPECT_MENTIONS(error_of({"ties", {{"densty", "0.5"}}}), "density");
  EXPECT_MENTIONS(error_of({"ties", {{"density", "2"}}}), "density");
  EXPECT_MENTIONS(error_of({"ties", {{"weight", "1"}}}), "sets the weights itself");
}

}  // namespace
}  // namespace demix
