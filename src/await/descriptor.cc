#include <lastcall/descriptor.h>

#include <poll.h>

#include <cerrno>
#include <system_error>

#include "await/awaited.h"
#include "io/io.h"

namespace lastcall {
namespace {

using Limit = std::optional<std::chrono::milliseconds>;

Task<bool> ready(int fd, unsigned events, Limit limit) {
  if (fd < 0) throw std::system_error(EBADF, std::generic_category(), "a descriptor is awaited");
  const Ms deadline = limit ? context().after(limit->count()) : never;
  for (;;) {
    const int result = co_await await_operation(
        fd, [&](Io& io, Ticket ticket) { io.submit_poll(fd, events, ticket); }, deadline, nullptr);
    if (result == -EINTR) continue;
    if (result == -ETIMEDOUT) co_return false;
    if (result < 0)
      throw std::system_error(-result, std::generic_category(), "a descriptor is awaited");
    co_return true;
  }
}

}  // namespace

Task<bool> readable(int fd, Limit limit) { return ready(fd, POLLIN, limit); }
Task<bool> writable(int fd, Limit limit) { return ready(fd, POLLOUT, limit); }

}  // namespace lastcall
