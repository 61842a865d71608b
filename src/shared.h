// What the workers of one process share: the signal, the steps of the listener close that are the
// whole process's, and one slot each for what others may read. Written rarely, by atomics; nothing
// here is touched for a request but the worker's own slot.
//
// Invariants
//  1. T0 (`signaled_at`) is set once, by whoever reads the signal first: the leader's ring, or the
//     watch thread when the leader's loop is stuck.
//  2. Un-listen is done by the leader alone, for all listeners in one loop (termination.md: with
//     some of a group un-listened, new clients are neither refused nor answered).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bounds.h"
#include "counters.h"
#include "drain.h"
#include "jobs.h"

namespace lastcall {

inline constexpr int exit_cut = 3;     // the deadline cut something
inline constexpr int exit_forced = 4;  // a second SIGINT or SIGQUIT did

struct WorkerSlot {
  Counters counters;
  std::atomic<Ms> heartbeat{0};
  std::atomic<Ms> last_arrival{0};  // accept time of the latest connection that was no probe
  JobTable jobs;
  int wake_fd = -1;
  int listener = -1;  // of the main address
};

class Shared {
 public:
  static constexpr Ms never = INT64_MAX;

  Shared(unsigned workers, const Budget& budget);

  // ---- the signal; any thread. The caller wakes the workers.
  enum class Heard : std::uint8_t { first, repeated, forced };
  Heard on_signal(int signal, Ms now);
  [[nodiscard]] Ms signaled_at() const { return signaled_at_.load(std::memory_order_acquire); }
  [[nodiscard]] bool signaled() const { return signaled_at() != never; }
  [[nodiscard]] bool forced() const { return forced_.load(std::memory_order_acquire); }
  [[nodiscard]] int signal() const { return signal_; }
  // All workers are ready, or were when the signal came. One that came sooner finds no window: the
  // same for all of them, whoever starts after it.
  [[nodiscard]] bool served() const;
  [[nodiscard]] Ms window_end() const { return signaled_at() + (served() ? budget.window : 0); }

  // ---- the questions of probes
  [[nodiscard]] bool ready() const { return served() && !signaled(); }
  [[nodiscard]] bool servable(Ms now) const;
  [[nodiscard]] bool alive(Ms now) const;

  [[nodiscard]] std::uint64_t sum(Count count) const;
  [[nodiscard]] Ms last_arrival() const;
  [[nodiscard]] std::vector<JobSum> job_sums() const;  // by name, over all workers

  const Budget budget;
  std::vector<WorkerSlot> slots;
  std::uint16_t port = 0;  // of the main listeners
  bool can_unlisten = false;
  void (*end_now)(int signal) = nullptr;                 // --hard
  void (*arm_watchdog)(Ms at, int exit_code) = nullptr;  // ends the process where the loops cannot
  Ms settle_max = limits::settle_ms_max;

  std::atomic<std::size_t> workers_ready{0};  // whose accept is armed
  std::atomic<std::size_t> workers_stopped{0};
  std::atomic<Ms> serving_at{never};
  std::atomic<Ms> unlistened_at{never};
  std::atomic<Ms> settled_at{never};
  std::atomic<Ms> stopped_at{never};
  std::atomic<bool> unlisten_worked{false};
  std::atomic<std::size_t> operations_left{0};  // over all workers, when they stopped: 0

 private:
  std::atomic<Ms> signaled_at_{never};
  std::atomic<int> signal_{0};
  std::atomic<int> served_{-1};  // at T0; -1: not known yet
  std::atomic<unsigned> interrupts_{0};
  std::atomic<bool> forced_{false};
};

}  // namespace lastcall
