#include "shared.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include "duration.h"
#include "log.h"

namespace lastcall {

Shared::Shared(unsigned workers, const Budget& given) : budget(given), slots(workers) {
  settle_max = std::min(limits::settle_ms_max, budget.timeout / 3);
}

Shared::Heard Shared::on_signal(int signal, Ms now) {
  const bool interrupt = signal == SIGINT || signal == SIGQUIT;
  const unsigned interrupts = interrupts_ += interrupt ? 1 : 0;
  Ms unset = never;
  // The signal's name first: whoever sees T0 may ask for it.
  int none = 0;
  signal_.compare_exchange_strong(none, signal);
  int unknown = -1;
  served_.compare_exchange_strong(unknown, workers_ready == slots.size());
  if (signaled_at_.compare_exchange_strong(unset, now)) {
    if (end_now != nullptr) end_now(signal);
    if (arm_watchdog != nullptr)
      arm_watchdog(now + budget.window + budget.timeout + limits::watchdog_ms, exit_cut);
    log::info("SIG{}: draining for {}, then closing for at most {}", sigabbrev_np(signal),
              format_duration(budget.window), format_duration(budget.timeout));
    return Heard::first;
  }
  if (!interrupt || interrupts < 2) {
    log::info("SIG{} while draining: {}", sigabbrev_np(signal),
              interrupt ? "once more ends the process now" : "changes nothing");
    return Heard::repeated;
  }
  if (forced()) return Heard::repeated;  // and the watchdog stays where it is
  log::warning("SIG{} again: the deadline is now", sigabbrev_np(signal));
  const Ms deadline = std::min(now, signaled_at() + budget.window + budget.timeout);
  if (arm_watchdog != nullptr) arm_watchdog(deadline + limits::watchdog_ms, exit_forced);
  forced_.store(true, std::memory_order_release);
  return Heard::forced;
}

bool Shared::served() const {
  const int at_signal = served_;
  return at_signal < 0 ? workers_ready == slots.size() : at_signal == 1;
}

bool Shared::servable(Ms now) const {
  if (!served()) return false;
  return !signaled() || (!forced() && now < window_end() - budget.lead);
}

bool Shared::alive(Ms now) const {
  return std::all_of(slots.begin(), slots.end(), [&](const WorkerSlot& slot) {
    const Ms beat = slot.heartbeat.load(std::memory_order_relaxed);
    return beat == 0 || now - beat < limits::heartbeat_stale_ms;  // 0: not started, or ended
  });
}

std::uint64_t Shared::sum(Count count) const {
  std::uint64_t total = 0;
  for (const WorkerSlot& slot : slots) total += slot.counters.get(count);
  return total;
}

Ms Shared::last_arrival() const {
  Ms latest = 0;
  for (const WorkerSlot& slot : slots) {
    latest = std::max(latest, slot.last_arrival.load(std::memory_order_relaxed));
  }
  return latest;
}

std::vector<JobSum> Shared::job_sums() const {
  std::vector<JobSum> sums;
  for (const WorkerSlot& slot : slots) {
    for (const JobRow& row : slot.jobs) {
      const char* const literal = row.name.load(std::memory_order_acquire);
      if (literal == nullptr) break;
      const std::string name(literal, row.name_bytes);
      auto at = std::find_if(sums.begin(), sums.end(),
                             [&](const JobSum& sum) { return sum.name == name; });
      if (at == sums.end()) at = sums.insert(at, {.name = name});
      at->running += row.running;
      at->unfinished += row.unfinished;
      at->oldest_ms = std::max<Ms>(at->oldest_ms, row.oldest_ms);
    }
  }
  return sums;
}

}  // namespace lastcall
