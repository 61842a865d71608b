#include "base/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cmath>
#include <condition_variable>
#include <ctime>
#include <exception>
#include <iterator>
#include <mutex>
#include <new>
#include <string>
#include <thread>

#include "base/signal_mask.h"

namespace lastcall::log {
namespace {

struct Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::string lines;
  std::string carried;  // the thread's own, while `writing`
  bool writing = false;
  bool started = false;
  std::atomic<bool> idle{true};  // all that was said is written
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

// Whole lines, as many as a pipe takes in one piece (PIPE_BUF of pipe(7)), so that nothing of
// another writer stands within one; or the beginning of a longer line.
std::string_view next_piece(std::string_view bytes) {
  const std::size_t end = bytes.substr(0, PIPE_BUF).rfind('\n');
  return bytes.substr(0, end == std::string_view::npos ? PIPE_BUF : end + 1);
}

// The clock is that of sockets.h, which this room does not know.
Ms now_ms() {
  std::timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return Ms{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

// Does stderr take something before `until`?
bool await_room(Ms until) {
  for (;;) {
    pollfd room{STDERR_FILENO, POLLOUT, 0};
    const Ms left = std::max<Ms>(0, until - now_ms());
    const int ready = ::poll(&room, 1, until == never ? -1 : static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    return ready == 1 && (room.revents & POLLOUT) != 0;
  }
}

// False: stderr is gone, or has taken nothing in time.
bool write_piece(std::string_view bytes, Ms until) {
  while (!bytes.empty()) {
    const auto written = ::write(STDERR_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    // Somebody has made it non-blocking: a shell, a runtime.
    if (written < 0 && errno == EAGAIN && await_room(until)) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void write_all(std::string_view bytes) {
  for (bool begins = true; !bytes.empty() && !(begins && silenced);) {  // a line
    const std::string_view piece = next_piece(bytes);
    if (!write_piece(piece, never)) break;
    begins = piece.ends_with('\n');
    bytes.remove_prefix(piece.size());
  }
  dropped_lines += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
}

void carry() {
  Queue& q = queue();
  std::unique_lock lock(q.mutex);
  for (;;) {
    q.changed.wait(lock, [&] { return !q.lines.empty(); });
    q.carried.swap(q.lines);
    q.writing = true;
    lock.unlock();
    write_all(q.carried);
    q.carried.clear();
    lock.lock();
    q.writing = false;
    q.idle = q.lines.empty();
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

// Of the character that `text` begins with, as UTF-8 (RFC 3629 section 4); 0: it begins with none.
std::size_t character_bytes(std::string_view text) {
  const auto at = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xc0) == 0x80; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && at(1) < 0xa0;
    const bool surrogate = first == 0xed && at(1) > 0x9f;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && at(1) < 0x90;
    const bool beyond = first == 0xf4 && at(1) > 0x8f;
    return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

// Is it a control: 00 to 1f, 7f, or 80 to 9f, which are two bytes?
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(character[1]) <= 0x9f;
}

// A line is one line, and nothing in it speaks to a terminal: much of it is other people's text.
std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(bytes, 1));
    if (bytes > 0 && !is_control(character)) {
      out += character;
    } else {
      for (const char c : character) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    text.remove_prefix(character.size());
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
    write_now(line, 0);
  } else if (q.lines.size() + line.size() > bound) {
    ++dropped_lines;
  } else {
    q.lines += line;
    q.idle = false;
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
    const SignalsBlocked blocked;
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
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(bytes, 1));
    if (bytes == 0) {
      out += "\\ufffd";  // what is no character cannot be in JSON (RFC 8259 section 8.1)
    } else if (is_control(character)) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(character.back()));
    } else {
      if (character == "\"" || character == "\\") out += '\\';
      out += character;
    }
    text.remove_prefix(character.size());
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

bool idle() noexcept { return queue().idle; }

void write_now(std::string_view lines, Ms patience) noexcept {
  const Ms until = now_ms() + patience;
  while (!lines.empty()) {
    const std::string_view piece = next_piece(lines);
    if (!await_room(until) || !write_piece(piece, until)) break;
    lines.remove_prefix(piece.size());
  }
  dropped_lines += static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

void silence() noexcept { silenced = true; }

void write_last(Level level, std::string_view message, std::string_view fields) {
  try {
    enqueue(format_line(level, message, fields), 3 * limits::log_queue_bytes);
  } catch (const std::bad_alloc&) {
    static LastLines lines;
    format_last(lines, level, message, fields);
    flush(limits::log_flush_ms);
    write_now({lines.data(), lines.size()}, 0);
  }
}

// ---- fields

Fields& Fields::add_bare(std::string_view name, std::string_view value) {
  json_.append(json_.empty() ? "\"" : ",\"").append(name).append("\":").append(value);
  plain_.append(" ").append(name).append("=").append(value);
  return *this;
}

Fields& Fields::add(std::string_view name, std::string_view text) {
  return add_bare(name, quoted(text));
}

Fields& Fields::add(std::string_view name, bool value) {
  return add_bare(name, value ? "true" : "false");
}

Fields& Fields::add(std::string_view name, double value) {
  return add_bare(name, std::isfinite(value) ? fmt::format("{}", value) : "null");
}

void write(Level level, std::string_view message, const Fields& fields) {
  if (format() == Format::json) {
    write(level, message, fields.json());
  } else {
    write(level, std::string(message).append(fields.plain()));
  }
}

}  // namespace lastcall::log
