#include "environment/shared_libraries.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "io/tool.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
namespace fs = std::filesystem;

constexpr auto kLoaders =
    std::to_array<std::string_view>({"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"});
constexpr auto kListTime = std::chrono::seconds(30);

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\r");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

// "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)", "/lib64/ld-linux-x86-64.so.2 (0x...)",
// "linux-vdso.so.1 (0x...)", "libx.so.1 => not found".
Result<void> take_line(std::string_view line, SharedLibraries& out) {
  constexpr std::string_view kArrow = " => ";
  const auto arrow = line.find(kArrow);
  const std::string name(trimmed(line.substr(0, arrow == std::string_view::npos ? line.rfind(" (") : arrow)));
  if (name.empty()) return {};
  if (arrow == std::string_view::npos) {
    if (name.front() != '/') return {};  // the kernel's own
    const fs::path path(name);
    if (std::ranges::find(kLoaders, name) != kLoaders.end())
      out.loader = path;
    else
      out.by_name.emplace(path.filename(), path);
    return {};
  }
  const std::string_view rest = trimmed(line.substr(arrow + kArrow.size()));
  if (!rest.starts_with('/'))
    return Error(ErrorCode::dependency_missing, fmt::format("the library {} is {}", name, rest))
        .with_next("Install the package that has it, or build the program here.");
  out.by_name.emplace(fs::path(name).filename(), trimmed(rest.substr(0, rest.rfind(" ("))));
  return {};
}

}  // namespace

Result<SharedLibraries> parse_loader_list(std::string_view text) {
  SharedLibraries out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    SLIPWAY_RETURN_IF_ERROR(take_line(line, out));
  }
  return out;
}

Result<SharedLibraries> shared_libraries_of(const fs::path& program) {
  std::error_code ignored;
  const auto found = std::ranges::find_if(kLoaders, [&](auto path) { return fs::exists(path, ignored); });
  if (found == kLoaders.end())
    return Error(ErrorCode::dependency_missing, "this machine has no dynamic loader that is known")
        .with_next("Make images on Linux, on x86-64 or arm64.");
  const io::Tool loader{.name = "the dynamic loader", .path = std::string(*found), .version = {}};
  SLIPWAY_TRY(const io::ToolAnswer answer,
              io::call_tool(loader, {.arguments = {"--list", fs::absolute(program).string()},
                                     .deadline = base::Deadline::after(kListTime)}));
  if (!answer.ok())
    return Error(ErrorCode::bad_value,
                 fmt::format("{} is no program that this machine loads: {}", program.string(), answer.why()));
  SLIPWAY_TRY(SharedLibraries out, parse_loader_list(answer.out));
  if (out.loader.empty() || !out.by_name.contains("libc.so.6"))
    return Error(ErrorCode::bad_value,
                 fmt::format("{} does not use glibc: {}", program.string(), answer.out));
  return out;
}

}  // namespace slipway::environment
