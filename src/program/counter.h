// Where `/incr` counts: the sample service's seam, with three implementations.
//
//   memory           in this process; gone with it
//   file:PATH        file_counter.h: durable, one process a file
//   redis://…        redis_counter.h: shared, each increment exactly once
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <lastcall/option_row.h>
#include <lastcall/task.h>

namespace lastcall {

class Counter {
 public:
  Counter() = default;
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;
  virtual ~Counter() = default;

  // Returns once `n` is counted, as durably as the implementation promises; however long that
  // takes. Throws Canceled at the drain's deadline. On any worker.
  [[nodiscard]] virtual Task<> add(std::uint64_t n) = 0;
  // Once on each worker when it begins to serve: what is wrong with where it counts is told then,
  // in the log.
  [[nodiscard]] virtual Task<> look() { co_return; }
  // Nothing: it cannot be known at the moment.
  [[nodiscard]] virtual Task<std::optional<std::int64_t>> value() = 0;
};

struct CounterOptions {
  std::string where = "memory";
  std::string key = "counter";  // in Redis
  std::string password_file;    // for a URL without one; else $LASTCALL_COUNTER_PASSWORD

  // Empty, or one line that says what is wrong and what would be right.
  [[nodiscard]] std::string invalid() const;
};
[[nodiscard]] std::span<const OptionRow<CounterOptions>> counter_option_rows();

// Null, and `why` says so in one line: the file cannot be used, or the password not be read.
[[nodiscard]] std::unique_ptr<Counter> make_counter(const CounterOptions& options,
                                                    std::string& why);

}  // namespace lastcall
