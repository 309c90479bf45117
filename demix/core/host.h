// The machine that this process runs on.
#pragma once

#include <string>

namespace demix {

std::string host_name();

}  // namespace demix
