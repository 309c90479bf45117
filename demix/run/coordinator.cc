#include "demix/run/coordinator.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/host.h"
#include "demix/core/progress.h"
#include "demix/run/run_config.h"
#include "demix/run/sent_entries.h"

namespace demix {
namespace {

using Clock = std::chrono::steady_clock;

// The units of one do_all, and which of them are still to be done.
class Batch {
 public:
  Batch(std::span<const Unit> units, std::function<void(size_t)> done)
      : units_(units), done_(std::move(done)), finished_(units.size()), left_(units.size()) {
    for (size_t i = 0; i < units.size(); ++i) open_.push_back({i, false});
  }

  // Does units until all are done, here or elsewhere, or one has failed.
  void work() {
    while (const auto i = wait_for_unit()) {
      try {
        units_[*i].here();
        finish(*i);
      } catch (...) {
        fail(std::current_exception());
      }
    }
  }
  void throw_failure() {
    const std::lock_guard lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
  }

  // For a worker: the number of a unit and what it needs to know.
  std::optional<std::pair<size_t, Json>> take_for_worker() {
    const std::lock_guard lock(mutex_);
    if (failure_) return std::nullopt;
    for (auto unit = open_.begin(); unit != open_.end(); ++unit) {
      if (unit->only_here) continue;
      const size_t i = unit->number;
      open_.erase(unit);
      return std::pair{i, units_[i].job};
    }
    return std::nullopt;
  }
  // Whether what came back is what the unit was for.
  bool is_recorded(size_t i) {
    const std::lock_guard lock(mutex_);
    return failure_ || finished_[i] || units_[i].is_recorded();
  }
  void give_back(size_t i, bool only_here) {
    const std::lock_guard lock(mutex_);
    open_.push_front({i, only_here});
    changed_.notify_all();
  }
  void finish(size_t i) {
    const std::lock_guard lock(mutex_);
    if (finished_[i]) return;
    finished_[i] = true;
    --left_;
    if (!failure_) done_(i);
    changed_.notify_all();
  }
  void fail(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    changed_.notify_all();
  }

 private:
  struct Open {
    size_t number;
    bool only_here;
  };

  std::optional<size_t> wait_for_unit() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return failure_ || left_ == 0 || !open_.empty(); });
    if (failure_ || left_ == 0) return std::nullopt;
    const size_t i = open_.front().number;
    open_.pop_front();
    return i;
  }

  const std::span<const Unit> units_;  // not touched any more once do_all has returned
  const std::function<void(size_t)> done_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Open> open_;
  std::vector<bool> finished_;
  size_t left_;
  std::exception_ptr failure_;
};

std::string random_secret() {
  std::random_device random;
  std::string secret;
  for (int i = 0; i < 4; ++i) secret += fmt::format("{:08x}", random());
  return secret + "/";
}

// The name of a host that others find it by.
std::string known_as(const std::string& host) {
  if (host != "0.0.0.0" && host != "::") return host;
  if (const char* master = std::getenv("MASTER_ADDR")) return master;
  return host_name();
}

// Readable for the user alone.
void write_coordinator_file(const std::filesystem::path& file, const Json& json) {
  const std::filesystem::path fresh = file.string() + ".new";
  const int descriptor = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor >= 0) ::close(descriptor);
  write_file(fresh, json.dump(1) + "\n", /*sync=*/false);
  std::filesystem::rename(fresh, file);
}

}  // namespace

std::filesystem::path coordinator_file(const std::filesystem::path& run_folder) {
  return run_folder / "coordinator.json";
}

struct Coordinator::State {
  struct Worker {
    std::string name;  // "worker 2 (HOST, process 77)"
    int64_t beats = 0;
    Clock::time_point heard = Clock::now();
    bool gone = false;
    std::shared_ptr<Batch> batch;  // of the unit in work, if there is one
    size_t unit = 0;
    std::weak_ptr<Batch> failed;  // at a unit of this one
    bool failed_before = false;
  };

  std::unique_ptr<Rendezvous> rendezvous;
  std::filesystem::path file;
  Journal& journal;
  CoordinatorTimes times;
  std::map<int64_t, Worker> workers;
  Clock::time_point next_listening;
  std::mutex mutex;  // of the batch
  std::shared_ptr<Batch> batch;
  std::atomic<bool> over = false;
  std::atomic<int> present = 0;
  std::thread dispatcher;

  State(Journal& j, CoordinatorTimes t) : journal(j), times(t) {}

  std::shared_ptr<Batch> current_batch() {
    const std::lock_guard lock(mutex);
    return batch;
  }

  void dispatch() {
    while (!over) {
      try {
        greet();
        listen();
        collect();
        assign();
      } catch (...) {
        if (const auto now = current_batch()) now->fail(std::current_exception());
      }
      std::this_thread::sleep_for(times.look);
    }
  }

  void greet() {
    for (int64_t id = 1, given = rendezvous->add("ids", 0); id <= given; ++id) {
      if (workers.contains(id)) continue;
      const auto who = rendezvous->get(fmt::format("worker/{}", id));
      if (!who) continue;
      Worker& worker = workers[id];
      worker.name = fmt::format("worker {} ({})", id, printable(*who));
      ++present;
      say(fmt::format("{} has joined", worker.name));
    }
  }

