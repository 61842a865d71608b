#include "base/check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iterator>

#include "base/log.h"

namespace lastcall {

void check_failed(const char* what, const char* file, int line) {
  // Two threads may fail together: the second waits for the words of the first.
  static std::atomic_flag begun;
  static std::atomic<bool> told{false};
  if (begun.test_and_set()) {
    for (Ms waited = 0; waited < limits::last_lines_ms && !told; waited += 10) ::usleep(10'000);
    std::abort();
  }
  static log::LastLines lines;
  fmt::basic_memory_buffer<char, 1024> text;
  fmt::format_to(std::back_inserter(text), "CHECK failed: {} ({}:{})", what, file, line);
  if (log::format() == log::Format::json) {
    for (char& c : text) {
      if (c == '"' || c == '\\') c = '\'';
    }
  }
  log::format_last(lines, log::Level::error, {text.data(), text.size()}, {});
  log::write_now({lines.data(), lines.size()}, limits::last_lines_ms);
  told = true;
  std::abort();
}

}  // namespace lastcall
