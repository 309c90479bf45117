#include "demix/merge/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/progress.h"

namespace demix {
namespace {

namespace fs = std::filesystem;

// Without "." and "..", trailing slashes and, where the folder exists, links: the folder whose
// sibling is written.
fs::path resolved(const fs::path& folder) {
  fs::path result = fs::weakly_canonical(fs::absolute(folder));
  if (!result.has_filename()) result = result.parent_path();
  if (!result.has_filename())
    throw Error("{}: cannot be the output; name a new folder", folder.string());
  return result;
}

void create_folders(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) throw Error("{}: cannot be created: {}", folder.string(), failed.message());
}

// The locked descriptor of an empty folder at `partial`.
int make_and_lock(const fs::path& partial, const fs::path& folder) {
  for (;;) {
    if (::mkdir(partial.c_str(), 0777) != 0 && errno != EEXIST) throw_write_error(partial, errno);
    const int lock = ::open(partial.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0 && errno == ENOENT) continue;
    if (lock < 0)
      throw Error("{}: in the way, and no leftover of a merge ({}); move it away",
                  partial.string(),
                  std::strerror(errno));
    // Some network file systems know no locks; there, two writers of one folder are not told apart.
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(lock);
      throw Error("{}: another process is writing this folder", folder.string());
    }
    // Whoever held the lock before may have renamed or removed what was opened here.
    struct stat opened, named;
    if (::fstat(lock, &opened) == 0 && ::lstat(partial.c_str(), &named) == 0 &&
        opened.st_ino == named.st_ino && opened.st_dev == named.st_dev)
      return lock;
    ::close(lock);
  }
}

}  // namespace

void check_output_is_free(const fs::path& folder) {
  if (!fs::exists(folder)) {
    if (fs::is_symlink(folder)) throw Error("{}: is a link to nothing", folder.string());
    return;
  }
  if (!fs::is_directory(folder))
    throw Error("{}: is a file, expected a folder; name a new one", folder.string());
  if (!fs::is_empty(folder)) throw Error("{}: is not empty; name a new folder", folder.string());
}

OutputFolder::OutputFolder(const fs::path& folder, bool sync) : sync_(sync) {
  check_output_is_free(folder);
  folder_ = resolved(folder);
  partial_ = folder_;
  partial_ += ".demix-partial";
  create_folders(folder_.parent_path());
  lock_ = make_and_lock(partial_, folder_);
  if (fs::is_empty(partial_)) return;
  say(fmt::format("removing {}, left by a merge that was stopped", partial_.string()));
  for (const fs::directory_entry& left : fs::directory_iterator(partial_))
    fs::remove_all(left.path());
}

OutputFolder::~OutputFolder() {
  if (lock_ < 0) return;
  std::error_code ignored;
  fs::remove_all(partial_, ignored);
  ::close(lock_);
}

void OutputFolder::commit() {
  if (sync_) sync_to_disk(partial_);
  if (::rename(partial_.c_str(), folder_.c_str()) != 0) {
    if (errno == ENOTEMPTY || errno == EEXIST)
      throw Error("{}: was filled by others in the meantime; name a new folder", folder_.string());
    throw_write_error(folder_, errno);
  }
  ::close(lock_);
  lock_ = -1;
  if (sync_) sync_to_disk(folder_.parent_path());
}

}  // namespace demix
