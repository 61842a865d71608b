// Files that are sent to clients: opened below a directory, and sent without a copy of ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace lastcall {

class OwnedDescriptor {  // closed with it
 public:
  OwnedDescriptor() = default;
  explicit OwnedDescriptor(int fd) : fd_(fd) {}
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedDescriptor();
  [[nodiscard]] int get() const { return fd_; }  // negative: there is none

 private:
  int fd_ = -1;
};

struct OpenedFile {  // or why there is none
  OwnedDescriptor fd;
  int error = 0;              // errno; EISDIR: it is no regular file
  std::uint64_t bytes = 0;    // all of it
  std::int64_t modified = 0;  // seconds since 1970, and
  std::uint32_t modified_ns = 0;
  bool settled = false;  // so long ago that what changed since has another time
};

// Below `directory`, whatever the path and symbolic links in it say (RESOLVE_BENEATH of openat2(2),
// Linux 5.6). Nothing but a regular file is ever opened for reading. Throws std::system_error where
// there is no such directory, or openat2 is denied.
[[nodiscard]] OpenedFile open_below(const std::string& directory, std::string_view path);

// What is in the page cache already, without waiting for a disk; less than `size` where that is not
// all.
[[nodiscard]] std::size_t read_cached(int fd, std::uint64_t offset, char* into, std::size_t size);

// Of a file to a socket that is, for the moment, a non-blocking one: bytes, or -errno; 0: the file
// ends there. sendfile(2); where a file system has no such thing, by way of a buffer.
[[nodiscard]] int send_file(int socket, int file, std::uint64_t offset, std::size_t bytes);

}  // namespace lastcall
