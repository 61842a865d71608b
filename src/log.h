// Lines on stderr that never block whoever writes them.
//
// A line goes into a bounded queue; one thread of its own carries it to stderr, which may be a pipe
// that nobody reads. What does not fit is dropped and counted. Nothing is logged per request at
// `info`. Before `start` lines are written at once, by the caller.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "bounds.h"

namespace lastcall::log {

enum class Level : std::uint8_t { debug, info, warning, error, off };
enum class Format : std::uint8_t { text, json };

void configure(Format format, Level level);
void start();  // the thread; signals must be blocked already
// Waits until everything is written, at most `limit` milliseconds.
void flush(Ms limit);
[[nodiscard]] std::uint64_t dropped();
[[nodiscard]] bool enabled(Level level);

// `fields`: members for the JSON form, `"name":value` separated by commas, may be empty. The text
// form prints the message alone.
void write(Level level, std::string_view message, std::string_view fields = {});
// The same whatever the level is set to, and not dropped: for the last line.
void write_last(std::string_view message, std::string_view fields);
// Text as a JSON string, quotes included.
[[nodiscard]] std::string quoted(std::string_view text);

template <class... Args>
void line(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level)) write(level, fmt::vformat(format, fmt::make_format_args(args...)));
}
template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::debug, format, std::forward<Args>(args)...);
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::info, format, std::forward<Args>(args)...);
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::warning, format, std::forward<Args>(args)...);
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::error, format, std::forward<Args>(args)...);
}

}  // namespace lastcall::log
