// A file that arrives in chunks and survives kill -9: NAME.part holds bytes, NAME.parts.json says which
// chunks are whole.
//
// Intuition: bytes are written first, then the chunk's SHA-256 is recorded. After a crash the record may
// promise bytes that never reached the disk, so open() hashes every recorded chunk again and forgets the ones
// that differ: what is wrong or missing is fetched anew, the rest is kept. A missing chunk costs at most
// kChunkBytes of download.
//
// Ownership: the caller holds the lock of this download. Threads: one. Failure: disk_full with the numbers,
// io_failed.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/process.h"
#include "store/digest.h"

namespace slipway::store {

inline constexpr std::uint64_t kChunkBytes = 8u << 20;

struct PartRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // exclusive; 0 = unknown
};

class PartFile {
 public:
  // `base`: path without ".part". A record of another `source` or chunk size is thrown away.
  static base::Result<PartFile> open(const std::filesystem::path& base, std::string_view source,
                                     std::uint64_t chunk_bytes, const std::atomic<bool>* cancelled);

  // What the server said. Unset until known.
  const std::string& etag() const { return etag_; }
  std::uint64_t total() const { return total_; }
  base::Result<void> set_identity(std::string etag, std::uint64_t total);

  // The first run of bytes that is not there; nullopt when all are. With an unknown total, from 0 to the
  // unknown end.
  std::optional<PartRange> missing() const;
  std::uint64_t bytes_present() const;
  std::filesystem::path folder() const { return base_.parent_path(); }

  // Where append() writes next. Seeking to the current position keeps the half chunk; any other place is
  // moved back to its chunk's start. Returns the position.
  std::uint64_t seek(std::uint64_t position);
  std::uint64_t position() const { return position_; }
  base::Result<void> append(std::string_view bytes);
  // The server's file ends at position(): the total of a file whose size was unknown.
  base::Result<void> finish_unknown();

  // Forgets everything, for a file that changed at its source.
  base::Result<void> discard();
  // Hashes the whole file; call when missing() is nullopt. Bytes are on the disk afterwards (fsync).
  base::Result<std::string> digest(const std::function<void(std::uint64_t)>& on_bytes,
                                   const std::atomic<bool>* cancelled);
  // Removes both files, or moves the part to its final place and removes the record.
  void remove();
  base::Result<void> move_to(const std::filesystem::path& target);

 private:
  PartFile(std::filesystem::path base, std::string source, std::uint64_t chunk_bytes, io::Fd fd);
  base::Result<void> load(const std::atomic<bool>* cancelled);
  base::Result<void> save() const;
  base::Result<void> complete_chunk();
  std::uint64_t chunk_end(std::uint64_t position) const;
  std::filesystem::path part() const;
  std::filesystem::path record() const;

  std::filesystem::path base_;
  std::string source_;
  std::uint64_t chunk_bytes_;
  io::Fd fd_;
  std::string etag_;
  std::uint64_t total_ = 0;
  std::vector<std::string> chunks_;  // SHA-256 of each whole chunk, empty = missing
  std::uint64_t position_ = 0;
  std::unique_ptr<Sha256> hash_ = std::make_unique<Sha256>();  // of the chunk at position_, so far
};

}  // namespace slipway::store
