// Where a coroutine is: its worker, that worker's clock, and whether the drain has begun.
//
// Of use to what handlers and jobs are made of, a client of some protocol, say. `now` and
// `draining` may be asked on any thread; the others belong on a worker's, in a handler or in a
// coroutine of a handler or of a job: elsewhere they end the process with a line that says so.
#pragma once

#include <chrono>
#include <coroutine>

#include <lastcall/woken.h>

namespace lastcall {

// An instant of CLOCK_MONOTONIC (clock_gettime(2)), in whole milliseconds.
using Instant = std::chrono::time_point<std::chrono::steady_clock, std::chrono::milliseconds>;

// The instant at which this turn of the worker began: it stands still within a turn. On any other
// thread, that of the call.
[[nodiscard]] Instant now();

// The signal has come: what can end itself early should.
[[nodiscard]] bool draining();

// `co_await drain_begun()`: until then, for what has no other reason to end. Unlinks itself when it
// is destroyed before. Throws `Canceled` where the drain's deadline has passed already.
class [[nodiscard]] DrainBegun {
 public:
  DrainBegun() = default;
  DrainBegun(const DrainBegun&) = delete;
  DrainBegun& operator=(const DrainBegun&) = delete;

  [[nodiscard]] bool await_ready() const;
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() const;

 private:
  detail::Woken woken_;
};
[[nodiscard]] inline DrainBegun drain_begun() { return {}; }

// 0 to one less than the number of workers. What a program keeps for each worker by itself, such as
// a connection to a database, needs no lock.
[[nodiscard]] unsigned this_worker();
inline constexpr unsigned workers_max = 256;  // of one process, whatever its options say

}  // namespace lastcall
