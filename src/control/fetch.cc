#include "control/fetch.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

namespace slipway::control {

using base::Error, base::ErrorCode;

base::Result<codec::GgufInfo> read_gguf_file(const std::string& path) {
  std::error_code missing;
  const auto size = std::filesystem::file_size(path, missing);
  std::ifstream in(path, std::ios::binary);
  if (missing || !in) return Error(ErrorCode::file_unreadable, "cannot read " + path);
  const auto read = [&in, &path](std::uint64_t offset, std::span<std::byte> out) -> base::Result<void> {
    in.seekg(static_cast<std::streamoff>(offset));
    in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
    if (!in) return Error(ErrorCode::io_failed, fmt::format("cannot read {} at offset {}", path, offset));
    return {};
  };
  auto info = codec::read_gguf({size, read});
  if (!info) return std::move(info).error().with_context("checking " + path);
  if (info->split_count > 1)
    return Error(ErrorCode::bad_value,
                 fmt::format("{} is one part of {}; models in several files are not served here", path,
                             info->split_count))
        .with_next("Join the parts with llama.cpp's `gguf-split --merge`, and name the result.");
  return info;
}

base::Result<CheckedFile> fetch_checked(store::ModelStore& models, const domain::ModelFile& wanted,
                                        const store::OnFetchProgress& on_progress,
                                        const std::atomic<bool>* cancelled) {
  SLIPWAY_TRY(store::FetchedModel file, models.fetch(wanted, on_progress, cancelled));
  SLIPWAY_TRY(codec::GgufInfo info, read_gguf_file(file.path));
  return CheckedFile{std::move(file), std::move(info)};
}

}  // namespace slipway::control
