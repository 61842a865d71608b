// The way down of a SIGTERM, top to bottom: on_signal -> observe_signal -> step_drain -> announce
// -> close_listener, unlisten_all -> settle -> (listener.cc: cancel, last completion, sweep, close)
// -> close_silent_batch -> cut -> close_admin -> release_reads -> stop.
#include <sys/signalfd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <lastcall/log.h>

#include "base/check.h"
#include "server/worker.h"

namespace lastcall {

void Worker::on_signal(const Completion& completion) {
  CHECK(leader() && signal_read_);
  signal_read_ = false;
  if (completion.result == static_cast<int>(sizeof(signalfd_siginfo))) {
    signalfd_siginfo info;
    std::memcpy(&info, signal_buffer_.data(), sizeof info);
    process_.on_signal(static_cast<int>(info.ssi_signo), now_);
    wake_all();
  }
  if (reads_released_) return;
  signal_read_ = true;
  io_.submit_read(signal_fd_, signal_buffer_, {Kind::signal, 0, 0});
}

// Whoever read it, each worker runs its own machine from the same T0.
void Worker::observe_signal() {
  if (phase() == Phase::starting && process_.all_ready()) step_drain(Event::ready, now_);
  const Deadlines deadlines = process_.deadlines();
  if (deadlines.set() && phase() <= Phase::serving)
    step_drain(Event::signal, deadlines.signaled_at);
  if (process_.forced() && !std::exchange(forced_, true)) step_drain(Event::force, now_);
  step_drain(Event::tick, now_);
}

Remaining Worker::remaining() const {
  return {.connections = main_.open,
          .handlers = waiting_,
          .jobs = jobs_.running(),
          .others = leader() ? process_.slots.size() - 1 - process_.workers_stopped : 0,
          .listener = main_.listener.is_open(),
          .admin = admin_.listener.is_open() || admin_.open > 0,
          .operations = io_.operations()};
}

void Worker::step_drain(Event event, Ms at) {
  const Actions actions = drain_.on(event, process_.deadlines(), remaining(), at);
  if (actions.announce) announce();
  // Un-listened before anything is cut: a listener that still listens is never closed.
  if (actions.close_listener) close_listener();
  if (actions.cut) cut();
  if (cut_ && process_.close_began_at != never) main_.listener.cut();
  if (actions.close_admin) close_admin();
  if (actions.release) release_reads();
  if (phase() != Phase::closing) return;
  settle();
  close_silent_batch();
  if (now_ >= admin_cut_at_) cut_admin();  // each turn: one more may have been accepted
}

void Worker::announce() {
  DCHECK(!context_.draining);
  context_.draining = true;
  if (!leader() || config_.on_drain == nullptr) return;
  try {
    config_.on_drain(config_.on_drain_state);
  } catch (const std::exception& error) {
    log::error("on_drain failed: {}; the drain goes on", error.what());
  } catch (...) {
    log::error("on_drain failed; the drain goes on");
  }
}

bool Worker::says_close(const Door& door, float draw) const {
  if (door.closing || crowded(door)) return true;
  if (door.admin || phase() != Phase::draining) return false;
  const Deadlines deadlines = process_.deadlines();
  const Ms window = deadlines.window_end - deadlines.signaled_at;
  const Ms first = std::min(limits::close_ramp_first_ms, window / 4);
  const Ms last = window / 2;
  return now_ >=
         deadlines.signaled_at + first + static_cast<Ms>(draw * static_cast<float>(last - first));
}

float Worker::draw() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return static_cast<float>(random_ >> 40) / static_cast<float>(1 << 24);
}

// The window is over. The leader un-listens for all; each worker then ends its own accept, once
// handshakes under way have been waited for (`settle`).
void Worker::close_listener() {
  DCHECK(!main_.closing);
  main_.closing = true;
  if (leader()) unlisten_all();
}

// One loop, and nothing between the calls: a group with a live member swallows the SYNs of the
// others, whose clients would hang.
void Worker::unlisten_all() {
  DCHECK(leader() && process_.close_began_at == never);
  if (process_.can_unlisten) {
    int failed = 0;
    for (const WorkerSlot& slot : process_.slots) {
      if (const int result = io_.unlisten(slot.listener); result != 0) failed = -result;
    }
    process_.unlisten_worked = failed == 0;
    if (failed != 0) log::warning("un-listen failed: {}", std::strerror(failed));
  }
  process_.close_began_at = io_.now();
  log::info("closing: no new connection from here on");
}

// Polls until handshakes under way are over (leader); then each worker begins its own close.
void Worker::settle() {
  DCHECK(phase() == Phase::closing);
  if (leader() && process_.settled_at == never && now_ >= settle_poll_at_) {
    if (settled()) {
      process_.settled_at = io_.now();
      const int half_way = std::max(0, io_.handshakes_half_way(process_.port));
      metrics().add("handshakes_abandoned", static_cast<std::uint64_t>(half_way));
      wake_all();
    }
    // Counting them may take long where there are many sockets: never more than a quarter of the
    // time.
    const Ms took = io_.now() - now_;
    settle_poll_at_ = now_ + std::max(limits::settle_poll_ms, 4 * took);
  }
  if (process_.settled_at != never) main_.listener.begin_close();
  CHECK(process_.settled_at == never || process_.close_began_at != never);
}

