// A run's work, shared among processes on one machine or several.
//
// The coordinator runs the loop (run.h). Where the loop has several pieces of work that do not
// depend on each other, models to train or proxies to score, it gives them to do_all: workers
// (worker.h) that have joined get some, and the coordinator does others itself. What a worker did
// comes back as entries for the journal, as if it had been done here: so a run with workers is
// resumed, and reported, like any other, and workers may come and go.
//
// A worker that has not been heard of for a while is given up, and its piece goes to someone else.
// A piece that fails at a worker is done here, where its error is the run's; that worker gets no
// more of the same do_all, as one that lacks something would take and spoil piece after piece.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "demix/core/journal.h"
#include "demix/run/rendezvous.h"

namespace demix {

struct RunConfig;

// A piece of work.
struct Unit {
  std::string name;            // for people: "components/math_high"
  Json job;                    // for a worker (worker.h)
  std::function<void()> here;  // does it in this process, and records it in the journal
  std::function<bool()> is_recorded;
};

// How patient the coordinator is.
struct CoordinatorTimes {
  std::chrono::milliseconds look{20};         // between two looks at the workers
  std::chrono::milliseconds silence{30'000};  // after which a worker is given up
  std::chrono::milliseconds farewell{5'000};  // for workers to hear that the run is over
};

// In the run's folder: where the coordinator is, for those who can read the folder.
std::filesystem::path coordinator_file(const std::filesystem::path& run_folder);

class Coordinator {
 public:
  // Serves at `listen` and says so in coordinator_file(folder). `journal` outlives this. Throws
  // Error where the address cannot be had.
  Coordinator(const Address& listen,
              RunConfig config,
              const std::filesystem::path& folder,
              Journal& journal,
              CoordinatorTimes times = {});
  // Tells the workers that the run is over.
  ~Coordinator();

  const Address& address() const;
  // That have joined and not left.
  int workers() const;

 private:
  friend void do_all(Coordinator* coordinator,
                     std::span<const Unit> units,
                     int threads,
                     const std::function<void(size_t)>& done);
  struct State;
  std::unique_ptr<State> state_;
};

// Does all units: here with `threads` threads, and by the coordinator's workers if it is not null.
// `done` is called after each with its number, never by two threads at once. The first exception of
// those that are done here ends everything and is thrown.
void do_all(Coordinator* coordinator,
            std::span<const Unit> units,
            int threads,
            const std::function<void(size_t)>& done);

}  // namespace demix
