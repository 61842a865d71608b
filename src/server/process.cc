#include "server/process.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <mutex>

#include <lastcall/duration.h>
#include <lastcall/exit_code.h>
#include <lastcall/log.h>

#include "base/check.h"
#include "io/sockets.h"

namespace lastcall {

Process::Process(unsigned workers, const Budget& given) : budget(given), slots(workers) {
  settle_max = std::min(limits::settle_ms_max, budget.timeout / 3);
}

void Process::wake_workers() const {
  for (const WorkerSlot& slot : slots) wake_event(slot.wake_fd);
}

Process::Heard Process::on_signal(int signal, Ms now) {
  const std::lock_guard lock(hearing_);
  if (over_) return Heard::too_late;
  const bool interrupt = signal == SIGINT || signal == SIGQUIT;
  if (interrupt) ++interrupts_;
  if (!signaled()) {
    if (end_now != nullptr) end_now(signal);
    begin_drain(signal, now);
    log::info("SIG{}: draining for {}, then closing for at most {}", sigabbrev_np(signal),
              format_duration(budget.window), format_duration(budget.timeout));
    return Heard::first;
  }
  if (!interrupt || interrupts_ < 2) {
    log::info("SIG{} while draining: {}", sigabbrev_np(signal),
              interrupt ? "once more ends the process now" : "changes nothing");
    return Heard::repeated;
  }
  if (forced()) return Heard::repeated;  // and the watchdog stays where it is
  log::warning("SIG{} again: the deadline is now", sigabbrev_np(signal));
  publish(deadlines().forced(now));
  if (arm_watchdog != nullptr)
    arm_watchdog(deadlines().deadline + limits::watchdog_ms, exit_forced.code);
  forced_.store(true, std::memory_order_release);
  return Heard::forced;
}

void Process::end() {
  const std::lock_guard lock(hearing_);
  over_ = true;
}

void Process::on_stop(Ms now, bool at_once) {
  const std::lock_guard lock(hearing_);
  if (over_) return;
  if (signaled()) {
    if (at_once && now < deadlines().window_end) end_window(now);
    return;
  }
  if (end_now != nullptr) end_now(SIGTERM);
  begin_drain(at_once ? 0 : SIGTERM, now);
  log::info("{}: draining for {}, then closing for at most {}",
            at_once ? "the program ends its serving" : "stop() was called",
            format_duration(at_once ? 0 : budget.window), format_duration(budget.timeout));
}

void Process::end_window(Ms now) {
  log::info("the program ends its serving: the window is over");
  publish(deadlines().closed(now));
  if (arm_watchdog != nullptr)
    arm_watchdog(deadlines().deadline + limits::watchdog_ms, exit_cut.code);
}

void Process::on_start_failed(std::string_view why, Ms now) {
  const std::lock_guard lock(hearing_);
  start_failed_ = true;
  log::error("what was to run before serving failed: {}", why);
  if (!signaled()) begin_drain(0, now);
}

void Process::on_broken_io(int error, Ms now) {
  const std::lock_guard lock(hearing_);
  if (io_error_ != 0) return;
  io_error_ = error;
  log::error(
      "{} does not go on: {}; closing at once, for at most {}, as far as it still can. --io epoll "
      "does without io_uring",
      io, std::strerror(error), format_duration(budget.timeout));
  if (!signaled()) begin_drain(0, now);
}

void Process::begin_drain(int signal, Ms now) {
  DCHECK(!signaled());
  all_ready_ = workers_ready == slots.size() ? 1 : 0;
  signal_ = signal;
  // Without a signal a worker's loop is broken: who comes to it is not served.
  publish(Deadlines::from(now, budget, all_ready() && signal != 0));
  if (arm_watchdog != nullptr)
    arm_watchdog(deadlines().deadline + limits::watchdog_ms, exit_cut.code);
}

// Readers hold no lock. The writer stores window_end, deadline, T0 in this order; a reader loads
// T0, deadline, window_end: whoever sees T0 sees all, and never a window that ends behind the
// deadline.
void Process::publish(const Deadlines& deadlines) {
  CHECK(deadlines.set() && deadlines.window_end <= deadlines.deadline);
  CHECK(deadlines.deadline <= deadline_);
  CHECK(!signaled() || deadlines.signaled_at == signaled_at_);
  window_end_.store(deadlines.window_end, std::memory_order_relaxed);
  behind_.store(deadlines.behind, std::memory_order_relaxed);
  deadline_.store(deadlines.deadline, std::memory_order_release);
  signaled_at_.store(deadlines.signaled_at, std::memory_order_release);
}

Deadlines Process::deadlines() const {
  const Ms signaled_at = signaled_at_.load(std::memory_order_acquire);
  if (signaled_at == never) return {};
  const Ms deadline = deadline_.load(std::memory_order_acquire);
  return {signaled_at, window_end_.load(std::memory_order_relaxed), deadline,
          behind_.load(std::memory_order_relaxed)};
}

bool Process::all_ready() const {
  const int at_signal = all_ready_;
  return at_signal < 0 ? workers_ready == slots.size() : at_signal == 1;
}

bool Process::servable(Ms now) const {
  return all_ready() && deadlines().servable(now, budget.lead);
}

bool Process::alive(Ms now) const {
  if (now - thawed_at_.load(std::memory_order_relaxed) < limits::thaw_ms) return true;
  return std::all_of(slots.begin(), slots.end(), [&](const WorkerSlot& slot) {
    const Ms beat = slot.heartbeat.load(std::memory_order_relaxed);
    return beat == 0 || now - beat < limits::heartbeat_stale_ms;  // 0: not started, or ended
  });
}

void Process::note_turn(Ms last, Ms now) {
  const auto late = [&](Ms beat) { return beat == 0 || now - beat >= limits::frozen_ms; };
  if (last == 0 || !late(last)) return;
  // One that went on meanwhile says that not all of them were stopped.
  const bool all = std::all_of(slots.begin(), slots.end(), [&](const WorkerSlot& slot) {
    return late(slot.heartbeat.load(std::memory_order_relaxed));
  });
  if (all) thawed_at_.store(now, std::memory_order_relaxed);
}

std::uint64_t Process::sum_at(std::size_t row) const {
  std::uint64_t total = 0;
  for (const WorkerSlot& slot : slots) total += slot.metrics.at(row);
  return total;
}

std::uint64_t Process::under_way(std::size_t row) const {
  std::uint64_t total = 0;
  for (const WorkerSlot& slot : slots) total += slot.under_way.at(row);
  return total;
}

std::uint64_t Process::progress() const {
  return sum("requests_cut") + sum("requests_undelivered") + sum("partial_cut") +
         sum("answers_broken_off") + sum("jobs_unfinished") + sum("jobs_finished") +
         sum("jobs_failed") - sum("handlers_waiting") - sum("jobs_running") -
         sum("connections_open");
}

bool Process::turned_since(Ms instant) const {
  return std::any_of(slots.begin(), slots.end(), [&](const WorkerSlot& slot) {
    return slot.heartbeat.load(std::memory_order_relaxed) >= instant;
  });
}

Ms Process::last_arrival() const {
  Ms latest = 0;
  for (const WorkerSlot& slot : slots) {
    latest = std::max(latest, slot.last_arrival.load(std::memory_order_relaxed));
  }
  return latest;
}

// What has no place any more is added to the last.
JobSums Process::job_sums() const {
  JobSums sums;
  for (const WorkerSlot& slot : slots) {
    for (const JobRow& row : slot.jobs) {
      const char* const literal = row.name.load(std::memory_order_acquire);
      if (literal == nullptr) break;
      const std::string_view name(literal, row.name_bytes);
      const auto same = [&](const JobSum& sum) { return sum.name == name; };
      auto* const begin = sums.all.data();
      JobSum* sum = std::find_if(begin, begin + sums.size, same);
      if (sum == begin + sums.size) {
        if (sums.size == sums.all.size()) {
          --sum;
        } else {
          ++sums.size;
          sum->name = name;
        }
      }
      sum->running += row.running;
      sum->unfinished += row.unfinished;
      sum->oldest_ms = std::max<Ms>(sum->oldest_ms, row.oldest_ms);
    }
  }
  return sums;
}

}  // namespace lastcall
