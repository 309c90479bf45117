// The run's models: base, components and references, trained here, outside, or imported.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "demix/model/architecture.h"
#include "demix/run/datasets.h"
#include "demix/run/workspace.h"
#include "demix/train/trainer.h"

namespace demix {

struct Weights;

// One model wanted: the mixture that it is trained on, from the base.
struct ModelRequest {
  std::string name;                 // "components/math_high"; its folder inside the run
  std::vector<double> data_shares;  // by dataset
  StageTraining training;
  std::optional<uint64_t> seed = {};  // of the order of its data; the run's own
  double keep_early = 0;              // as TrainJob's
};

// One model there is.
struct ModelFacts {
  std::string name;
  std::filesystem::path folder;      // Hugging Face layout
  std::string weights_hash;          // of the float32 weights
  std::vector<double> data_shares;   // asked
  bool imported = false;             // not trained here: what it consumed is not known
  std::filesystem::path trained_by;  // the run that it was taken from; empty: this one trained it
  TrainResult result;                // of datasets with a share
};
void to_json(Json& json, const ModelFacts& facts);
void from_json(const Json& json, ModelFacts& facts);

// The imported base's architecture, or the configured one with the tokenizer's vocabulary.
Architecture run_architecture(const RunConfig& config, int32_t vocabulary_size);
// Throws Error, with what differs, unless the checkpoint in `folder` has this architecture and no
// other tokenizer than the run's. Reads no weights.
void check_fits(const std::string& name,
                const std::filesystem::path& folder,
                const Architecture& architecture,
                const RunConfig& config);
// Models trained at once, each on its share of the threads: one core each for small models on the
// CPU.
int parallel_models(const RunConfig& config, const Architecture& architecture);

class Models {
 public:
  Models(Workspace& workspace,
         const std::map<std::string, DatasetShards>& datasets,
         int32_t vocabulary_size);

  const Architecture& architecture() const { return architecture_; }
  // Trains or imports the base; call before any other model.
  const ModelFacts& base();
  const ModelFacts& base_facts() const { return base_; }
  // The models asked for, in that order; those in the journal whose weights are still there are
  // taken from it, or from that of a run which this one starts from (search.warm_start), the others
  // are trained, several at a time.
  std::vector<ModelFacts> train(const std::vector<ModelRequest>& requests,
                                const std::string& label);
  // Whether train() would take it from the journal. After base().
  bool is_trained(const ModelRequest& request) const;
  // Imports `folder` as model `name`. Throws Error, with what differs, unless it has the
  // architecture of the base and descends from it.
  ModelFacts import(const std::string& name,
                    const std::filesystem::path& folder,
                    std::vector<double> data_shares);

  Weights load(const ModelFacts& facts) const;  // float32, CPU
  // In words, of a folder that is there; empty: its weights are those of `facts`. Reads them.
  std::string damage_of(const ModelFacts& facts) const;
  // The model as it was on the way, where its weights then were kept and a folder is still there.
  std::optional<ModelFacts> early(const ModelFacts& facts) const;

 private:
  // Of everything that its weights depend on. Datasets without a share are none of it.
  std::string key_of(const ModelRequest& request, const std::string& initial) const;
  std::vector<MixedStream::Source> sources_of(const ModelRequest& request) const;
  // Of the journal, where its weights are still there.
  std::optional<ModelFacts> known_model(const std::string& key, const ModelRequest& request) const;
  // What another run trained under the same key; into the journal.
  std::optional<ModelFacts> model_of_other_run(const std::string& key, const ModelRequest& request);
  // As it lies in a run's folder, under the request's name, unless its weights are not those that
  // were trained, which is warned of.
  std::optional<ModelFacts> model_in(const std::filesystem::path& run,
                                     ModelFacts facts,
                                     const ModelRequest& request) const;
  void warn_of_slow_products();
  void warn_of_rising_losses(const std::vector<ModelFacts>& models) const;
  ModelFacts train_here(const ModelRequest& request,
                        const std::string& key,
                        const Weights& initial);
  ModelFacts train_outside(const ModelRequest& request);

  Workspace& workspace_;
  const std::map<std::string, DatasetShards>& datasets_;
  Architecture architecture_;
  ModelFacts base_;
  bool warned_of_slow_products_ = false;
};

}  // namespace demix
