// The finished items of one model's evaluation, so that an interrupted one goes on where it was.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "demix/core/json.h"

namespace demix {

class Journal;

// Pieces lie under keys of what was computed: the tokens of an item, its answers and how they are
// scored. So a changed task, prompt, tokenizer or scoring version finds nothing, and a changed
// model has another `model`.
class ScoreJournal {
 public:
  // `model` identifies weights, dtype and device. Reads what `journal` has of it. Pieces are
  // recorded every `every_s` seconds, so a short evaluation leaves none before `flush`.
  ScoreJournal(Journal& journal, const std::string& model, double every_s = 2);

  struct Place {
    Journal* journal;  // null: nothing is recorded
    std::string model;
  };
  // Nothing is known before, and where to record is asked, once, `after_s` seconds from now, on
  // any thread that adds: a shorter evaluation has no journal.
  ScoreJournal(std::function<Place()> open, double after_s, double every_s = 2);

  // Pieces that earlier evaluations finished.
  size_t size() const { return found_.size(); }
  // The value of such a piece, or null.
  const Json* find(const std::string& key) const;
  // Records a piece, or replaces its value, with the next transaction. Thread-safe.
  void add(const std::string& key, const std::string& name, Json value);
  // Records what was added so far, in one transaction, where there is a place already.
  void flush();
  // Forgets all pieces of the model.
  void drop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Piece {
    std::string name;
    Json value;
  };
  void record();

  Journal* journal_ = nullptr;
  std::string kind_;
  std::function<Place()> open_;  // empty: asked already
  std::chrono::duration<double> wait_, every_;
  std::map<std::string, Json> found_;
  std::mutex mutex_;
  std::map<std::string, Piece> pending_;
  bool holds_some_ = false;  // in the journal
  Clock::time_point recorded_ = Clock::now();
};

}  // namespace demix
