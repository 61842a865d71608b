// What the coroutines of one thread stand on: the parts of the worker that runs there. `sleep`,
// `background`, `Stream` and their like find them here, so that a handler need not pass them on.
//
// A worker enters before each turn; in the simulation several share a thread. What users see of it:
// lastcall/context.h.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/limits.h"

namespace lastcall {

class BlockingPool;
class Io;
class Jobs;
class Metrics;
class OpenStreams;
class Operations;
class Ready;
class Resolver;
class Sleepers;
class TimerWheel;

struct Context {
  Io& io;
  TimerWheel& timers;
  Metrics& metrics;
  Sleepers& sleepers;
  Ready& ready;
  Ready& drain_begun;  // who waits for that
  Operations& operations;
  Resolver& resolver;
  OpenStreams& open_streams;
  Jobs& jobs;
  unsigned worker;
  // Descriptors: each open file takes the place of a client.
  const std::size_t* connections_open = nullptr;
  std::size_t places = 0;
  std::size_t files_open = 0;
  BlockingPool* blocking = nullptr;  // null: code that blocks cannot be run
  Ms now = 0;                        // of this turn
  bool draining = false;             // the signal has come

  // The instant `wait` milliseconds from now, which may be any number.
  [[nodiscard]] Ms after(Ms wait) const {
    return now + std::clamp<Ms>(wait, 0, limits::wait_ms_max);
  }
  [[nodiscard]] bool has_room_for_file() const {
    const std::size_t open = connections_open == nullptr ? 0 : *connections_open;
    return files_open == 0 || files_open + open < places;
  }
  static void enter(Context* context);  // null: this thread runs none any more
  void begin_drain();
};

// CHECKs that this thread runs a worker: what waits belongs in a handler's or a job's coroutine.
[[nodiscard]] Context& context();
[[nodiscard]] bool on_a_worker() noexcept;

}  // namespace lastcall
