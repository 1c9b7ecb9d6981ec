// A listening unix socket made by a parent for its child, and memory both of them see.
#pragma once

#include <cstddef>
#include <filesystem>
#include <utility>

#include "base/result.h"
#include "io/process.h"

namespace slipway::io {

// Binds `path` with mode 0600 and listens. A file that is there is removed first: call only for paths that
// are ours (in the runtime directory, while its lock is held). Paths over 107 bytes are refused
// (sockaddr_un).
base::Result<Fd> listen_unix(const std::filesystem::path& path, int backlog = 1024);

// Two connected stream sockets, close-on-exec: {ours, the child's}. Either end sees end of file when the
// other's owner ends.
base::Result<std::pair<Fd, Fd>> make_socket_pair();

// Anonymous memory (memfd) mapped here; the descriptor goes to the child. Zeroed. Sealed against shrinking,
// so that a child cannot make our reads fault.
class SharedMemory {
 public:
  static base::Result<SharedMemory> create(const char* name, std::size_t bytes);
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory();
  int fd() const { return fd_.get(); }
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  SharedMemory(Fd fd, void* data, std::size_t bytes) : fd_(std::move(fd)), data_(data), bytes_(bytes) {}
  Fd fd_;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace slipway::io
