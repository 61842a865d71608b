// Where a coroutine is: its worker, that worker's clock, and whether the drain has begun.
//
// Of use to what handlers and jobs are made of, a client of some protocol, say. All of it belongs
// on a worker's thread, in a handler or in a coroutine of a handler or of a job; elsewhere it ends
// the process with a line that says so.
#pragma once

#include <chrono>

namespace lastcall {

// An instant of CLOCK_MONOTONIC (clock_gettime(2)), in whole milliseconds.
using Instant = std::chrono::time_point<std::chrono::steady_clock, std::chrono::milliseconds>;

// The instant at which this turn of the worker began. It stands still within a turn.
[[nodiscard]] Instant now();

// The signal has come: what can end itself early should.
[[nodiscard]] bool draining();

// 0 to one less than the number of workers. What a program keeps for each worker by itself, such as
// a connection to a database, needs no lock.
[[nodiscard]] unsigned this_worker();
inline constexpr unsigned workers_max = 256;  // of one process, whatever its options say

}  // namespace lastcall
