// A shell script that runs when this process is through with something, however that comes about.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace demix {

// A waiting process of its own, in a session of its own: signals from the terminal do not reach it.
class AtEnd {
 public:
  // For /bin/sh, with `arguments` as $1, $2, … Throws Error when no process can be started.
  AtEnd(const std::string& script, const std::vector<std::string>& arguments);
  // Runs the script and waits for its end. It also runs when this process dies, even when it is
  // killed.
  ~AtEnd();
  AtEnd(const AtEnd&) = delete;

 private:
  int open_ = -1;  // the script runs when this end of a pipe is closed
  pid_t process_ = 0;
};

}  // namespace demix
