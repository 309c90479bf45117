#include "demix/run/worker.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/host.h"
#include "demix/core/memory_folder.h"
#include "demix/core/progress.h"
#include "demix/corpus/tokenizer.h"
#include "demix/evaluate/task.h"
#include "demix/run/coordinator.h"
#include "demix/run/datasets.h"
#include "demix/run/device.h"
#include "demix/run/early_checks.h"
#include "demix/run/evaluation.h"
#include "demix/run/model_scorer.h"
#include "demix/run/proxies.h"
#include "demix/run/sent_entries.h"

namespace demix {
namespace {

using Clock = std::chrono::steady_clock;

std::string training_text(StageTraining training) { return write_config(training); }
std::string merge_text(MergeConfig merge) { return write_config(merge); }

// What a coordinator says of itself in the run's folder.
struct Meeting {
  Address address;
  std::string secret, version, config;
  std::filesystem::path working_folder, run_folder;
};

std::optional<Meeting> read_meeting(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  const Json json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  try {
    return Meeting{.address = {json.at("host").get<std::string>(), json.at("port").get<uint16_t>()},
                   .secret = json.at("secret").get<std::string>(),
                   .version = json.at("demix").get<std::string>(),
                   .config = json.at("config").get<std::string>(),
                   .working_folder = json.at("working_folder").get<std::string>(),
                   .run_folder = json.at("run_folder").get<std::string>()};
  } catch (const nlohmann::json::exception& error) {
    throw Error("{}: not what a coordinator writes: {}", file.string(), printable(error.what()));
  }
}

std::string own_name() { return fmt::format("{}, process {}", host_name(), getpid()); }

// Tells the coordinator that this worker is alive, over a connection of its own, and ends this
// process where the coordinator may have given it up.
class Heartbeat {
 public:
  Heartbeat(std::unique_ptr<Rendezvous> rendezvous, int64_t id, const WorkerOptions& options)
      : rendezvous_(std::move(rendezvous)),
        key_(fmt::format("beats/{}", id)),
        beat_(options.beat),
        lost_(options.lost),
        watching_([this](const std::stop_token& stop) { watch(stop); }),
        beating_([this](const std::stop_token& stop) { beat(stop); }) {}

 private:
  void beat(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      try {
        rendezvous_->add(key_, 1);
      } catch (const std::exception&) {
        end();
      }
      // Asked here too: a process that was stopped for long may beat again before it watches.
      if (is_late()) end();
      const auto heard = Clock::now();
      heard_ = heard;
      while (Clock::now() - heard < beat_ && !stop.stop_requested())
        std::this_thread::sleep_for(kLook);
    }
  }

  // Where a network is cut silently, the answer to a beat is waited for without end.
  void watch(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (is_late()) end();
      std::this_thread::sleep_for(kLook);
    }
  }

  bool is_late() const { return Clock::now() - heard_.load() >= 10 * beat_; }

  [[noreturn]] void end() const {
    if (lost_) lost_();
    std::_Exit(75);  // EX_TEMPFAIL
  }

  static constexpr std::chrono::milliseconds kLook{20};

  std::unique_ptr<Rendezvous> rendezvous_;
  std::string key_;
  std::chrono::milliseconds beat_;
  std::function<void()> lost_;
  std::atomic<Clock::time_point> heard_ = Clock::now();  // when a beat was last answered
  std::jthread watching_, beating_;                      // watches until there are no more beats
};

RunConfig worker_config(const Meeting& meeting, const WorkerOptions& options) {
  RunConfig config =
      read_config<RunConfig>(ConfigNode::parse(meeting.config, "the run's configuration"));
  if (!options.device.empty()) config.device = options.device;
  if (options.threads > 0) config.threads = options.threads;
  const at::Device device = resolve_device(config.device);
  if (options.local_rank && device.is_cuda() && !device.has_index())
    config.device = fmt::format("cuda:{}", *options.local_rank);
  return config;
}

// Does jobs by the code of the loop.
class Work {
 public:
  Work(RunConfig config, const std::filesystem::path& run_folder)
      : scratch_(kJournalBytes),
        workspace_(std::move(config), run_folder, scratch_.path() / "journal.sqlite"),
        tokenizer_(run_tokenizer(workspace_.config())) {
    at::set_num_threads(resolve_threads(workspace_.config().threads));
  }

