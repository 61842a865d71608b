#include "base/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <iterator>
#include <mutex>
#include <new>
#include <string>
#include <thread>

namespace lastcall::log {
namespace {

struct Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::string lines;
  std::string carried;  // the thread's own, while `writing`
  bool writing = false;
  bool started = false;
};

// Never destroyed: its thread may be stuck in a write for as long as the process lives.
Queue& queue() {
  static auto* const instance = new Queue;
  return *instance;
}

std::atomic<Format> chosen_format{Format::text};
std::atomic<Level> chosen_level{Level::info};
std::atomic<std::uint64_t> dropped_lines{0};
std::atomic<bool> silenced{false};

constexpr struct {
  Level level;
  std::string_view name;
} levels[] = {{Level::debug, "debug"},
              {Level::info, "info"},
              {Level::warning, "warning"},
              {Level::error, "error"},
              {Level::off, "off"}};

std::string_view name(Level level) {
  for (const auto& each : levels) {
    if (each.level == level) return each.name;
  }
  return "?";
}

void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(STDERR_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {  // somebody has made it non-blocking: a shell, a runtime
      pollfd room{STDERR_FILENO, POLLOUT, 0};
      (void)::poll(&room, 1, -1);
      continue;
    }
    if (written <= 0) {  // stderr is gone, or full: there is nobody to tell
      dropped_lines += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
      return;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Never blocks, but where another writes to the same pipe in between.
void write_if_taken(std::string_view bytes) {
  if (stderr_takes()) {
    write_all(bytes);
  } else {
    ++dropped_lines;
  }
}

void carry() {
  Queue& q = queue();
  std::unique_lock lock(q.mutex);
  for (;;) {
    q.changed.wait(lock, [&] { return !q.lines.empty(); });
    q.carried.swap(q.lines);
    q.writing = true;
    lock.unlock();
    if (!silenced) write_all(q.carried);
    q.carried.clear();
    lock.lock();
    q.writing = false;
    q.changed.notify_all();
  }
}

// RFC 3339. By arithmetic alone, since gmtime_r(3) takes a lock.
template <class Out>
Out put_timestamp(Out out) {
  using namespace std::chrono;
  const auto now = floor<milliseconds>(system_clock::now());
  const auto day = floor<days>(now);
  const year_month_day date{day};
  const hh_mm_ss time{now - day};
  return fmt::format_to(out, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                        static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                        static_cast<unsigned>(date.day()), time.hours().count(),
                        time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

std::string timestamp() {
  std::string text;
  put_timestamp(std::back_inserter(text));
  return text;
}

// A line is one line, and nothing in it speaks to a terminal: much of it is other people's text.
std::string printable(std::string_view text) {
  std::string out;
  bool second = false;  // of a control that is two bytes in UTF-8: c2 80 to c2 9f
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const unsigned next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    const bool first = byte == 0xc2 && next >= 0x80 && next <= 0x9f;
    if (byte < 0x20 || byte == 0x7f || first || second) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += text[i];
    }
    second = first;
  }
  return out;
}

std::string format_line(Level level, std::string_view message, std::string_view fields) {
  return chosen_format == Format::json
             ? fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"message\":{}{}{}}}\n", timestamp(),
                           name(level), quoted(message), fields.empty() ? "" : ",", fields)
             : fmt::format("{} {} {}\n", timestamp(), name(level), printable(message));
}

void enqueue(const std::string& line, std::size_t bound) {
  Queue& q = queue();
  const std::lock_guard lock(q.mutex);
  if (!q.started) {
    write_if_taken(line);
  } else if (q.lines.size() + line.size() > bound) {
    ++dropped_lines;
  } else {
    q.lines += line;
    q.changed.notify_all();
  }
}

}  // namespace

void configure(Format format, Level level) {
  chosen_format = format;
  chosen_level = level;
}

std::optional<Level> level_named(std::string_view name) {
  for (const auto& each : levels) {
    if (each.name == name) return each.level;
  }
  return std::nullopt;
}

void start() {
  Queue& q = queue();
  const std::lock_guard lock(q.mutex);
  if (q.started) return;
  try {
    std::thread(carry).detach();
    q.started = true;
  } catch (const std::exception&) {
    // No thread to be had: lines are written by whoever says them, if stderr takes them at once.
  }
}

void flush(Ms limit) {
  Queue& q = queue();
  std::unique_lock lock(q.mutex);
  if (!q.started) return;
  q.changed.wait_for(lock, std::chrono::milliseconds(limit),
                     [&] { return q.lines.empty() && !q.writing; });
}

void count_dropped() noexcept { ++dropped_lines; }

std::uint64_t dropped() { return dropped_lines; }

Format format() { return chosen_format; }

bool enabled(Level level) { return level >= chosen_level.load(std::memory_order_relaxed); }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out += '"';
}

void write(Level level, std::string_view message, std::string_view fields) {
  if (!enabled(level)) return;
  // What is lost is told though much else is.
  const std::size_t share = level >= Level::warning ? 2 : 1;
  enqueue(format_line(level, message, fields), share * limits::log_queue_bytes);
}

void format_last(LastLines& lines, Level level, std::string_view message, std::string_view fields) {
  auto out = std::back_inserter(lines);
  if (chosen_format == Format::json) {
    out = fmt::format_to(out, "{{\"time\":\"");
    out = put_timestamp(out);
    fmt::format_to(out, "\",\"level\":\"{}\",\"message\":\"{}\"{}{}}}\n", name(level), message,
                   fields.empty() ? "" : ",", fields);
  } else {
    out = put_timestamp(out);
    fmt::format_to(out, " {} {}\n", name(level), message);
  }
}

bool stderr_takes() noexcept {
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  return ::poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0;
}

void silence() noexcept { silenced = true; }

void write_last(Level level, std::string_view message, std::string_view fields) {
  try {
    enqueue(format_line(level, message, fields), 3 * limits::log_queue_bytes);
  } catch (const std::bad_alloc&) {
    static LastLines lines;
    format_last(lines, level, message, fields);
    flush(limits::log_flush_ms);
    write_if_taken({lines.data(), lines.size()});
  }
}

}  // namespace lastcall::log
