#include "io/local_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace slipway::io {
namespace {

base::Error system_error(std::string_view what) {
  const int reason = errno;
  const auto code =
      reason == EACCES || reason == EPERM ? base::ErrorCode::permission : base::ErrorCode::io_failed;
  return base::Error(code, fmt::format("{}: {}", what, std::strerror(reason)));
}

}  // namespace

base::Result<Fd> listen_unix(const std::filesystem::path& path, int backlog) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& name = path.native();
  if (name.size() >= sizeof(address.sun_path))
    return base::Error(base::ErrorCode::bad_value,
                       fmt::format("the socket path {} has {} bytes, a unix socket takes at most {}", name,
                                   name.size(), sizeof(address.sun_path) - 1))
        .with_next("Set XDG_RUNTIME_DIR to a shorter directory.");
  std::memcpy(address.sun_path, name.data(), name.size());

  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_error("cannot make a socket");
  ::unlink(name.c_str());
  // Between bind and chmod the directory's mode 0700 keeps others out.
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return system_error("cannot bind " + name);
  if (::chmod(name.c_str(), 0600) != 0) return system_error("cannot set the mode of " + name);
  if (::listen(fd.get(), backlog) != 0) return system_error("cannot listen on " + name);
  return fd;
}

base::Result<std::pair<Fd, Fd>> make_socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return system_error("cannot make a socket pair");
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

base::Result<SharedMemory> SharedMemory::create(const char* name, std::size_t bytes) {
  Fd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return system_error("cannot make shared memory");
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return system_error("cannot size shared memory");
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
    return system_error("cannot seal shared memory");
  void* const data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return system_error("cannot map shared memory");
  return SharedMemory(std::move(fd), data, bytes);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : fd_(std::move(other.fd_)), data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

}  // namespace slipway::io