  Json answer(const Json& job) {
    record_entries(job.at("known"), workspace_.journal());
    if (!models_) {
      datasets_ = prepare_datasets(workspace_, tokenizer_);
      models_.emplace(workspace_, datasets_, tokenizer_.vocabulary_size());
    }
    models_->base();  // tried anew where it failed before
    const auto what = job.at("do").get<std::string>();
    if (what == "train") return train(job);
    if (what == "score merges") return score_merges(job);
    if (what == "score model") return score_model(job);
    throw Error("there is no job '{}'", printable(what));
  }

 private:
  static constexpr int64_t kJournalBytes = 64 << 20;

  Json train(const Json& job) {
    if (proxies_) proxies_->release_components();  // their memory serves the training
    const Json& json = job.at("request");
    ModelRequest request{.name = json.at("name").get<std::string>(),
                         .data_shares = json.at("data_shares").get<std::vector<double>>(),
                         .training = read_config<StageTraining>(ConfigNode::parse(
                             json.at("training").get<std::string>(), "the job's training"))};
    if (json.contains("seed")) request.seed = json.at("seed").get<uint64_t>();
    request.keep_early = json.at("keep_early").get<double>();
    const ModelFacts facts = models_->train({request}, job.at("label").get<std::string>()).front();
    std::vector<JournalEntry> its_own = workspace_.journal().all("model");
    std::erase_if(its_own, [&](const JournalEntry& entry) { return entry.name != facts.name; });
    Json entries = Json::array();
    append_entries("model", its_own, entries);
    return entries;
  }

  void prepare_scoring() {
    if (evaluation_) return;
    evaluation_.emplace(workspace_,
                        *models_,
                        datasets_,
                        load_tasks(workspace_.config().evaluate),
                        tokenizer_,
                        fmt::format("evaluation_command_{}_{}.log", host_name(), getpid()));
    model_scorer_.emplace(workspace_, *evaluation_);
    proxies_.emplace(workspace_, *models_, *evaluation_);
  }

  Json score_model(const Json& job) {
    prepare_scoring();
    TermsByMetric terms;
    model_scorer_->score(job.at("model").get<ModelFacts>(),
                         job.at("terms").get<bool>() ? &terms : nullptr);
    return scores();
  }

  Json score_merges(const Json& job) {
    prepare_scoring();
    const std::string components = job.at("components").dump() + job.at("merge").dump();
    if (components != loaded_) {
      loaded_.clear();
      const auto merge = read_config<MergeConfig>(
          ConfigNode::parse(job.at("merge").get<std::string>(), "the job's merge"));
      proxies_->load_components(job.at("components").get<std::vector<ModelFacts>>(), merge);
      loaded_ = components;
    }
    std::vector<ProxyRequest> requests;
    std::vector<TermsByMetric> terms(job.at("requests").size());
    for (const Json& request : job.at("requests")) {
      TermsByMetric* its_terms =
          request.at("terms").get<bool>() ? &terms[requests.size()] : nullptr;
      const bool on_selection = request.at("on_selection").get<bool>();
      requests.push_back({.merge_weights = request.at("merge_weights").get<std::vector<double>>(),
                          .name = request.at("name").get<std::string>(),
                          .terms = its_terms,
                          .items = on_selection ? Items::kSelection : Items::kAll});
    }
    proxies_->score(ProxyKind::kMerged, requests);
    return scores();
  }

  // Those of the job that was done.
  Json scores() {
    Json entries = Json::array();
    for (const char* kind : {"terms", "score"}) {  // a score tells that all is there
      append_entries(kind, workspace_.journal().all(kind), entries);
      workspace_.journal().drop(kind);
    }
    return entries;
  }

  const MemoryFolder scratch_;
  Workspace workspace_;
  const Tokenizer tokenizer_;
  std::map<std::string, DatasetShards> datasets_;
  std::optional<Models> models_;
  // Once there is something to score.
  std::optional<Evaluation> evaluation_;
  std::optional<ModelScorer> model_scorer_;
  std::optional<Proxies> proxies_;
  std::string loaded_;  // the components
};

