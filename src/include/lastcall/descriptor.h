// co_await readable(fd): for client libraries that have a descriptor and do not block on it, libpq
// or hiredis, say.
//
//   while (PQisBusy(connection)) {
//     co_await readable(PQsocket(connection));
//     if (PQconsumeInput(connection) == 0) throw std::runtime_error(PQerrorMessage(connection));
//   }
//
// In a coroutine of a handler or a job. The descriptor is the caller's, stays open until the await
// is over, and may be a blocking one: it is only looked at (poll(2)).
#pragma once

#include <chrono>
#include <optional>

#include <lastcall/task.h>

namespace lastcall {

// True: reading, or writing, would not block, be it that it fails: what is wrong is for the next
// call on the descriptor to say. False: `limit` has passed before. Throws `Canceled` once the
// drain's deadline has passed, std::system_error where it cannot be looked at.
[[nodiscard]] Task<bool> readable(int fd, std::optional<std::chrono::milliseconds> limit = {});
[[nodiscard]] Task<bool> writable(int fd, std::optional<std::chrono::milliseconds> limit = {});

}  // namespace lastcall
