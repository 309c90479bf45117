#include "demix/evaluate/end_tokens.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/core/files.h"
#include "demix/core/json.h"

namespace demix {

std::vector<int32_t> end_tokens(const std::filesystem::path& model_folder) {
  std::vector<int32_t> tokens;
  for (const char* name : {"config.json", "generation_config.json"}) {
    const std::filesystem::path path = model_folder / name;
    if (!std::filesystem::exists(path)) continue;
    const Json json = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) throw Error("{}: expected a JSON map", path.string());
    const auto found = json.find("eos_token_id");
    if (found == json.end() || found->is_null()) continue;
    for (const Json& id : found->is_array() ? *found : Json::array({*found})) {
      if (!id.is_number_integer() || id < 0 || id > std::numeric_limits<int32_t>::max())
        throw Error("{}: eos_token_id: expected a token's number or a list of them, found {}",
                    path.string(),
                    printable(found->dump()));
      tokens.push_back(id.get<int32_t>());
    }
  }
  return tokens;
}

}  // namespace demix
