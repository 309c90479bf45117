#include "demix/core/journal.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "demix/core/error.h"
#include "demix/core/host.h"

namespace demix {
namespace {

constexpr int kApplicationId = 0x64656d78;  // "demx", in the file's header
constexpr int kVersion = 1;

constexpr const char* kSchema =
    "CREATE TABLE pieces ("
    "  position INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  kind TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
    "  UNIQUE (kind, key));"
    "CREATE TABLE seconds (stage TEXT PRIMARY KEY, seconds REAL NOT NULL);";

}  // namespace

struct JournalDatabase {
  std::string path;
  sqlite3* handle = nullptr;
  mutable std::mutex mutex;

  ~JournalDatabase() { sqlite3_close_v2(handle); }

  [[noreturn]] void fail(int code) const {
    const std::string reason = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
    if ((code & 0xff) == SQLITE_FULL || (handle && sqlite3_system_errno(handle) == ENOSPC)) {
      throw Error("{}: the disk is full; free some space and start again, finished work is kept",
                  path);
    }
    switch (code & 0xff) {
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        throw Error("{}: damaged journal ({}); move it away to begin anew, or restore a copy",
                    path,
                    reason);
      case SQLITE_CANTOPEN:
        throw Error("{}: the journal cannot be opened; is its folder there and writable?", path);
      case SQLITE_BUSY:
        throw Error("{}: another program keeps the journal locked", path);
      default:
        throw Error("{}: the journal cannot be used: {}", path, reason);
    }
  }

  void check(int code) const {
    if (code != SQLITE_OK) fail(code);
  }

  void execute(const std::string& statements) const {
    check(sqlite3_exec(handle, statements.c_str(), nullptr, nullptr, nullptr));
  }
};

namespace {

// One prepared statement: bind in order, then step through its rows.
class Statement {
 public:
  Statement(const JournalDatabase& journal, const char* text);
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;

