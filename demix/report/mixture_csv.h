// The mixture found, to hand over to a training run.
#pragma once

#include <string>

#include "demix/report/result.h"

namespace demix {

// dataset,share,merge_weight,tokens,epochs,share_low,share_high with a row for every dataset, zero
// shares too; quoted as in RFC 4180. Tokens and epochs are those of the target budget, empty where
// there is none; share_low and share_high are the tolerance, empty where it is not known.
std::string mixture_csv(const RunResult& result);

// The same for Megatron: "--data-path w1 path1 w2 path2 …", datasets without share left out, since
// Megatron refuses zero weights; quoted for a shell. Empty when no mixture is known.
std::string megatron_blend(const RunResult& result);

}  // namespace demix