bool Worker::settled() const {
  CHECK(process_.close_began_at != never);
  if (cut_) return true;  // other workers' listeners may be gone
  const Ms elapsed = now_ - process_.close_began_at;
  if (process_.forced() || elapsed >= process_.settle_max) return true;
  if (elapsed < limits::settle_ms_min) return false;
  for (const WorkerSlot& slot : process_.slots) {
    if (io_.accept_queue_length(slot.listener) > 0) return false;
  }
  const int half_way = io_.handshakes_half_way(process_.port);
  return half_way == 0 || (half_way < 0 && elapsed >= limits::settle_blind_ms);
}

// The longest silent first, a batch at a time: not all clients learn it in the same instant.
void Worker::close_silent_batch() {
  if (process_.settled_at == never || now_ < close_poll_at_) return;
  close_poll_at_ = now_ + limits::closing_poll_ms;
  const Ms settled_at = process_.settled_at;
  std::vector<Connection*>& silent = silent_since(now_, main_);
  // Nobody knows yet what a fresh connection will say: it has until its first-byte deadline.
  std::erase_if(silent, [&](const Connection* each) {
    const Ms since = std::max(each->accepted_at(), settled_at);
    return each->fresh() && now_ < since + limits::first_byte_ms;
  });
  constexpr std::size_t batches = 16;
  const std::size_t batch = std::max(limits::idle_close_batch, main_.open / batches);
  if (silent.size() > batch) silent.resize(batch);
  for (Connection* connection : silent) connection->close_silent();
}

void Worker::cut() {
  DCHECK(!cut_);
  // Answers of this turn are handed over; what has come by now, which after a long stop may be
  // much, is answered where that takes no waiting.
  const Ms until = io_.now() + limits::last_look_ms;
  std::span<const Completion> completions = io_.harvest(now_);
  while (!completions.empty() && io_.now() < until) {
    dispatch_all(completions);
    run_coroutines();
    resume_parked();
    completions = io_.harvest(now_);
  }
  cut_ = true;
  for (const auto& connection : connections_) {
    if (connection->in_use() && !connection->door().admin) connection->cut();
  }
  dispatch_all(completions);  // when there was no time for it: received, and cut
  jobs_.on_deadline(now_);
  operations_.cancel_all();
  resolver_.cancel();
  sleepers_.cancel();
}

// All else is done: probes have had their answers to the end.
void Worker::close_admin() {
  DCHECK(!admin_.closing && main_.open == 0);
  admin_.closing = true;
  admin_cut_at_ = now_ + limits::admin_linger_ms;
  if (admin_.listener.is_open() && process_.can_unlisten) io_.unlisten(admin_.listener.fd());
  admin_.listener.begin_close();
  for (const auto& connection : connections_) {
    if (connection->in_use() && connection->silent()) connection->close_silent();
  }
}

void Worker::cut_admin() {
  admin_.listener.cut();
  for (const auto& connection : connections_) {
    if (connection->in_use()) connection->cut();
  }
}

void Worker::release_reads() {
  DCHECK(!reads_released_);
  CHECK(main_.open + admin_.open + waiting_ + jobs_.running() == 0);
  CHECK(!main_.listener.is_open() && !admin_.listener.is_open());
  reads_released_ = true;
  resolver_.close();
  cancel_reads();
}

// Again with each heartbeat: a cancel may miss.
void Worker::cancel_reads() {
  if (signal_read_) io_.submit_cancel(signal_fd_, {Kind::signal, 0, 0});
  if (wake_read_) io_.submit_cancel(wake_fd_, {Kind::wake, 0, 0});
}

void Worker::report_progress() {
  try {
    log_progress();
  } catch (const std::bad_alloc&) {
    log::count_dropped();
  }
}

void Worker::log_progress() const {
  std::string by_name;
  for (const JobSum& sum : process_.job_sums()) {
    if (sum.running > 0) by_name += fmt::format(" {}: {}", sum.name, sum.running);
  }
  std::string window;
  if (phase() == Phase::draining) {
    const Ms seconds = std::max<Ms>(0, process_.deadlines().window_end - now_ + 999) / 1000;
    window = fmt::format("; new ones are taken for {}s more", seconds);
  }
  log::info("{}: waiting for {} requests, {} jobs{}{}{}, {} connections{}", name(phase()),
            std::max(process_.sum("requests_in_flight"), process_.sum("handlers_waiting")),
            process_.sum("jobs_running"), by_name.empty() ? "" : " (",
            by_name.empty() ? "" : by_name.substr(1), by_name.empty() ? "" : ")",
            process_.sum("connections_open"), window);
}

void Worker::stop() {
  DCHECK(stopped());
  CHECK(reads_released_ || (signal_fd_ < 0 && wake_fd_ < 0));
  CHECK(!leader() || process_.workers_stopped + 1 == process_.slots.size());
  timers_.disarm(heartbeat_);
  open_streams_.close_all();
  cut_report_.say_rest();
  check_nothing_left();
  slot_.heartbeat = 0;
  process_.operations_left += io_.operations();
  if (++process_.workers_stopped == process_.slots.size()) process_.stopped_at = now_;
  if (!leader()) io_.wake(process_.slots[0].wake_fd);
}

}  // namespace lastcall
