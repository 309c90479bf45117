// Where the processes of a run meet, on one machine or on several: c10d's key-value store, which
// one of them serves.
//
// As with torch's own, nothing is encrypted: it is meant for a cluster's own network. All keys
// begin with a secret that only those can know who read the run's folder.
//
// The store drops, without a word, who sends it more than 8 MiB at once; so a value lies there in
// parts of at most 4 MiB: KEY/0, KEY/1 … and then, at KEY itself, "PARTS:REST", their number and
// what is left.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace demix {

struct Address {
  std::string host;
  uint16_t port = 0;
};
// "HOST:PORT"; throws Error, naming `where`, on anything else.
Address read_address(const std::string& text, const std::string& where);

// Thread-safe. A call throws Error when the process that serves is gone.
class Rendezvous {
 public:
  // Serves at `address`; port 0 takes a free one. Throws Error where that cannot be had.
  static std::unique_ptr<Rendezvous> serve(const Address& address, std::string secret);
  // Null where nobody serves at `address`.
  static std::unique_ptr<Rendezvous> join(const Address& address, std::string secret);
  ~Rendezvous();

  const Address& address() const { return address_; }

  // Of any size. What others may be reading is not put anew; they take it first.
  void put(const std::string& key, const std::string& value);
  std::optional<std::string> get(const std::string& key);
  // The value, which is then gone.
  std::optional<std::string> take(const std::string& key);
  bool has(const std::string& key);
  // Adds to a number, which begins at zero, and returns the sum.
  int64_t add(const std::string& key, int64_t count);

 private:
  struct Store;
  std::optional<std::string> read(const std::string& key, bool and_delete);
  Rendezvous(Address address, std::string secret, std::unique_ptr<Store> store);

  Address address_;
  std::string secret_;
  std::unique_ptr<Store> store_;
};

}  // namespace demix
