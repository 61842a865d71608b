// What the server itself needs of the log, beside its public face (lastcall/log.h).
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include <lastcall/log.h>

#include "base/limits.h"

namespace lastcall::log {

// Waits until everything is written, at most `limit` milliseconds.
void flush(Ms limit);
[[nodiscard]] std::uint64_t dropped();
[[nodiscard]] Format format();  // of a line

// Lines in memory that stands somewhere already. Async-signal-safe (signal-safety(7)), as what
// follows: for the last words of a process.
using LastLines = fmt::basic_memory_buffer<char, 40 * 1024>;
// Appends a line. Neither text needs an escape: they are our own.
void format_last(LastLines& lines, Level level, std::string_view message, std::string_view fields);
[[nodiscard]] bool stderr_takes() noexcept;  // something, without blocking
void silence() noexcept;                     // from here on the log's thread writes nothing
// As `write`, whatever the level is set to, and not dropped: for the last line. Where there is no
// memory for it, it is written at once, if stderr can take it.
void write_last(Level level, std::string_view message, std::string_view fields);
// Text as a JSON string, quotes included.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace lastcall::log