// The coordinator and the way to it, once there is one.
std::pair<Meeting, std::unique_ptr<Rendezvous>> meet(const WorkerOptions& options) {
  const auto until = Clock::now() + options.patience;
  const std::filesystem::path file = coordinator_file(options.run_folder);
  for (bool told = false;; told = true) {
    if (auto meeting = read_meeting(file)) {
      if (meeting->version != DEMIX_VERSION)
        throw Error("{}: the run is at work with demix {}, this is {}",
                    options.run_folder.string(),
                    meeting->version,
                    DEMIX_VERSION);
      if (auto rendezvous = Rendezvous::join(meeting->address, meeting->secret))
        return {*std::move(meeting), std::move(rendezvous)};
    }
    if (Clock::now() >= until)
      throw Error(
          "{}: no run is at work in this folder that takes workers; start one with demix run … "
          "--out {} --listen HOST:PORT",
          options.run_folder.string(),
          options.run_folder.string());
    if (!told) say(fmt::format("worker: waits for a run in {}", options.run_folder.string()));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void enter(const Meeting& meeting) {
  std::error_code failed;
  std::filesystem::current_path(meeting.working_folder, failed);
  if (failed || !std::filesystem::exists(coordinator_file(meeting.run_folder)))
    throw Error(
        "{}: the run's folder is not there on this machine, from {}; workers need it, and the "
        "run's data, under the same paths",
        meeting.run_folder.string(),
        meeting.working_folder.string());
}

}  // namespace

Json training_job(const std::string& label, const ModelRequest& request) {
  Json json = {{"name", request.name},
               {"data_shares", request.data_shares},
               {"training", training_text(request.training)}};
  if (request.seed) json["seed"] = *request.seed;
  json["keep_early"] = request.keep_early;
  return {{"do", "train"}, {"label", label}, {"request", std::move(json)}};
}

Json scoring_job(std::span<const ProxyRequest> requests,
                 std::span<const ModelFacts> components,
                 const MergeConfig& merge) {
  Json list = Json::array();
  for (const ProxyRequest& request : requests)
    list.push_back({{"name", request.name},
                    {"merge_weights", request.merge_weights},
                    {"terms", request.terms != nullptr},
                    {"on_selection", request.items == Items::kSelection}});
  Json facts = Json::array();
  for (const ModelFacts& component : components) facts.push_back(component);
  return {{"do", "score merges"},
          {"merge", merge_text(merge)},
          {"components", std::move(facts)},
          {"requests", std::move(list)}};
}

Json scoring_job(const ModelFacts& model, bool with_terms) {
  return {{"do", "score model"}, {"model", model}, {"terms", with_terms}};
}

int64_t work(const WorkerOptions& options) {
  auto [meeting, rendezvous] = meet(options);
  enter(meeting);
  const int64_t id = rendezvous->add("ids", 1);
  const auto at = [id](const char* what) { return fmt::format("{}/{}", what, id); };
  auto beating = Rendezvous::join(meeting.address, meeting.secret);
  if (!beating) throw Error("{}: the coordinator has gone", meeting.address.host);
  std::optional<Heartbeat> heartbeat;
  heartbeat.emplace(std::move(beating), id, options);
  rendezvous->put(at("worker"), own_name());
  say(fmt::format("worker {}: has joined the run in {}", id, meeting.run_folder.string()));

  std::optional<Work> work;
  int64_t done = 0;
  const auto answer_of = [&](const std::string& job) {
    Json answer;
    try {
      if (!work) work.emplace(worker_config(meeting, options), meeting.run_folder);
      answer["entries"] = work->answer(Json::parse(job));
      ++done;
    } catch (const std::exception& error) {
      answer["error"] = error_chain(error);
      say(fmt::format("worker {}: {}", id, error_chain(error)));
    }
    return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  try {
    while (!rendezvous->has("over")) {
      if (const auto job = rendezvous->take(at("to"))) {
        rendezvous->put(at("from"), answer_of(*job));
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
    heartbeat.reset();  // it would take the coordinator's end for a loss
    rendezvous->put(at("left"), "");
  } catch (const Error&) {
    if (options.lost) options.lost();
    throw;
  }
  say(fmt::format("worker {}: the run is over", id));
  return done;
}

}  // namespace demix
