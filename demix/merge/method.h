// What a merge method is: one tensor of each model goes in, the merged tensor comes out.
//
// Every method is a plain function over float32 values: it opens no file, prints nothing, and draws
// no random number but from the stream it is given. What differs between methods (whether they read
// a base, how many models they take, their parameters) is declared in one MergeMethod each, so that
// a configuration can be checked as a whole before the first tensor is read:
//
//   const MergeMethod& method = find_merge_method("ties");
//   MergeParameters parameters(method, models.size());
//   parameters.set("lambda", "0.8");
//   parameters.set("weight", 0, "0.3");             // of model 0
//   check_merge(method, parameters, has_base);      // once, before any expensive step
//   for (every tensor) method.merge({...}, out);
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demix/core/rng.h"

namespace demix {

enum class BaseUse {
  kNone,      // the method knows no base; callers may pass the base as one more model
  kOptional,  // with a base it works on the updates (model − base)
  kRequired,
};

// One parameter as users write it.
struct MergeParameter {
  enum class Scope { kTensor, kModel };  // one value for a tensor, or one for each model
  enum class Type { kNumber, kInteger, kFlag, kChoice };

  std::string_view name;
  std::string_view meaning;
  Scope scope = Scope::kTensor;
  Type type = Type::kNumber;
  double default_value = 0;  // NaN: there is none, it must be set
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  std::span<const std::string_view> choices = {};  // the value is the index of one

  bool required() const { return default_value != default_value; }
  // The value that `text` means; flags know true and false (in choices too, where listed).
  // Throws Error, saying what is expected, when it means none or one out of range.
  double parse(std::string_view text) const;
  void check(double value) const;  // the same for a value
};

struct MergeMethod;

// The values of a method's parameters for one tensor of K models. All have their defaults at first.
class MergeParameters {
 public:
  MergeParameters(const MergeMethod& method, size_t models);

  // Throw Error for a name the method does not have (with the nearest), and for wrong values.
  // Without `model`, a parameter of the models is set for all of them.
  void set(std::string_view name, std::string_view text);
  void set(std::string_view name, size_t model, std::string_view text);
  void set(std::string_view name, double value);
  void set(std::string_view name, size_t model, double value);

  size_t models() const { return models_; }
  bool has(std::string_view name) const;
  // Values by name, for the methods; the name must exist and have the scope asked for.
  double number(std::string_view name) const;
  bool flag(std::string_view name) const { return number(name) != 0; }
  int64_t integer(std::string_view name) const { return static_cast<int64_t>(number(name)); }
  std::string_view choice(std::string_view name) const;
  std::span<const double> of_models(std::string_view name) const;
  // A required parameter that is still without a value, or empty.
  std::string_view missing() const;

 private:
  size_t find(std::string_view name) const;

  const MergeMethod* method_;
  size_t models_;
  std::vector<std::vector<double>> values_;  // like method.parameters: one value, or one per model
};

// One tensor to be merged.
struct TensorMerge {
  std::span<const int64_t> shape;        // empty for a scalar
  int64_t count = 0;                     // product of the shape, may be 0
  const float* base = nullptr;           // [count]; null without a base
  std::span<const float* const> models;  // K pointers to [count]; without the base
  const MergeParameters& parameters;
  const Rng& rng;   // this tensor's own stream: the result is a function of it
  int threads = 1;  // never changes the result
};

struct MergeMethod {
  std::string_view name;   // as in configurations: "dare_ties"
  std::string_view paper;  // where it was published, with its address
  BaseUse base = BaseUse::kNone;
  size_t fewest_models = 1, most_models = SIZE_MAX;  // without the base
  std::span<const MergeParameter> parameters;
  // Writes [count] values, which must not overlap the inputs. Scratch memory beside `out`: under
  // 64 MiB, unless the method's file says otherwise.
  void (*merge)(const TensorMerge& tensor, float* out) = nullptr;
  // The factor of each model in the result as far as parameters alone decide it (after
  // normalisation and λ; the base has the rest to 1). Null where the values of the models decide.
  std::vector<double> (*effective_weights)(const MergeParameters& parameters) = nullptr;
  // What parameters must fulfil together; throws Error. May be null.
  void (*check)(const MergeParameters& parameters, bool has_base) = nullptr;

  // Element i of the result depends on elements i of the inputs and on the parameters alone: a
  // tensor may be merged piece by piece, each piece as a tensor of one dimension.
  bool elementwise = false;

  const MergeParameter* find_parameter(std::string_view name) const;  // or null
  bool uses_weights() const { return find_parameter("weight") != nullptr; }
};

// The table, in methods.cc.
std::span<const MergeMethod* const> merge_methods();
// Throws Error with the nearest name when there is none of that name.
const MergeMethod& find_merge_method(std::string_view name);

// Throws Error unless number of models, base and parameters are what the method needs.
void check_merge(const MergeMethod& method, const MergeParameters& parameters, bool has_base);

// Throws Error, with the reason, when the method cannot turn any number of models and their
// weights into a proxy, as a search over mixtures needs.
void check_fit_for_search(const MergeMethod& method);

}  // namespace demix
