// What a merged checkpoint's folder holds beside the weights.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "demix/core/json.h"
#include "demix/merge/number_formats.h"

namespace demix {

// `config` with the dtype that the weights have, wherever it names one; at least at the top.
Json config_with_dtype(Json config, NumberFormat format);

// Copies the generation settings and a model's own code from `reference`.
void copy_model_files(const std::filesystem::path& reference,
                      const std::filesystem::path& to,
                      bool sync);

bool holds_tokenizer(const std::filesystem::path& folder);

// Copies tokenizer and processor files; returns whether there is a tokenizer. `chat_template`
// replaces the tokenizer's own.
bool copy_tokenizer_files(const std::filesystem::path& from,
                          const std::filesystem::path& to,
                          const std::optional<std::string>& chat_template,
                          bool sync);

}  // namespace demix
