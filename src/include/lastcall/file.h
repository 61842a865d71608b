// Writing to a file without blocking a worker. Files are the one place where io_uring uses kernel
// worker threads.
//
// On a worker's coroutine only. The descriptor is the caller's and stays open until the await is
// over. Errors of the device are values; throws `Canceled` once the drain's deadline has passed,
// unless the operation had succeeded all the same.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

#include <lastcall/task.h>

namespace lastcall {

// All of `bytes` at `offset`, pwrite(2).
[[nodiscard]] Task<std::error_code> write_file(int fd, std::string bytes, std::uint64_t offset);
// fdatasync(2): what was written is on the disk.
[[nodiscard]] Task<std::error_code> sync_file(int fd);

}  // namespace lastcall
