// The header of a GGUF model file, checked before any loader sees the file.
//
// Every length is compared with what is left of the file before it is used, every product is
// overflow-checked, and every tensor must lie inside the file; so a file that passes cannot make a loader
// read or allocate by a lie in its header. Layout: llama.cpp's ggml/include/gguf.h and docs/gguf.md of the
// ggml project (versions 2 and 3, little-endian).
//
// Ownership: GgufInfo is a plain value; arrays (vocabulary, merges) are walked and dropped. Threads: none.
// Failure: gguf_corrupt with the byte offset and what is wrong there, or the error of the byte source.
// Bounds: the constants below; memory is one read buffer of kGgufBuffer bytes plus the names of the keys and
// tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/model.h"

namespace slipway::codec {

inline constexpr std::uint64_t kGgufMaxHeader = 512u << 20;  // bytes before the tensor data
inline constexpr std::uint64_t kGgufMaxKeys = 65'536;
inline constexpr std::uint64_t kGgufMaxTensors = 65'536;
inline constexpr std::uint64_t kGgufMaxString = 16u << 20;
inline constexpr std::uint64_t kGgufMaxName = 65'535;  // a key; a tensor's name is at most 63 (GGML_MAX_NAME)
inline constexpr std::uint64_t kGgufMaxElements = 16'000'000;  // of one array
inline constexpr int kGgufMaxNesting = 3;                      // arrays of arrays
inline constexpr std::uint32_t kGgufMaxLayers = 2'048;
inline constexpr std::size_t kGgufBuffer = 256 * 1024;

// Random access to the file. `read` fills `out` from `offset` completely or fails; it is never asked beyond
// `size`.
struct GgufSource {
  std::uint64_t size = 0;
  std::function<base::Result<void>(std::uint64_t offset, std::span<std::byte> out)> read;
};
// `bytes` must outlive the source.
GgufSource gguf_source(std::span<const std::byte> bytes);

// What the header says. 0 or empty = the file does not say.
struct GgufInfo {
  std::uint32_t version = 0;
  std::uint64_t tensor_count = 0;
  std::uint64_t key_count = 0;
  std::uint64_t header_bytes = 0;    // where the tensor data starts
  std::uint64_t tensor_bytes = 0;    // sum over all tensors
  std::uint64_t parameters = 0;      // elements over all tensors
  std::string architecture;          // general.architecture: "llama"
  std::string name;                  // general.name
  std::string file_type;             // general.file_type in words: "Q4_1"; "unknown" when not in the table
  std::uint32_t split_count = 0;     // > 1: one part of several files
  std::uint32_t layers = 0;          // block_count
  std::uint32_t context_length = 0;  // trained context, tokens
  std::uint32_t embedding_length = 0;
  std::uint32_t vocabulary = 0;         // tokens
  std::vector<std::uint32_t> heads;     // one entry, or one a layer
  std::vector<std::uint32_t> kv_heads;  // the same; empty = as many as heads
  std::uint32_t key_length = 0;         // of one head; 0 = embedding_length / heads
  std::uint32_t value_length = 0;
  std::uint32_t sliding_window = 0;       // tokens that the sliding layers look back
  bool causal = true;                     // false: an encoder, which keeps no KV
  bool has_pooling = false;               // the file names a pooling type: an embedding model
  std::uint64_t chat_template_bytes = 0;  // 0 = no chat template: a base model
};

base::Result<GgufInfo> read_gguf(const GgufSource& source);

// Bytes of K and V that one token keeps over all layers. An upper bound for sliding-window layers, which keep
// less. 0 for an encoder, or when the header lacks the head shapes.
std::uint64_t kv_bytes_per_token(const GgufInfo& info, domain::KvType type);

// An embedding model pools, a chat model has a chat template, everything else completes text.
domain::ModelTask task_of(const GgufInfo& info);

}  // namespace slipway::codec
