// SHA-256, the content key of everything that is journaled.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace demix {

// Incremental SHA-256. Fields are length-prefixed by `field`, so ("ab","c") and ("a","bc") differ.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;

  Hasher& bytes(const void* data, size_t size);
  Hasher& field(std::string_view text);
  Hasher& field(int64_t value);
  Hasher& field(double value);

  // 64 lower-case hexadecimal digits. The hasher cannot be used afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view bytes);
// Throws Error when the file cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace demix
