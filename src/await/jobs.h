// Background work of one worker: counted, named, awaited (background.h is its public face).
//
// Invariants
//  1. A job is counted from `start` until `finish` has taken its end; the drain waits for 0.
//  2. Each job that the deadline leaves unfinished stands once in the log, named or in a sum, and
//     once in the table.
//  3. JobTable is written by its worker alone and read by whoever asks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <lastcall/task.h>

#include "base/limits.h"
#include "base/timers.h"

namespace lastcall {

class Metrics;

// Jobs by name, of one worker.
struct JobRow {
  std::atomic<const char*> name{nullptr};  // a literal; null: a free row
  std::atomic<std::size_t> name_bytes{0};
  std::atomic<std::uint64_t> running{0};
  std::atomic<std::uint64_t> unfinished{0};  // at the deadline
  std::atomic<Ms> oldest_ms{0};              // age of the oldest of those
  void note_age(Ms age) {
    if (age > oldest_ms) oldest_ms = age;
  }
};
using JobTable = std::array<JobRow, limits::job_names_max>;

struct JobSum {  // over all workers
  std::string_view name;
  std::uint64_t running = 0;
  std::uint64_t unfinished = 0;
  Ms oldest_ms = 0;
};
// All of them, in place: a handler of a signal, which may not allocate, asks for them, too.
struct JobSums {
  [[nodiscard]] const JobSum* begin() const { return all.data(); }
  [[nodiscard]] const JobSum* end() const { return all.data() + size; }

  std::array<JobSum, limits::job_names_max + 1> all{};  // "other" may stand beside them
  std::size_t size = 0;
};

class Jobs {
 public:
  Jobs(TimerWheel& timers, Metrics& metrics, JobTable& table, std::size_t jobs_max);
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  [[nodiscard]] bool admit();  // false: there is no room; counts the refusal
  [[nodiscard]] bool start(std::string_view name, Task<> task, Ms now);
  // Work that is no coroutine: from `enter` to `leave` it counts as a job of that name. `well`:
  // else the deadline has come before it began. Throws std::bad_alloc.
  [[nodiscard]] void* enter(std::string_view name, Ms now);
  void leave(void* entered, bool well, Ms now);
  void run_new();       // begins those that were started in this turn
  void finish(Ms now);  // takes those that have ended
  // No new ones from here on. The worker, which calls this, cancels what jobs await; one that still
  // runs limits::job_overdue_ms later is named.
  void on_deadline(Ms now);
  void say_rest() noexcept;  // what was unfinished beyond the lines of the log, summed by name
  [[nodiscard]] std::size_t running() const { return all_.size(); }
  [[nodiscard]] std::size_t bytes() const;  // what they are kept in, frames not included
  void trim();                              // what is free goes back to the system
  [[nodiscard]] bool waits_for_turn() const { return !new_.empty() || !ended_.empty(); }

 private:
  struct Job {
    Jobs* jobs = nullptr;
    std::string_view name;
    JobRow* row = nullptr;
    Ms since = 0;
    Task<> task;
    std::size_t at = 0;  // in all_
    bool named = false;  // as overdue
  };

  static void on_done(void* job) noexcept;
  static void on_overdue(void* jobs) noexcept;
  Job& add(std::string_view name, Ms now);
  void make_room_for_one();
  JobRow& row_of(std::string_view name);
  void count_ended(const Job& job);
  void remove(Job& job);
  void count_unfinished(const Job& job, Ms now);
  void name_unfinished(Ms now, std::string_view how);

  TimerWheel& timers_;
  Metrics& metrics_;
  JobTable& table_;
  const std::size_t jobs_max_;
  std::vector<std::unique_ptr<Job>> all_;
  std::size_t entered_ = 0;  // of them: no coroutines of ours, and bounded by who awaits them
  std::vector<Job*> new_;
  std::vector<Job*> starting_;  // swapped with it: both keep their room
  std::vector<Job*> ended_;
  std::vector<Job*> finishing_;  // likewise
  std::vector<Job*> unfinished_;
  std::size_t lines_ = 0;                                       // in the log, of unfinished ones
  std::array<std::uint64_t, limits::job_names_max> unnamed_{};  // by row
  bool canceled_ = false;
  Ms overdue_at_ = 0;
  Timer overdue_;
};

}  // namespace lastcall
