// What a launcher of several processes, torchrun or Slurm's srun, told this one.
#pragma once

#include <optional>

namespace demix {

struct Launch {
  int rank = 0, processes = 1;
  int local_rank = 0;  // on this machine

  bool is_worker() const { return rank > 0; }
};

// From RANK, WORLD_SIZE and LOCAL_RANK, or from SLURM_PROCID, SLURM_STEP_NUM_TASKS and
// SLURM_LOCALID; nothing where none launched it, or this process alone. Throws Error when they are
// no numbers.
std::optional<Launch> launch_of_environment();

}  // namespace demix
