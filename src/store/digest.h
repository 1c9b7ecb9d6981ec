// SHA-256 through OpenSSL (it uses the processor's SHA instructions), incremental.
// Threads: none. Failure: none; OpenSSL without SHA-256 is a defect of the machine (CHECK).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_md_ctx_st;

namespace slipway::store {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  void update(std::string_view bytes);
  // 64 lower-case digits of what came so far; the object starts anew.
  std::string finish_hex();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

std::string sha256_hex(std::string_view bytes);
bool is_sha256_hex(std::string_view text);  // 64 digits, either case
std::string lower_hex(std::string_view text);

// Of an open file's bytes [offset, offset + length); length 0 = to the end. `on_bytes` gets the count hashed
// so far. `interrupted` when `cancelled` becomes true; io_failed names `path`.
base::Result<std::string> sha256_range(int fd, const std::filesystem::path& path, std::uint64_t offset,
                                       std::uint64_t length,
                                       const std::function<void(std::uint64_t)>& on_bytes = {},
                                       const std::atomic<bool>* cancelled = nullptr);

}  // namespace slipway::store
