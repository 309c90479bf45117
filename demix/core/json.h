// JSON values as a type of ours, so that headers need only the forward declaration.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace demix {
using Json = nlohmann::ordered_json;
}  // namespace demix
