// Whole files, read and written so that a killed program leaves none half-written.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace demix {

// Throws Error when the file is missing or cannot be read.
std::string read_file(const std::filesystem::path& path);

// Writes PATH.tmp, flushes it to the disk and renames it. Throws Error, naming a full disk, on
// failure.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// Flushes a finished file or folder to the disk; throws Error on failure.
void sync_to_disk(const std::filesystem::path& path);

}  // namespace demix
