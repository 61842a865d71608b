// The phase machine: phase, event, deadlines, what remains, now -> next phase and actions. Pure: no
// I/O and no clock of its own, so that every phase x event is a row of a table-driven test. One per
// worker, each on its own metrics, all by the deadlines of the process; the leader (worker 0) also
// waits for the others.
//
// Invariants
//  1. The phase only ever moves forward.
//  2. Each action is asked for once.
//  3. `stopped` is reached with nothing remaining: no connection, job, listener or operation.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/limits.h"

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

struct Budget {
  Ms window = 0;   // listener open after the signal
  Ms timeout = 0;  // from the window's end: requests and jobs must be done
  Ms lead = 0;     // how long before the listener's end `/servingz` says so
  Ms behind = 0;   // for what the program does when all else is done
};

// The instants of a drain, which is all that the workers, the probes and the watchdog know of time.
// Made once, from the signal; a second interrupt brings the later two forward.
struct Deadlines {
  Ms signaled_at = never;  // T0
  Ms window_end = never;   // the listener's end
  Ms deadline = never;     // what is left then is cut
  Ms behind = 0;           // how long what the program does last may take, from its beginning

  // `served`: clients had been told to come. Before that there is no window: nobody has to hear of
  // our end, and what connected all the same is served.
  [[nodiscard]] static Deadlines from(Ms signaled_at, const Budget& budget, bool served);
  [[nodiscard]] Deadlines forced(Ms now) const;  // the deadline is now
  [[nodiscard]] Deadlines closed(Ms now) const;  // the window ends now, and all that follows sooner
  [[nodiscard]] bool set() const { return signaled_at != never; }
  // Can new work still be answered? No from `lead` before the listener's end on.
  [[nodiscard]] bool servable(Ms now, Ms lead) const { return now < window_end - lead; }
  bool operator==(const Deadlines&) const = default;
};

// What is still there, counted by the worker that asks.
struct Remaining {
  std::size_t connections = 0;  // of the main listener, in whatever state
  std::size_t handlers = 0;     // coroutines of handlers, their client still there or not
  std::size_t jobs = 0;         // background work
  std::size_t others = 0;       // leader only: workers that have not stopped
  bool listener = false;        // the main listener is not closed yet
  bool last_work = false;       // leader only: what the program does last has not been done
  bool admin = false;           // the admin listener or one of its connections is still there
  std::size_t operations = 0;   // io.h; includes the reads of the signalfd and the eventfd
};

struct Actions {
  bool begin_drain = false;      // the drain begins: run the hook
  bool begin_closing = false;    // the window is over: un-listen, settle, cancel, sweep, close
  bool cut = false;              // the deadline: end what is left, and name it
  bool begin_last_work = false;  // all is answered: what the program does last begins
  bool cut_last_work = false;    // its time is over
  bool close_admin = false;      // all else is done: the admin listener goes
  bool release = false;          // only our own reads are left: cancel them
  bool operator==(const Actions&) const = default;
};

class Drain {
 public:
  // `now` is the instant of the event. `deadlines` are set from the event `signal` on, at which
  // they count from T0, whenever this worker comes to see it.
  [[nodiscard]] Actions on(Event event, const Deadlines& deadlines, const Remaining& remaining,
                           Ms now);

  [[nodiscard]] Phase phase() const { return phase_; }
  // When `on(tick)` next has something to do by time alone; `never` outside a drain.
  [[nodiscard]] Ms next(const Deadlines& deadlines, Ms now) const;

 private:
  Actions begin(const Deadlines& deadlines, const Remaining& remaining, Ms now);
  Actions tick(const Deadlines& deadlines, const Remaining& remaining, Ms now);
  Actions finish(const Deadlines& deadlines, const Remaining& remaining, Ms now);

  Phase phase_ = Phase::starting;
  bool cut_ = false;
  Ms last_work_until_ = never;  // once it has begun
  bool last_work_cut_ = false;
  bool admin_closed_ = false;
  bool released_ = false;
};

}  // namespace lastcall
