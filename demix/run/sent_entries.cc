#include "demix/run/sent_entries.h"

#include <string>

namespace demix {

void append_entries(std::string_view kind, std::span<const JournalEntry> entries, Json& sent) {
  for (const JournalEntry& entry : entries)
    sent.push_back(
        {{"kind", kind}, {"key", entry.key}, {"name", entry.name}, {"value", entry.value}});
}

void record_entries(const Json& sent, Journal& journal) {
  for (const Json& entry : sent) {
    const auto kind = entry.at("kind").get<std::string>(), key = entry.at("key").get<std::string>(),
               name = entry.at("name").get<std::string>();
    const Json& value = entry.at("value");
    const auto found = journal.find(kind, key);
    if (!found || *found != value) journal.put(kind, key, name, value);
  }
}

}  // namespace demix
