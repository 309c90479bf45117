// The tokens that end what a model generates, as its folder names them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace demix {

// eos_token_id of config.json and generation_config.json, each a number or a list of numbers; what
// is not there names none. transformers ends at those of generation_config.json, lm-evaluation-
// harness also at the tokenizer's. Throws Error on a file that cannot be read as such.
std::vector<int32_t> end_tokens(const std::filesystem::path& model_folder);

}  // namespace demix
