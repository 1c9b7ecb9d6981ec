// For tests: a GGUF that our reader accepts and tests/fake_worker takes its switches from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace slipway::control::testing {

class TinyGguf {
 public:
  explicit TinyGguf(const std::string& switches) {
    bytes_ = "GGUF";
    put(std::uint32_t{3});
    put(std::uint64_t{1});  // tensors
    put(std::uint64_t{7});  // keys
    text("general.architecture", "llama");
    text("fake.switches", "fake: " + switches + "\n");
    text("tokenizer.chat_template", "{{ messages }}");
    number("llama.block_count", 1);
    number("llama.context_length", 2048);
    number("llama.embedding_length", 64);
    number("llama.attention.head_count", 1);
    string("t");
    put(std::uint32_t{1});   // dimensions
    put(std::uint64_t{32});  // elements
    put(std::uint32_t{0});   // F32
    put(std::uint64_t{0});   // offset
    bytes_.resize((bytes_.size() + 31) / 32 * 32 + 128);
  }
  void write(const std::filesystem::path& path) const { std::ofstream(path, std::ios::binary) << bytes_; }

 private:
  template <class T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void string(const std::string& s) {
    put(std::uint64_t{s.size()});
    bytes_ += s;
  }
  void text(const std::string& key, const std::string& value) {
    string(key);
    put(std::uint32_t{8});
    string(value);
  }
  void number(const std::string& key, std::uint32_t value) {
    string(key);
    put(std::uint32_t{4});
    put(value);
  }
  std::string bytes_;
};

}  // namespace slipway::control::testing
