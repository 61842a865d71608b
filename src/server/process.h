// What the workers of one process share: the signal, the steps of the listener close that are the
// whole process's, and one slot each for what others may read. Written rarely: a turn reads the
// deadlines, and nothing but the worker's own slot is written for a request.
//
// Invariants
//  1. The deadlines are set once, by whoever reads the signal first: the leader's ring, or the
//     watch thread when the leader's loop is stuck. A second interrupt brings them forward, once.
//  2. Un-listen is done by the leader alone, for all listeners in one loop: with some of a group
//     un-listened, new clients are neither refused nor answered.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "await/jobs.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "http/router.h"
#include "io/io.h"
#include "server/drain.h"
#include "server/program_report.h"

namespace lastcall {

// How many requests handlers have, by the number of their route; further routes share the last.
class RouteTable {
 public:
  void begin(const Route& route) { add(route, 1); }
  void end(const Route& route) { add(route, ~std::uint64_t{0}); }
  [[nodiscard]] std::uint64_t at(std::size_t row) const {
    return rows_[row].load(std::memory_order_relaxed);
  }

 private:
  void add(const Route& route, std::uint64_t n) {  // one writer: no locked instruction
    auto& row = rows_[std::min(route.number, rows_.size() - 1)];
    row.store(row.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::array<std::atomic<std::uint64_t>, limits::routes_told> rows_{};
};

inline constexpr int undecided = -1;  // of an exit code

struct WorkerSlot {
  Metrics metrics;
  std::atomic<Ms> heartbeat{0};
  std::atomic<Ms> busy_since{0};                // when its turn began; 0: it waits for the next one
  std::atomic<const Route*> handling{nullptr};  // the last in this turn whose handler was called
  std::atomic<Ms> last_arrival{0};  // accept time of the latest connection that was no probe
  JobTable jobs;
  RouteTable under_way;           // requests that handlers have
  int wake_fd = -1;               // set before the workers start, and then only read
  std::atomic<int> listener{-1};  // of the main address, until its worker has closed it
};

class Process {
 public:
  Process(unsigned workers, const Budget& budget);

  // ---- the signal; any thread. The caller wakes the workers.
  void wake_workers() const;  // of real ones; on a worker's own thread: Worker::wake_all
  enum class Heard : std::uint8_t { first, repeated, forced, too_late };
  Heard on_signal(int signal, Ms now);
  // The drain is over: signals mean nothing to us any more.
  void end();
  // A start that hangs ends by `signal`, without a drain.
  void end_start(int signal) { signal_ = signal; }
  // As by SIGTERM, but for the log: the program itself asks. `at_once`: without a window.
  void on_stop(Ms now, bool at_once = false);
  // What was to run before serving has failed on a worker: nobody is served.
  void on_start_failed(std::string_view why, Ms now);
  [[nodiscard]] bool start_failed() const { return start_failed_; }
  // A worker's ring is broken: the drain begins by itself, unless it has. `error` is an errno.
  void on_broken_io(int error, Ms now);
  [[nodiscard]] Deadlines deadlines() const;
  [[nodiscard]] bool signaled() const { return deadlines().set(); }
  [[nodiscard]] bool forced() const { return forced_.load(std::memory_order_acquire); }
  [[nodiscard]] int signal() const { return signal_; }  // 0: none came
  [[nodiscard]] int io_error() const { return io_error_; }
  // Before the signal: are all workers ready? After it: were all workers ready at T0? If not: no
  // window, for anyone.
  [[nodiscard]] bool all_ready() const;

  // ---- the questions of probes
  [[nodiscard]] bool ready() const { return all_ready() && !signaled(); }
  [[nodiscard]] bool servable(Ms now) const;
  [[nodiscard]] bool alive(Ms now) const;
  // Its worker has not turned for long, and does again: if all of the process was stopped, its
  // siblings are about to.
  void note_turn(Ms last, Ms now);

  // Over all workers; `row` is of metric_rows.
  [[nodiscard]] std::uint64_t sum(Metric metric) const { return sum_at(metric.row()); }
  [[nodiscard]] std::uint64_t sum_at(std::size_t row) const;
  [[nodiscard]] Ms last_arrival() const;
  // Another number than before: some loop is ending requests, jobs or connections.
  // Async-signal-safe, as `turned_since`: has any loop?
  [[nodiscard]] std::uint64_t progress() const;
  [[nodiscard]] bool turned_since(Ms instant) const;
  [[nodiscard]] JobSums job_sums() const;                        // by name, over all workers
  [[nodiscard]] std::uint64_t under_way(std::size_t row) const;  // of a RouteTable, likewise

  const Budget budget;
  std::vector<WorkerSlot> slots;
  std::uint16_t port = 0;                  // of the main listeners
  std::string_view io;                     // "io_uring" or "epoll": what all workers serve by
  TcpCounts tcp_at_start;                  // before anything listened
  TcpCounts tcp_at_signal;                 // by the leader, before the close begins
  const Router* router = nullptr;          // of clients; null in tests
  const ProgramReport* program = nullptr;  // what that adds; null in tests
  bool can_unlisten = false;
  // Both are set by Server::run, and left out in tests.
  void (*end_now)(int signal) = nullptr;                 // --hard: ends the process at once
  void (*arm_watchdog)(Ms at, int exit_code) = nullptr;  // signals.h
  Ms settle_max = limits::settle_ms_max;

  std::atomic<std::size_t> workers_ready{0};  // whose accept is armed
  std::atomic<std::size_t> workers_stopped{0};
  // Set by whatever ends the process otherwise than by its loop (last_words.h): workers stand
  // still.
  std::atomic<const char*> ended_by{nullptr};
  std::atomic<int> ended_with{undecided};   // an exit code, or 128 and a signal
  std::atomic<bool> status_unknown{false};  // 0 is then only what is known to be lost
  std::atomic<unsigned> trims{0};           // how often all workers were asked to give memory back
  std::atomic<unsigned> cut_lines{0};       // in the log, of what the deadline has cut
  std::atomic<Ms> serving_at{never};
  std::atomic<Ms> close_began_at{never};  // un-listened then, where the kernel can
  std::atomic<Ms> settled_at{never};
  // Between the signal and then, or where the kernel cannot, the last listener's end: cookies sent,
  // queues overflown; -1: not known.
  std::atomic<std::int64_t> syn_cookies{0};
  std::atomic<std::int64_t> queue_overflows{0};
  std::atomic<Ms> stopped_at{never};
  std::atomic<bool> unlisten_worked{false};
  std::atomic<bool> last_work_failed{false};    // what the program does behind the drain
  std::atomic<std::size_t> operations_left{0};  // over all workers, when they stopped: 0

 private:
  void begin_drain(int signal, Ms now);
  void end_window(Ms now);
  void publish(const Deadlines& deadlines);

  std::atomic<Ms> signaled_at_{never};
  std::atomic<Ms> window_end_{never};
  std::atomic<Ms> deadline_{never};
  std::atomic<Ms> behind_{0};
  std::atomic<int> signal_{0};
  std::atomic<int> io_error_{0};
  std::atomic<bool> start_failed_{false};
  std::atomic<int> all_ready_{-1};  // at T0; -1: not known yet
  std::atomic<Ms> thawed_at_{0};
  std::mutex hearing_;  // two threads may read a signal each
  unsigned interrupts_ = 0;
  bool over_ = false;
  std::atomic<bool> forced_{false};
};

}  // namespace lastcall
