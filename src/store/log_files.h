// The numbered files of a log folder. Used by the writer and the readers of logs.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace slipway::store {

std::filesystem::path log_file(const std::filesystem::path& folder,
                               std::uint64_t number);                         // folder/00000042.jsonl
std::vector<std::uint64_t> log_numbers(const std::filesystem::path& folder);  // rising; empty when absent

}  // namespace slipway::store