  Statement& bind(std::string_view text);
  Statement& bind(double value);
  // True while there is a row.
  bool step();
  std::string text(int column) const;
  double real(int column) const { return sqlite3_column_double(statement_, column); }
  int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  const JournalDatabase& journal_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

Statement::Statement(const JournalDatabase& journal, const char* text) : journal_(journal) {
  journal_.check(sqlite3_prepare_v2(journal_.handle, text, -1, &statement_, nullptr));
}

Statement& Statement::bind(std::string_view text) {
  journal_.check(sqlite3_bind_text64(
      statement_, ++bound_, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(double value) {
  journal_.check(sqlite3_bind_double(statement_, ++bound_, value));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) journal_.fail(code);
  return code == SQLITE_ROW;
}

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return data ? std::string(data, static_cast<size_t>(sqlite3_column_bytes(statement_, column)))
              : "";
}

Json parsed(const JournalDatabase& journal, const std::string& text) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw Error(
        "{}: damaged journal (a value is not JSON: {}); move it away to begin anew, or restore "
        "a copy",
        journal.path,
        error.what());
  }
}

}  // namespace

Journal::Journal(const std::filesystem::path& file)
    : database_(std::make_unique<JournalDatabase>()) {
  database_->path = file.string();
  database_->check(
      sqlite3_open_v2(file.c_str(),
                      &database_->handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                      nullptr));
  sqlite3_extended_result_codes(database_->handle, 1);
  database_->check(sqlite3_busy_timeout(database_->handle, 10'000));
  database_->execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");

  // One writer at a time from here, so that two processes do not both create the tables.
  database_->execute("BEGIN IMMEDIATE");
  const auto pragma = [&](const char* text) {
    Statement statement(*database_, text);
    return statement.step() ? statement.integer(0) : 0;
  };
  const int64_t application = pragma("PRAGMA application_id");
  const int64_t version = pragma("PRAGMA user_version");
  const int64_t tables = pragma("SELECT count(*) FROM sqlite_master");
  if (application == 0 && version == 0 && tables == 0) {
    database_->execute(kSchema);
    database_->execute(fmt::format(
        "PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kVersion));
  } else if (application != kApplicationId) {
    throw Error("{}: an SQLite file, but not the journal of a run", database_->path);
  } else if (version != kVersion) {
    throw Error(
        "{}: journal of version {}, this program writes version {}; use the program that "
        "made it, or another run folder",
        database_->path,
        version,
        kVersion);
  }
  database_->execute("COMMIT");
  Statement check(*database_, "PRAGMA quick_check(1)");
  if (!check.step() || check.text(0) != "ok") {
    throw Error("{}: damaged journal ({}); move it away to begin anew, or restore a copy",
                database_->path,
                check.text(0));
  }
}

Journal::~Journal() = default;
Journal::Journal(Journal&&) noexcept = default;

std::optional<Json> Journal::find(std::string_view kind, std::string_view key) const {
  const std::lock_guard lock(database_->mutex);
  Statement statement(*database_, "SELECT value FROM pieces WHERE kind = ? AND key = ?");
  statement.bind(kind).bind(key);
  if (!statement.step()) return std::nullopt;
  return parsed(*database_, statement.text(0));
}

void Journal::put(std::string_view kind,
                  std::string_view key,
                  std::string_view name,
                  const Json& value) {
  const JournalEntry entry{std::string(key), std::string(name), value};
  put(kind, {&entry, 1});
}

void Journal::put(std::string_view kind, std::span<const JournalEntry> entries) {
  const std::lock_guard lock(database_->mutex);
  database_->execute("BEGIN IMMEDIATE");
  try {
    for (const JournalEntry& entry : entries) {
      Statement statement(*database_,
                          "INSERT INTO pieces (kind, key, name, value) VALUES (?, ?, ?, ?) "
                          "ON CONFLICT (kind, key) DO UPDATE SET name = excluded.name, "
                          "value = excluded.value");
      const std::string text = entry.value.dump(-1, ' ', false, Json::error_handler_t::replace);
      statement.bind(kind).bind(entry.key).bind(entry.name).bind(text);
      statement.step();
    }
    database_->execute("COMMIT");
  } catch (...) {
    // Fails where SQLite has rolled back itself.
    sqlite3_exec(database_->handle, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

void Journal::drop(std::string_view kind) {
  const std::lock_guard lock(database_->mutex);
  Statement statement(*database_, "DELETE FROM pieces WHERE kind = ?");
  statement.bind(kind);
  statement.step();
}

std::vector<JournalEntry> Journal::all(std::string_view kind) const {
  const std::lock_guard lock(database_->mutex);
  Statement statement(*database_,
                      "SELECT key, name, value FROM pieces WHERE kind = ? ORDER BY position");
  statement.bind(kind);
  std::vector<JournalEntry> entries;
  while (statement.step()) {
    entries.push_back(
        {statement.text(0), statement.text(1), parsed(*database_, statement.text(2))});
  }
  return entries;
}

void Journal::add_seconds(std::string_view stage, double seconds) {
  const std::lock_guard lock(database_->mutex);
  Statement statement(*database_,
                      "INSERT INTO seconds (stage, seconds) VALUES (?, ?) "
                      "ON CONFLICT (stage) DO UPDATE SET seconds = seconds + excluded.seconds");
  statement.bind(stage).bind(seconds);
  statement.step();
}

double Journal::seconds(std::string_view stage) const {
  const std::lock_guard lock(database_->mutex);
  Statement statement(*database_, "SELECT seconds FROM seconds WHERE stage = ?");
  statement.bind(stage);
  return statement.step() ? statement.real(0) : 0;
}

RunLock::RunLock(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) {
    throw Error("{}: the run folder cannot be created: {}", folder.string(), failure.message());
  }
  const std::filesystem::path file = folder / "lock";
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    throw Error("{}: the lock file cannot be opened: {}", file.string(), std::strerror(errno));
  }
  // The lock belongs to the open file, not to the file's existence: the system drops it with the
  // process.
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    char holder[256] = {};
    const ssize_t size = ::pread(descriptor_, holder, sizeof holder - 1, 0);
    ::close(std::exchange(descriptor_, -1));
    if (error != EWOULDBLOCK) {
      throw Error("{}: cannot be locked: {}", file.string(), std::strerror(error));
    }
    throw Error(
        "{}: another process works in this run folder ({}); wait for it or choose another "
        "folder with --out",
        folder.string(),
        size > 0 ? holder : "its process id is not known yet");
  }
  const std::string holder = fmt::format("process {} on {}", ::getpid(), host_name());
  if (::ftruncate(descriptor_, 0) != 0 || ::pwrite(descriptor_, holder.data(), holder.size(), 0) !=
                                              static_cast<ssize_t>(holder.size())) {
    const int error = errno;
    ::close(std::exchange(descriptor_, -1));
    throw Error("{}: cannot be written: {}",
                file.string(),
                error == ENOSPC ? "the disk is full" : std::strerror(error));
  }
}

RunLock::~RunLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

RunLock::RunLock(RunLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

}  // namespace demix
