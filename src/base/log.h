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

// For the last words of a process, and async-signal-safe (signal-safety(7)): up to `silence`.
[[nodiscard]] bool idle() noexcept;  // is all that was said written?
// Lines in memory that stands somewhere already.
using LastLines = fmt::basic_memory_buffer<char, 40 * 1024>;
// Appends a line. Neither text needs an escape: they are our own.
void format_last(LastLines& lines, Level level, std::string_view message, std::string_view fields);
// On stderr, while it takes them within `patience` milliseconds: a pipe that nobody reads keeps
// nobody. What it does not take is counted as dropped.
void write_now(std::string_view lines, Ms patience) noexcept;
void silence() noexcept;  // the log's thread writes no further line

// As `write`, whatever the level is set to, and not dropped: for the last line. Where there is no
// memory for it, it is written at once (`write_now`).
void write_last(Level level, std::string_view message, std::string_view fields);
// Text as a JSON string, quotes included.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace lastcall::log
