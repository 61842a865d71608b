// Lines on stderr that never block whoever writes them: the server's own, and a program's beside
// them.
//
// A line goes into a bounded queue; one thread of its own carries it to stderr, which may be a pipe
// that nobody reads. What does not fit is dropped and counted. Nothing is logged per request at
// `info`. Before `start`, which `Server::run` calls, lines are written at once, by the caller.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace lastcall::log {

enum class Level : std::uint8_t { debug, info, warning, error, off };
enum class Format : std::uint8_t { text, json };

// Least important level that is written, and the form of a line; before `start`.
void configure(Format format, Level level);
// "debug", "info", "warning", "error" or "off"; nothing for any other word.
[[nodiscard]] std::optional<Level> level_named(std::string_view name);
// Begins to write from a thread of its own; signals must be blocked already (server.h). Not before
// a fork, daemon(3)'s too: the child has no such thread, and would be mute.
void start();
[[nodiscard]] bool enabled(Level level);

// `fields`: members for the JSON form, `"name":value` separated by commas, may be empty. The text
// form prints the message alone, control characters as \xNN.
void write(Level level, std::string_view message, std::string_view fields = {});

// What a line says beside its message, for whoever collects it: members of the JSON form, and
// ` name=value` behind the message in the text form.
//
//   log::info(log::Fields().add("order", id).add("total", 12.5), "order taken");
//
// Throws std::bad_alloc. A name is the program's own, and not escaped.
class Fields {
 public:
  Fields& add(std::string_view name, std::string_view text);
  Fields& add(std::string_view name, const char* text) { return add(name, std::string_view(text)); }
  Fields& add(std::string_view name, bool value);
  Fields& add(std::string_view name, double value);  // null where it is no number of JSON
  Fields& add(std::string_view name, char letter) {
    return add(name, std::string_view(&letter, 1));
  }
  template <class Integer>
    requires std::is_integral_v<Integer>
  Fields& add(std::string_view name, Integer value) {
    return add_bare(name, fmt::format("{}", value));
  }
  [[nodiscard]] std::string_view json() const { return json_; }
  [[nodiscard]] std::string_view plain() const { return plain_; }

 private:
  Fields& add_bare(std::string_view name, std::string_view value);

  std::string json_;
  std::string plain_;
};
void write(Level level, std::string_view message, const Fields& fields);

void count_dropped() noexcept;  // a line for which there was no memory

template <class... Args>
void line(Level level, fmt::format_string<Args...> format, Args&&... args) noexcept {
  try {
    if (enabled(level)) write(level, fmt::vformat(format, fmt::make_format_args(args...)));
  } catch (const std::bad_alloc&) {
    count_dropped();
  }
}
template <class... Args>
void line(Level level, const Fields& fields, fmt::format_string<Args...> format,
          Args&&... args) noexcept {
  try {
    if (enabled(level)) write(level, fmt::vformat(format, fmt::make_format_args(args...)), fields);
  } catch (const std::bad_alloc&) {
    count_dropped();
  }
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

template <class... Args>
void debug(const Fields& fields, fmt::format_string<Args...> format, Args&&... args) {
  line(Level::debug, fields, format, std::forward<Args>(args)...);
}
template <class... Args>
void info(const Fields& fields, fmt::format_string<Args...> format, Args&&... args) {
  line(Level::info, fields, format, std::forward<Args>(args)...);
}
template <class... Args>
void warning(const Fields& fields, fmt::format_string<Args...> format, Args&&... args) {
  line(Level::warning, fields, format, std::forward<Args>(args)...);
}
template <class... Args>
void error(const Fields& fields, fmt::format_string<Args...> format, Args&&... args) {
  line(Level::error, fields, format, std::forward<Args>(args)...);
}

}  // namespace lastcall::log
