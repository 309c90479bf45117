#include "demix/core/hash.h"

#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <vector>

#include "demix/core/error.h"

namespace demix {

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  DEMIX_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;

Hasher& Hasher::bytes(const void* data, size_t size) {
  DEMIX_CHECK(EVP_DigestUpdate(state_->context, data, size) == 1);
  return *this;
}

Hasher& Hasher::field(std::string_view text) {
  const uint64_t size = text.size();
  return bytes(&size, sizeof size).bytes(text.data(), text.size());
}

Hasher& Hasher::field(int64_t value) { return bytes(&value, sizeof value); }
Hasher& Hasher::field(double value) { return bytes(&value, sizeof value); }

std::string Hasher::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  DEMIX_CHECK(EVP_DigestFinal_ex(state_->context, digest.data(), &size) == 1);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256(std::string_view bytes) {
  return Hasher().bytes(bytes.data(), bytes.size()).hex();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("{}: cannot be opened for reading", path.string());
  Hasher hasher;
  std::vector<char> buffer(1 << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    hasher.bytes(buffer.data(), static_cast<size_t>(file.gcount()));
  }
  if (file.bad()) throw Error("{}: reading failed", path.string());
  return hasher.hex();
}

}  // namespace demix
