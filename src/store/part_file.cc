#include "store/part_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/time.h"
#include "io/files.h"

namespace slipway::store {
namespace {

using base::ErrorCode;
using nlohmann::json;

constexpr int kRecordVersion = 1;

base::Error write_error(const std::filesystem::path& path, int error, std::uint64_t left) {
  if (error != ENOSPC && error != EDQUOT)
    return {ErrorCode::io_failed, fmt::format("writing {}: {}", path.string(), std::strerror(error))};
  const auto free = io::free_bytes(path.parent_path());
  return base::Error(ErrorCode::disk_full,
                     fmt::format("writing {}: {} more are needed, {} are free", path.string(),
                                 base::human_bytes(left), base::human_bytes(free ? *free : 0)))
      .with_next(
          fmt::format("Free {} on the disk of {} and run the command again; it continues where it stopped.",
                      base::human_bytes(left), path.parent_path().string()));
}

std::string text_of(const json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get<std::string>() : std::string();
}

std::uint64_t number_of(const json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_number_unsigned() ? field->get<std::uint64_t>() : 0;
}

}  // namespace

PartFile::PartFile(std::filesystem::path base, std::string source, std::uint64_t chunk_bytes, io::Fd fd)
    : base_(std::move(base)), source_(std::move(source)), chunk_bytes_(chunk_bytes), fd_(std::move(fd)) {}

std::filesystem::path PartFile::part() const {
  return base_.string() + ".part";
}

std::filesystem::path PartFile::record() const {
  return base_.string() + ".parts.json";
}

base::Result<PartFile> PartFile::open(const std::filesystem::path& base, std::string_view source,
                                      std::uint64_t chunk_bytes, const std::atomic<bool>* cancelled) {
  const std::string name = base.string() + ".part";
  io::Fd fd(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return write_error(name, errno, chunk_bytes);
  PartFile file(base, std::string(source), chunk_bytes, std::move(fd));
  SLIPWAY_RETURN_IF_ERROR(file.load(cancelled));
  return file;
}

base::Result<void> PartFile::load(const std::atomic<bool>* cancelled) {
  std::error_code none;
  if (!std::filesystem::exists(record(), none)) return {};
  SLIPWAY_TRY(const std::string text, io::read_file(record()));
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object() || number_of(object, "version") != kRecordVersion ||
      text_of(object, "source") != source_ || number_of(object, "chunk_bytes") != chunk_bytes_)
    return discard();
  etag_ = text_of(object, "etag");
  total_ = number_of(object, "total");
  const json recorded = object.value("chunks", json());
  chunks_.assign((total_ + chunk_bytes_ - 1) / chunk_bytes_, "");
  for (std::size_t i = 0; i < chunks_.size() && recorded.is_array() && i < recorded.size(); ++i) {
    if (!recorded[i].is_string() || !is_sha256_hex(recorded[i].get<std::string>())) continue;
    const std::uint64_t begin = i * chunk_bytes_;
    SLIPWAY_TRY(const std::string found, sha256_range(fd_.get(), part(), begin,
                                                      std::min(chunk_bytes_, total_ - begin), {}, cancelled));
    if (found == recorded[i].get<std::string>()) chunks_[i] = found;
  }
  return {};
}

base::Result<void> PartFile::save() const {
  const json object = {
      {"version", kRecordVersion}, {"source", source_}, {"chunk_bytes", chunk_bytes_}, {"etag", etag_},
      {"total", total_},           {"chunks", chunks_}};
  return io::write_file_atomic(record(), object.dump());
}

base::Result<void> PartFile::set_identity(std::string etag, std::uint64_t total) {
  etag_ = std::move(etag);
  total_ = total;
  chunks_.resize((total_ + chunk_bytes_ - 1) / chunk_bytes_);
  return save();
}

std::optional<PartRange> PartFile::missing() const {
  if (total_ == 0) return PartRange{};
  const auto first = std::ranges::find(chunks_, std::string());
  if (first == chunks_.end()) return std::nullopt;
  const auto last = std::find_if(first, chunks_.end(), [](const std::string& hash) { return !hash.empty(); });
  const auto begin = static_cast<std::uint64_t>(first - chunks_.begin()) * chunk_bytes_;
  const auto end = static_cast<std::uint64_t>(last - chunks_.begin()) * chunk_bytes_;
  return PartRange{begin, std::min(end, total_)};
}

std::uint64_t PartFile::bytes_present() const {
  if (total_ == 0) return position_;
  std::uint64_t present = 0;
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    const std::uint64_t begin = i * chunk_bytes_;
    if (!chunks_[i].empty())
      present += std::min(chunk_bytes_, total_ - begin);
    else if (position_ / chunk_bytes_ == i)
      present += position_ - begin;
  }
  return present;
}

