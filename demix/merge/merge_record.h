// demix_merge.json: how a merged checkpoint was made.
#pragma once

#include "demix/core/json.h"
#include "demix/merge/merge_to_disk.h"

namespace demix {

constexpr const char* kMergeRecord = "demix_merge.json";

Json merge_record(const MergeJob& job, const MergeReport& report);

}  // namespace demix
