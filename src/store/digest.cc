#include "store/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace slipway::store {
namespace {

constexpr std::size_t kReadBytes = 1u << 20;

bool hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  SLIPWAY_CHECK(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
  SLIPWAY_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish_hex() {
  std::array<unsigned char, 32> digest{};
  SLIPWAY_CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
  SLIPWAY_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  std::string text;
  for (const unsigned char byte : digest) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish_hex();
}

bool is_sha256_hex(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, hex_digit);
}

std::string lower_hex(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

base::Result<std::string> sha256_range(int fd, const std::filesystem::path& path, std::uint64_t offset,
                                       std::uint64_t length,
                                       const std::function<void(std::uint64_t)>& on_bytes,
                                       const std::atomic<bool>* cancelled) {
  Sha256 hash;
  std::vector<char> buffer(kReadBytes);
  std::uint64_t done = 0;
  while (length == 0 || done < length) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed))
      return base::Error(base::ErrorCode::interrupted,
                         fmt::format("hashing {} was interrupted", path.string()));
    const std::size_t want =
        length == 0 ? buffer.size() : std::min<std::uint64_t>(buffer.size(), length - done);
    const ssize_t n = ::pread(fd, buffer.data(), want, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return base::Error(base::ErrorCode::io_failed,
                         fmt::format("reading {}: {}", path.string(), std::strerror(errno)));
    if (n == 0) break;
    hash.update({buffer.data(), static_cast<std::size_t>(n)});
    done += static_cast<std::uint64_t>(n);
    if (on_bytes) on_bytes(done);
  }
  return hash.finish_hex();
}

}  // namespace slipway::store
