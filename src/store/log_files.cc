#include "store/log_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace slipway::store {

std::filesystem::path log_file(const std::filesystem::path& folder, std::uint64_t number) {
  return folder / fmt::format("{:08}.jsonl", number);
}

std::vector<std::uint64_t> log_numbers(const std::filesystem::path& folder) {
  std::vector<std::uint64_t> numbers;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".jsonl")) continue;
    std::uint64_t number = 0;
    const char* end = name.data() + name.size() - 6;
    const auto [stop, error] = std::from_chars(name.data(), end, number);
    if (error == std::errc() && stop == end) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

}  // namespace slipway::store
