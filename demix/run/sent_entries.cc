#include "demix/run/sent_entries.h"

#include <string>

namespace demix {

void append_entries(std::string_view kind, std::span<const JournalEntry> entries, Json& sent) {
  for (const JournalEntry& entry : entries)
    sent.push_back(
        {{"kind", kind}, {"key", entry.key}, {"name", entry.name}, {"value", entry.value}});
}

void record_entries(const Json& sent, Journal& journal) {
  for (const Json& entry : sent)
    journal.put(entry.at("kind").get<std::string>(),
                entry.at("key").get<std::string>(),
                entry.at("name").get<std::string>(),
                entry.at("value"));
}

}  // namespace demix
