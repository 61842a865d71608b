// What the coroutines of one thread stand on: the parts of the worker that runs there. `sleep`,
// `background`, `Stream` and their like find them here, so that a handler need not pass them on.
//
// A worker enters before each turn; in the simulation several share a thread. Not installed:
// users see `draining` and `this_worker` (server.h).
#pragma once

#include "bounds.h"

namespace lastcall {

class Counters;
class Io;
class Jobs;
class Operations;
class Ready;
class Resolver;
class Sleepers;
class Streams;
class TimerWheel;

struct Local {
  Io& io;
  TimerWheel& timers;
  Counters& counters;
  Sleepers& sleepers;
  Ready& ready;
  Operations& operations;
  Resolver& resolver;
  Streams& streams;
  Jobs& jobs;
  unsigned worker;
  Ms now = 0;             // of this turn
  bool draining = false;  // the signal has come

  static void enter(Local* local);
};

// CHECKs that this thread runs a worker: what waits belongs in a handler's or a job's coroutine.
[[nodiscard]] Local& local();

}  // namespace lastcall