  void listen() {
    if (Clock::now() < next_listening) return;
    next_listening = Clock::now() + times.silence / 30;
    for (auto& [id, worker] : workers) {
      if (worker.gone) continue;
      if (rendezvous->has(fmt::format("left/{}", id))) {
        give_up(worker, "has left");
        continue;
      }
      const int64_t beats = rendezvous->add(fmt::format("beats/{}", id), 0);
      const auto now = Clock::now();
      if (beats != worker.beats) {
        worker.beats = beats;
        worker.heard = now;
      } else if (now - worker.heard > times.silence) {
        give_up(
            worker,
            fmt::format("has not been heard of for {} s",
                        std::chrono::duration_cast<std::chrono::seconds>(times.silence).count()));
      }
    }
  }

  void give_up(Worker& worker, const std::string& why) {
    worker.gone = true;
    --present;
    say(fmt::format("{} {}{}",
                    worker.name,
                    why,
                    worker.batch ? ": what it was doing goes to someone else" : ""));
    if (worker.batch) worker.batch->give_back(worker.unit, false);
    worker.batch.reset();
  }

  // What comes from one that was given up counts as well.
  void collect() {
    for (auto& [id, worker] : workers) {
      const auto text = rendezvous->take(fmt::format("from/{}", id));
      if (!text) continue;
      const Json result = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
      const auto its_batch = std::exchange(worker.batch, nullptr);
      try {
        if (result.is_discarded()) throw Error("its answer is no JSON");
        if (result.contains("error")) throw Error("{}", result.at("error").get<std::string>());
        record_entries(result.at("entries"), journal);
        if (its_batch && !its_batch->is_recorded(worker.unit))
          throw Error("its answer is not what it was asked for");
      } catch (const std::exception& error) {
        // A worker that lacks something fails in batch after batch; the report needs it once.
        const auto tell = std::exchange(worker.failed_before, true) ? say : warn;
        tell(fmt::format("A piece of work failed at {}: {}. {}",
                         worker.name,
                         error.what(),
                         its_batch ? "The coordinator does it instead, and gives this worker no "
                                     "more of the pieces that are now in work."
                                   : "It had been given to someone else before."));
        worker.failed = its_batch;
        if (its_batch) its_batch->give_back(worker.unit, true);
        continue;
      }
      if (its_batch) its_batch->finish(worker.unit);
    }
  }

  void assign() {
    const auto now = current_batch();
    if (!now) return;
    std::optional<Json> known;
    for (auto& [id, worker] : workers) {
      if (worker.gone || worker.batch || worker.failed.lock() == now) continue;
      auto taken = now->take_for_worker();
      if (!taken) return;
      auto& [unit, job] = *taken;
      if (!known) known = known_entries();
      job["known"] = *known;
      worker.batch = now;
      worker.unit = unit;
      rendezvous->put(fmt::format("to/{}", id), job.dump());
    }
  }

  // What a worker finds in its own journal instead of making it anew.
  Json known_entries() const {
    Json entries = Json::array();
    for (const char* kind : {"dataset", "model"}) append_entries(kind, journal.all(kind), entries);
    return entries;
  }

  void say_farewell() {
    rendezvous->put("over", "");
    const auto until = Clock::now() + times.farewell;
    const auto all_know = [&] {
      for (auto& [id, worker] : workers)
        if (!worker.gone && !rendezvous->has(fmt::format("left/{}", id))) return false;
      return true;
    };
    while (!all_know() && Clock::now() < until) std::this_thread::sleep_for(times.look);
  }
};

Coordinator::Coordinator(const Address& listen,
                         RunConfig config,
                         const std::filesystem::path& folder,
                         Journal& journal,
                         CoordinatorTimes times)
    : state_(std::make_unique<State>(journal, times)) {
  const std::string secret = random_secret();
  state_->rendezvous = Rendezvous::serve(listen, secret);
  state_->file = coordinator_file(folder);
  const Address& address = state_->rendezvous->address();
  write_coordinator_file(state_->file,
                         {{"demix", DEMIX_VERSION},
                          {"host", known_as(address.host)},
                          {"port", address.port},
                          {"secret", secret},
                          {"working_folder", std::filesystem::current_path().string()},
                          {"run_folder", folder.string()},
                          {"config", write_config(config)}});
  say(fmt::format("coordinator: listens at {}:{}; workers join with demix work {}",
                  address.host,
                  address.port,
                  folder.string()));
  state_->dispatcher = std::thread([this] { state_->dispatch(); });
}

Coordinator::~Coordinator() {
  state_->over = true;
  state_->dispatcher.join();
  std::error_code gone;
  std::filesystem::remove(state_->file, gone);
  try {
    state_->say_farewell();
  } catch (const std::exception&) {
    // They notice that nobody answers.
  }
}

const Address& Coordinator::address() const { return state_->rendezvous->address(); }

int Coordinator::workers() const { return state_->present; }

void do_all(Coordinator* coordinator,
            std::span<const Unit> units,
            int threads,
            const std::function<void(size_t)>& done) {
  if (units.empty()) return;
  const auto batch = std::make_shared<Batch>(units, done);
  const auto set = [&](std::shared_ptr<Batch> now) {
    if (!coordinator) return;
    const std::lock_guard lock(coordinator->state_->mutex);
    coordinator->state_->batch = std::move(now);
  };
  set(batch);
  if (threads == 1) {
    batch->work();
  } else {
    std::vector<std::jthread> pool;
    for (int i = 0; i < threads; ++i) pool.emplace_back([&] { batch->work(); });
  }
  set(nullptr);
  batch->throw_failure();
}

}  // namespace demix
