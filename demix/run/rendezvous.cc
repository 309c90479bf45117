#include "demix/run/rendezvous.h"

#include <c10/util/Logging.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#include <vector>

#include "demix/core/error.h"

namespace demix {
namespace {

// Calls `use(socket, address)` for the addresses of a host, until it returns true.
template <typename Use>
bool for_each_address(const Address& address, bool to_listen, Use use) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = to_listen ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed) throw Error("{}: this host is not known: {}", address.host, gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, freeaddrinfo);
  for (const addrinfo* each = found; each; each = each->ai_next) {
    const int socket =
        ::socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol);
    if (socket < 0) continue;
    if (use(socket, *each)) return true;
    const int error = errno;
    ::close(socket);
    errno = error;
  }
  return false;
}

uint16_t port_of(int socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size);
  char port[16] = "0";
  getnameinfo(reinterpret_cast<sockaddr*>(&name),
              size,
              nullptr,
              0,
              port,
              sizeof port,
              NI_NUMERICSERV | NI_NUMERICHOST);
  return static_cast<uint16_t>(std::stoi(port));
}

// The store would serve at every address of the machine; it is given a socket instead.
int listen_at(const Address& address) {
  int listening = -1;
  const bool done = for_each_address(address, true, [&](int socket, const addrinfo& at) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (::bind(socket, at.ai_addr, at.ai_addrlen) != 0 || ::listen(socket, SOMAXCONN) != 0)
      return false;
    listening = socket;
    return true;
  });
  if (!done)
    throw Error("{}:{}: cannot be listened at: {}; name another with --listen HOST:PORT",
                address.host,
                address.port,
                std::strerror(errno));
  return listening;
}

bool someone_serves(const Address& address) {
  return for_each_address(address, false, [](int socket, const addrinfo& at) {
    if (::connect(socket, at.ai_addr, at.ai_addrlen) != 0) return false;
    ::close(socket);
    return true;
  });
}

// A lost connection is an Error here; c10d would print it too, with a stack.
void silence_warnings() {
  constexpr int kErrors = 2;
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = kErrors;
}

constexpr size_t kPartBytes = size_t{4} << 20;

std::string part_key(const std::string& key, size_t part) {
  return fmt::format("{}/{}", key, part);
}

std::vector<uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }
std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

Address read_address(const std::string& text, const std::string& where) {
  const size_t colon = text.rfind(':');
  unsigned port = 0;
  if (colon != std::string::npos && colon > 0) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (error == std::errc() && stop == end && port <= 65535)
      return {std::move(host), static_cast<uint16_t>(port)};
  }
  throw Error("{}: '{}' is no address; expected HOST:PORT, such as 127.0.0.1:0 (0: any free port)",
              where,
              text);
}

struct Rendezvous::Store {
  c10::intrusive_ptr<c10d::TCPStore> store;
};

Rendezvous::Rendezvous(Address address, std::string secret, std::unique_ptr<Store> store)
    : address_(std::move(address)), secret_(std::move(secret)), store_(std::move(store)) {}
Rendezvous::~Rendezvous() = default;

std::unique_ptr<Rendezvous> Rendezvous::serve(const Address& address, std::string secret) {
  silence_warnings();
  const int socket = listen_at(address);
  const Address taken{address.host, port_of(socket)};
  c10d::TCPStoreOptions options;
  options.port = taken.port;
  options.isServer = true;
  options.waitWorkers = false;
  options.masterListenFd = socket;
  auto store = std::make_unique<Store>(c10::make_intrusive<c10d::TCPStore>(taken.host, options));
  return std::unique_ptr<Rendezvous>(new Rendezvous(taken, std::move(secret), std::move(store)));
}

std::unique_ptr<Rendezvous> Rendezvous::join(const Address& address, std::string secret) {
  silence_warnings();
  // The store would try for minutes, and say so each time.
  if (!someone_serves(address)) return nullptr;
  c10d::TCPStoreOptions options;
  options.port = address.port;
  options.waitWorkers = false;
  options.timeout = std::chrono::seconds(10);
  auto store = std::make_unique<Store>(c10::make_intrusive<c10d::TCPStore>(address.host, options));
  return std::unique_ptr<Rendezvous>(new Rendezvous(address, std::move(secret), std::move(store)));
}

namespace {

// What c10d throws is long, with a stack.
template <typename Work>
auto or_gone(const Address& address, Work work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    throw Error("{}:{}: the run's coordinator does not answer: {}",
                address.host,
                address.port,
                error.msg());
  }
}

}  // namespace

void Rendezvous::put(const std::string& key, const std::string& value) {
  or_gone(address_, [&] {
    size_t parts = 0;
    std::string_view rest = value;
    for (; rest.size() > kPartBytes; rest.remove_prefix(kPartBytes))
      store_->store->set(secret_ + part_key(key, parts++), bytes_of(rest.substr(0, kPartBytes)));
    // Last, so that who finds it finds the parts.
    store_->store->set(secret_ + key, bytes_of(fmt::format("{}:{}", parts, rest)));
  });
}

std::optional<std::string> Rendezvous::read(const std::string& key, bool and_delete) {
  if (!has(key)) return std::nullopt;
  return or_gone(address_, [&] {
    const std::string last = text_of(store_->store->get(secret_ + key));
    const char* const end = last.data() + last.size();
    size_t parts = 0;
    const auto [colon, error] = std::from_chars(last.data(), end, parts);
    DEMIX_CHECK(error == std::errc() && colon != end && *colon == ':');
    std::string value;
    for (size_t part = 0; part < parts; ++part)
      value += text_of(store_->store->get(secret_ + part_key(key, part)));
    value.append(colon + 1, end);
    if (and_delete) {
      store_->store->deleteKey(secret_ + key);
      for (size_t part = 0; part < parts; ++part)
        store_->store->deleteKey(secret_ + part_key(key, part));
    }
    return value;
  });
}

std::optional<std::string> Rendezvous::get(const std::string& key) { return read(key, false); }

std::optional<std::string> Rendezvous::take(const std::string& key) { return read(key, true); }

bool Rendezvous::has(const std::string& key) {
  return or_gone(address_, [&] { return store_->store->check({secret_ + key}); });
}

int64_t Rendezvous::add(const std::string& key, int64_t count) {
  return or_gone(address_, [&] { return store_->store->add(secret_ + key, count); });
}

}  // namespace demix
