// The phase machine: phase, event, what remains, now -> next phase and actions. Pure: no I/O and no
// clock of its own, so that every phase x event is a row of a table-driven test. One per worker,
// all from the same T0, each on its own counters; the leader (worker 0) also waits for the others.
//
// Invariants
//  1. The phase only ever moves forward.
//  2. Each action is asked for once.
//  3. `stopped` is reached with nothing remaining: no connection, job, listener or operation.
#pragma once

#include <cstdint>
#include <string_view>

#include "bounds.h"

namespace lastcall {

enum class Phase : std::uint8_t {
  starting,  // signals are blocked; not every worker's accept is armed yet
  serving,   // readiness 200
  draining,  // from the signal on: readiness 503, the listener open and serving for the window
  closing,   // the listener goes losslessly; what is in flight is finished, under one deadline
  stopped,   // nothing left, counted
};
[[nodiscard]] std::string_view name(Phase phase);

enum class Event : std::uint8_t {
  ready,   // every worker's accept is armed
  signal,  // the first SIGTERM, SIGINT, SIGQUIT or SIGHUP
  force,   // the second SIGINT or SIGQUIT: the deadline is now
  tick,    // time has passed, or a counter has changed
};
[[nodiscard]] std::string_view name(Event event);

// What is still there, counted by the worker that asks.
struct Remaining {
  std::size_t connections = 0;  // of the main listener, in whatever state
  std::size_t requests = 0;     // coroutines of handlers, their client still there or not
  std::size_t jobs = 0;         // background work
  std::size_t others = 0;       // leader only: workers that have not stopped
  bool listener = false;        // the main listener is not closed yet
  bool admin = false;           // the admin listener or one of its connections is still there
  std::size_t operations = 0;   // io.h; includes the reads of the signalfd and the eventfd
};

struct Budget {
  Ms window = 0;   // listener open after the signal
  Ms timeout = 0;  // from the window's end: requests and jobs must be done
  Ms lead = 0;     // how long before the listener's end `/servingz` says so
};

struct Actions {
  bool announce = false;        // the drain begins: run the hook
  bool close_listener = false;  // the window is over: un-listen, settle, cancel, sweep, close
  bool cut = false;             // the deadline: end what is left, and name it
  bool close_admin = false;     // all else is done: the admin listener goes
  bool release = false;         // only our own reads are left: cancel them
  bool operator==(const Actions&) const = default;
};

class Drain {
 public:
  explicit Drain(const Budget& budget) : budget_(budget) {}

  // `now` is the instant of the event; for `signal` it is T0, from which all deadlines count.
  [[nodiscard]] Actions on(Event event, const Remaining& remaining, Ms now);

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] bool forced() const { return forced_; }
  // The three questions a probe can ask.
  [[nodiscard]] bool ready() const { return phase_ == Phase::serving; }
  [[nodiscard]] bool servable(Ms now) const;
  // When `on(tick)` next has something to do by time alone; `never` outside a drain.
  [[nodiscard]] Ms next(Ms now) const;

  [[nodiscard]] Ms signaled_at() const { return signaled_at_; }
  [[nodiscard]] Ms window_end() const { return window_end_; }
  [[nodiscard]] Ms deadline() const { return deadline_; }
  static constexpr Ms never = INT64_MAX;

 private:
  void begin(Ms now, Ms window);
  Actions tick(const Remaining& remaining, Ms now);
  Actions finish(const Remaining& remaining, Ms now);

  Budget budget_;
  Phase phase_ = Phase::starting;
  bool forced_ = false;
  bool cut_ = false;
  bool admin_closed_ = false;
  bool released_ = false;
  Ms signaled_at_ = never;
  Ms window_end_ = never;
  Ms deadline_ = never;
};

}  // namespace lastcall
