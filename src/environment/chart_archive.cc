#include "environment/chart_archive.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/download.h"
#include "io/files.h"
#include "io/tool.h"

namespace slipway::environment {
namespace {

using base::Error, base::ErrorCode, base::Result;
namespace fs = std::filesystem;

constexpr std::size_t kArchiveLimit = 256u << 20;
constexpr auto kUnpackTime = std::chrono::minutes(2);

Result<std::string> download(const std::string& url) {
  std::string archive;
  const auto keep = [&](std::string_view bytes) -> Result<void> {
    if (archive.size() + bytes.size() > kArchiveLimit)
      return Error(ErrorCode::download_failed,
                   fmt::format("{} is larger than {} MiB", url, kArchiveLimit >> 20));
    archive += bytes;
    return {};
  };
  SLIPWAY_TRY(const auto done, io::download({.url = url, .headers = {}, .if_match = {}}, keep));
  if (done.total_bytes != 0 && archive.size() != done.total_bytes)
    return Error(ErrorCode::download_failed,
                 fmt::format("{} ended after {} of {} bytes", url, archive.size(), done.total_bytes));
  return archive;
}

}  // namespace

Result<void> unpack_chart(const ArchivedChart& chart, const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder / "Chart.yaml", ignored)) return {};
  SLIPWAY_TRY(const io::Tool tar, io::find_tool({.name = "tar",
                                                 .version_arguments = {"--version"},
                                                 .minimum = "1.26",
                                                 .how_to_get = "Install GNU tar: apt-get install tar"}));
  SLIPWAY_TRY(std::string archive, download(chart.url));
  fs::path part = folder;
  part += ".part";
  fs::remove_all(part, ignored);
  SLIPWAY_RETURN_IF_ERROR(io::make_directories(part));
  const auto depth = std::ranges::count(chart.inside, '/') + 2;  // with the archive's top folder
  SLIPWAY_TRY(const io::ToolAnswer answer,
              io::call_tool(tar, {.arguments = {"-xzf", "-", "-C", part.string(), "--no-same-owner",
                                                "--wildcards", fmt::format("--strip-components={}", depth),
                                                fmt::format("*/{}/*", chart.inside)},
                                  .input = std::move(archive),
                                  .deadline = base::Deadline::after(kUnpackTime)}));
  if (!answer.ok() || !fs::exists(part / "Chart.yaml", ignored)) {
    fs::remove_all(part, ignored);
    return Error(ErrorCode::addon_failed, fmt::format("{} has no chart in {}", chart.url, chart.inside))
        .with_detail(answer.ok() ? "" : answer.why());
  }
  fs::remove_all(folder, ignored);
  std::error_code failed;
  fs::rename(part, folder, failed);
  if (failed)
    return Error(ErrorCode::io_failed,
                 fmt::format("cannot rename {} to {}: {}", part.string(), folder.string(), failed.message()));
  return {};
}

}  // namespace slipway::environment