std::uint64_t PartFile::chunk_end(std::uint64_t position) const {
  const std::uint64_t end = (position / chunk_bytes_ + 1) * chunk_bytes_;
  return total_ == 0 ? end : std::min(end, total_);
}

std::uint64_t PartFile::seek(std::uint64_t position) {
  if (position == position_) return position_;
  position_ = position / chunk_bytes_ * chunk_bytes_;
  hash_ = std::make_unique<Sha256>();
  return position_;
}

base::Result<void> PartFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (total_ != 0 && position_ >= total_)
      return base::Error(ErrorCode::download_failed,
                         fmt::format("the server sent more than the {} bytes it announced", total_));
    const std::size_t index = position_ / chunk_bytes_;
    if (index >= chunks_.size()) chunks_.resize(index + 1);
    chunks_[index].clear();  // from here on its bytes are neither the old nor the new ones
    const std::string_view piece = bytes.substr(0, chunk_end(position_) - position_);
    const ssize_t n = ::pwrite(fd_.get(), piece.data(), piece.size(), static_cast<off_t>(position_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return write_error(part(), errno, total_ > position_ ? total_ - position_ : chunk_bytes_);
    const auto written = static_cast<std::size_t>(n);
    hash_->update(piece.substr(0, written));
    const bool whole = position_ + written == chunk_end(position_);
    position_ += written;
    bytes.remove_prefix(written);
    if (whole) SLIPWAY_RETURN_IF_ERROR(complete_chunk());
  }
  return {};
}

base::Result<void> PartFile::complete_chunk() {
  chunks_[(position_ - 1) / chunk_bytes_] = hash_->finish_hex();
  return total_ == 0 ? base::Result<void>() : save();
}

base::Result<void> PartFile::finish_unknown() {
  if (position_ % chunk_bytes_ != 0) SLIPWAY_RETURN_IF_ERROR(complete_chunk());
  return set_identity(etag_, position_);
}

base::Result<void> PartFile::discard() {
  std::error_code none;
  std::filesystem::remove(record(), none);
  if (::ftruncate(fd_.get(), 0) != 0) return write_error(part(), errno, 0);
  etag_.clear();
  total_ = 0;
  chunks_.clear();
  position_ = 0;
  hash_ = std::make_unique<Sha256>();
  return {};
}

base::Result<std::string> PartFile::digest(const std::function<void(std::uint64_t)>& on_bytes,
                                           const std::atomic<bool>* cancelled) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(total_)) != 0 || ::fsync(fd_.get()) != 0)
    return write_error(part(), errno, total_);
  return sha256_range(fd_.get(), part(), 0, 0, on_bytes, cancelled);
}

void PartFile::remove() {
  std::error_code none;
  std::filesystem::remove(part(), none);
  std::filesystem::remove(record(), none);
}

base::Result<void> PartFile::move_to(const std::filesystem::path& target) {
  if (::fchmod(fd_.get(), 0444) != 0 || ::rename(part().c_str(), target.c_str()) != 0)
    return base::Error(ErrorCode::io_failed, fmt::format("moving {} to {}: {}", part().string(),
                                                         target.string(), std::strerror(errno)));
  std::error_code none;
  std::filesystem::remove(record(), none);
  return {};
}

}  // namespace slipway::store
