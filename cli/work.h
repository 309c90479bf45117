// A worker's process.
#pragma once

#include "demix/run/worker.h"

namespace demix::cli {

// As work(); where the coordinator is lost, this process starts anew, by the same command, and
// waits for it to come back.
void work_until_over(WorkerOptions options);

}  // namespace demix::cli
