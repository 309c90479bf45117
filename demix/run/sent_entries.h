// Journal entries on their way between coordinator and workers, in JSON: [{kind, key, name,
// value}].
#pragma once

#include <span>
#include <string_view>

#include "demix/core/journal.h"

namespace demix {

void append_entries(std::string_view kind, std::span<const JournalEntry> entries, Json& sent);
// What the journal already has is not written again. Throws what the JSON library throws when
// `sent` is something else.
void record_entries(const Json& sent, Journal& journal);

}  // namespace demix
