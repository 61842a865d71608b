#include <lastcall/file.h>

#include <utility>

#include "await/awaited.h"
#include "io/io.h"

namespace lastcall {

Task<std::error_code> write_file(int fd, std::string bytes, std::uint64_t offset) {
  const auto kept = std::make_shared<std::string>(std::move(bytes));
  for (std::size_t written = 0; written < kept->size();) {
    const int result = co_await await_operation(
        fd,
        [&](Io& io, Ticket ticket) {
          io.submit_write(fd, std::string_view(*kept).substr(written), offset + written, ticket);
        },
        never, kept);
    if (result == -EINTR || result == -EAGAIN) continue;
    if (result < 0) co_return std::error_code(-result, std::generic_category());
    if (result == 0) co_return std::make_error_code(std::errc::io_error);
    written += static_cast<std::size_t>(result);
  }
  co_return {};
}

Task<std::error_code> sync_file(int fd) {
  for (;;) {
    const int result = co_await await_operation(
        fd, [&](Io& io, Ticket ticket) { io.submit_sync(fd, ticket); }, never, nullptr);
    if (result == -EINTR) continue;
    if (result < 0) co_return std::error_code(-result, std::generic_category());
    co_return {};
  }
}

}  // namespace lastcall
