#include "base/check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "base/log.h"

namespace lastcall {

void check_failed(const char* what, const char* file, int line) {
  static log::LastLines lines;
  fmt::basic_memory_buffer<char, 1024> text;
  fmt::format_to(std::back_inserter(text), "CHECK failed: {} ({}:{})", what, file, line);
  if (log::format() == log::Format::json) {
    for (char& c : text) {
      if (c == '"' || c == '\\') c = '\'';
    }
  }
  log::format_last(lines, log::Level::error, {text.data(), text.size()}, {});
  if (log::stderr_takes())  // a pipe that nobody reads must not keep it from its end
    (void)!::write(STDERR_FILENO, lines.data(), lines.size());
  std::abort();
}

}  // namespace lastcall
