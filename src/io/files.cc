#include "io/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>
#include <system_error>

#include "base/limits.h"

namespace lastcall {
namespace {

int open_beneath(int directory, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  // EAGAIN: somebody renames what it walks through.
  for (int tries = 0; tries < 4 && fd < 0; ++tries) {
    fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
    if (fd < 0 && errno != EAGAIN && errno != EINTR) break;
  }
  return static_cast<int>(fd);
}

[[noreturn]] void refuse(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

// A fifo or a device may do something by being opened: what it is is looked at before.
int check_regular(int fd, struct stat& status) {
  if (::fstat(fd, &status) != 0) return errno;
  return S_ISREG(status.st_mode) ? 0 : EISDIR;
}

}  // namespace

OwnedDescriptor::~OwnedDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

OpenedFile open_below(const std::string& directory, std::string_view given) {
  OpenedFile file;
  file.error = ENOENT;
  if (given.find('\0') != std::string_view::npos) return file;
  const OwnedDescriptor below(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (below.get() < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
    file.error = errno;
    return file;
  }
  if (below.get() < 0) refuse(errno, "files are served from " + directory);
  const std::string path(given);
  struct stat status{};
  const OwnedDescriptor looked(open_beneath(below.get(), path, O_PATH));
  if (looked.get() < 0) {
    const bool denied = errno == ENOSYS || errno == EPERM;
    if (denied) refuse(errno, "openat2 is denied here; allow it in the seccomp profile");
    file.error = errno;
    return file;
  }
  file.error = check_regular(looked.get(), status);
  if (file.error != 0) return file;
  OwnedDescriptor opened(open_beneath(below.get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  file.error = opened.get() < 0 ? errno : check_regular(opened.get(), status);
  if (file.error != 0) return file;
  file.bytes = static_cast<std::uint64_t>(status.st_size);
  file.modified = status.st_mtim.tv_sec;
  file.modified_ns = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
  std::timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  file.settled = now.tv_sec - file.modified > limits::file_settled_seconds;
  file.fd = std::move(opened);
  return file;
}

std::size_t read_cached(int fd, std::uint64_t offset, char* into, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const iovec piece{into + done, size - done};
    const ssize_t bytes = ::preadv2(fd, &piece, 1, static_cast<off_t>(offset + done), RWF_NOWAIT);
    if (bytes <= 0) break;
    done += static_cast<std::size_t>(bytes);
  }
  return done;
}

int send_file(int socket, int file, std::uint64_t offset, std::size_t bytes) {
  auto from = static_cast<off_t>(offset);
  const ssize_t sent = ::sendfile(socket, file, &from, std::min<std::size_t>(bytes, INT_MAX));
  if (sent >= 0) return static_cast<int>(sent);
  if (errno != EINVAL && errno != ENOSYS) return -errno;
  std::array<char, 64 * 1024> buffer;
  const ssize_t read =
      ::pread(file, buffer.data(), std::min(bytes, buffer.size()), static_cast<off_t>(offset));
  if (read <= 0) return read < 0 ? -errno : 0;
  const ssize_t taken =
      ::send(socket, buffer.data(), static_cast<std::size_t>(read), MSG_DONTWAIT | MSG_NOSIGNAL);
  return taken < 0 ? -errno : static_cast<int>(taken);
}

}  // namespace lastcall
