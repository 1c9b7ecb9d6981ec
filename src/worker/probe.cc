// slipway-worker --probe FILE: a file that nobody trusts yet, looked at inside the sandbox; --gpus.
#include <iostream>
#include <nlohmann/json.hpp>

#include "codec/worker_protocol.h"
#include "engine/devices.h"
#include "engine/llama_log.h"
#include "io/sandbox.h"
#include "worker/replica.h"

namespace slipway::worker {

int probe(const std::string& path) {
  if (auto entered = io::enter_sandbox({.readable = {path}}); !entered) {
    std::cerr << entered.error().to_string() << "\n";
    return base::info(entered.error().code()).exit_code;
  }
  const auto file = check_model_file(path);
  if (!file) {
    std::cerr << file.error().to_string() << "\n";
    return base::info(file.error().code()).exit_code;
  }
  static constexpr const char* kTasks[] = {"chat", "base", "embedding"};
  const nlohmann::json out = {{"file", path},
                              {"gguf_version", file->version},
                              {"architecture", file->architecture},
                              {"name", file->name},
                              {"quantization", file->file_type},
                              {"parameters", file->parameters},
                              {"tensor_bytes", file->tensor_bytes},
                              {"layers", file->layers},
                              {"context_tokens", file->context_length},
                              {"vocabulary", file->vocabulary},
                              {"sliding_window", file->sliding_window},
                              {"chat_template", file->chat_template_bytes > 0},
                              {"task", kTasks[static_cast<std::size_t>(codec::task_of(*file))]},
                              {"kv_bytes_per_token",
                               {{"f16", codec::kv_bytes_per_token(*file, domain::KvType::f16)},
                                {"q8_0", codec::kv_bytes_per_token(*file, domain::KvType::q8_0)}}}};
  std::cout << out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  return 0;
}

int list_gpus() {
  engine::capture_llama_log([](engine::LogLevel level, std::string_view line) {
    if (level == engine::LogLevel::error) std::cerr << line << "\n";
  });
  std::cout << codec::encode_gpus(engine::gpus());
  return 0;
}

}  // namespace slipway::worker
