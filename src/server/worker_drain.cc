// The way down of a SIGTERM, top to bottom: on_signal -> observe_signal -> step_drain ->
// begin_drain
// -> begin_closing, unlisten_in_time -> settle
// -> (listener.cc: cancel, last completion, sweep, close)
// -> close_silent_batch -> cut -> begin_last_work -> close_admin -> release_reads -> stop.
#include <sys/signalfd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <lastcall/duration.h>
#include <lastcall/exit_code.h>
#include <lastcall/log.h>

#include "base/check.h"
#include "server/failures.h"
#include "server/worker.h"

namespace lastcall {

void Worker::read_signals(std::uint32_t which) {
  SignalReading& reading = signals_[which];
  if (reading.fd < 0 || reads_released_) return;
  reading.outstanding = true;
  io_.submit_read(reading.fd, reading.buffer, {Kind::signal, which, 0});
}

void Worker::on_signal(const Completion& completion) {
  const std::uint32_t which = completion.ticket.index;
  SignalReading& reading = signals_[which];
  CHECK(leader() && reading.outstanding);
  reading.outstanding = false;
  if (completion.result == static_cast<int>(sizeof(signalfd_siginfo))) {
    signalfd_siginfo info;
    std::memcpy(&info, reading.buffer.data(), sizeof info);
    const auto signal = static_cast<int>(info.ssi_signo);
    which == 0 ? on_drain_signal(signal) : on_hooked_signal(signal);
  }
  read_signals(which);
}

void Worker::on_drain_signal(int signal) {
  process_.on_signal(signal, now_);
  wake_all();
}

void Worker::on_hooked_signal(int signal) {
  for (const SignalHook& hook : config_.signal_hooks) {
    if (hook.signal != signal) continue;
    try {
      hook.run();
    } catch (...) {
      log::error("what SIG{} calls failed: {}", sigabbrev_np(signal), what_failed());
    }
  }
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

// Once nothing else is left no thread's are taken any more.
std::size_t Worker::posts_waiting() {
  const bool last = phase() == Phase::closing && main_.open == 0 && waiting_ == 0 &&
                    !main_.listener.is_open() && jobs_.running() == 0;
  if (last) inbox_.refuse_callables();
  return last && inbox_.close_if_empty() ? 0 : inbox_.waiting();
}

Remaining Worker::remaining() {
  return {.connections = main_.open,
          .handlers = waiting_ + (start_work_.under_way() ? 1 : 0),
          .jobs = jobs_.running() + posts_waiting(),
          .others = leader() ? process_.slots.size() - 1 - process_.workers_stopped : 0,
          .listener = main_.listener.is_open(),
          .last_work = last_work_is_due_,
          .admin = admin_.listener.is_open() || admin_.open > 0,
          .operations = io_.operations()};
}

void Worker::step_drain(Event event, Ms at) {
  const Actions actions = drain_.on(event, process_.deadlines(), remaining(), at);
  if (actions.begin_drain) begin_drain();
  // Un-listened before anything is cut: a listener that still listens is never closed.
  if (actions.begin_closing) begin_closing();
  if (leader() && phase() == Phase::closing && process_.close_began_at == never) unlisten_in_time();
  if (actions.cut) cut();
  if (phase() == Phase::closing && process_.close_began_at != never) settle();
  if (cut_ && process_.settled_at != never) main_.listener.cut();
  if (actions.begin_last_work) begin_last_work();
  if (actions.cut_last_work) cut_last_work();
  if (actions.close_admin) close_admin();
  if (actions.release) release_reads();
  if (phase() != Phase::closing) return;
  close_silent_batch();
  cut_tunnels();
  if (now_ >= admin_cut_at_) cut_admin();  // each turn: one more may have been accepted
}

void Worker::begin_drain() {
  DCHECK(!context_.draining);
  context_.begin_drain();
  ready_.take(drain_waiters_);
  cut_report_.say_rest();  // of what was lost before, for want of memory: the deadline has its own
  if (leader()) process_.cut_lines = 0;
  if (leader()) {
    process_.tcp_at_signal = io_.tcp_counts();
    unseen_.on_signal(process_.tcp_at_signal, now_);
  }
  if (!leader() || !config_.on_drain) return;
  try {
    config_.on_drain();
  } catch (...) {
    log::error("on_drain failed: {}; the drain goes on", what_failed());
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

// The window is over: each answer says close from here on. The leader un-listens for all; each
// worker then ends its own accept, once handshakes under way have been waited for (`settle`).
void Worker::begin_closing() {
  DCHECK(!main_.closing);
  main_.closing = true;
}

// Some who connect are nowhere to be seen until their last ACK is taken, which only a listener
// does: while there may be such, it is kept, for half of the time that is left.
void Worker::unlisten_in_time() {
  const Deadlines deadlines = process_.deadlines();
  const Ms latest = deadlines.window_end + (deadlines.deadline - deadlines.window_end) / 2;
  if (now_ < unseen_poll_at_ && now_ < latest) return;
  unseen_poll_at_ = now_ + limits::unseen_poll_ms;
  unseen_.look(io_.tcp_counts(), now_);
  const bool quiet = unseen_.quiet(now_);
  if (!quiet && now_ < latest && !process_.forced()) {
    if (!std::exchange(postponed_, true))
      log::info(
          "SYN cookies are being sent, or an accept queue overflows: the listener stays for at "
          "most {}",
          format_duration(latest - now_));
    return;
  }
  process_.syn_cookies = unseen_.cookies(now_);
  process_.queue_overflows = unseen_.overflows(now_);
  if (!quiet || unseen_.overflows(now_) > 0) {
    log::warning(
        "the listener goes{}: SYN cookies {}, overflows of an accept queue {} so far; who connects "
        "by these may be reset",
        quiet ? "" : " though there may be clients that nothing shows", unseen_.cookies(now_),
        unseen_.overflows(now_));
  }
  unlisten_all();
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

// A listener that was not un-listened has taken SYNs up to now, when it is closed.
void Worker::note_unseen_at_the_end() {
  if (process_.unlisten_worked || process_.close_began_at == never) return;
  const auto note = [](std::atomic<std::int64_t>& told, std::int64_t then, std::int64_t now) {
    std::int64_t before = told;
    while (then >= 0 && now - then > before && !told.compare_exchange_weak(before, now - then)) {
    }
  };
  const TcpCounts counts = io_.tcp_counts();
  note(process_.syn_cookies, process_.tcp_at_signal.cookies_sent, counts.cookies_sent);
  note(process_.queue_overflows, process_.tcp_at_signal.listen_overflows, counts.listen_overflows);
}

// Polls until handshakes under way are over (leader); then each worker begins its own close.
void Worker::settle() {
  DCHECK(phase() == Phase::closing && process_.close_began_at != never);
  if (leader() && process_.settled_at == never && (cut_ || now_ >= settle_poll_at_)) {
    if (const std::optional<int> half_way = settled()) {
      process_.settled_at = io_.now();
      count_abandoned_handshakes(*half_way);
      wake_all();
    }
    // Counting them may take long where there are many sockets: never more than a quarter of the
    // time.
    const Ms took = io_.now() - now_;
    const bool patient = now_ - process_.close_began_at < process_.settle_max;
    settle_poll_at_ =
        now_ + std::max(patient ? limits::settle_poll_ms : limits::settle_kept_poll_ms, 4 * took);
    if (patient)
      settle_poll_at_ = std::min(settle_poll_at_, process_.close_began_at + process_.settle_max);
  }
  if (process_.settled_at != never) main_.listener.begin_close();
}

// How many handshakes half-way are given up, once it is time to.
std::optional<int> Worker::settled() const {
  const Ms elapsed = now_ - process_.close_began_at;
  const bool at_once = cut_ || process_.forced();  // other workers' listeners may be gone
  if (!at_once && elapsed < limits::settle_ms_min) return std::nullopt;
  const bool long_enough = at_once || elapsed >= process_.settle_max;
  const bool queued =
      std::any_of(process_.slots.begin(), process_.slots.end(), [&](const WorkerSlot& slot) {
        const int listener = slot.listener;
        return listener >= 0 && io_.accept_queue_length(listener) > 0;
      });
  if (queued && !long_enough) return std::nullopt;
  const int half_way = io_.handshakes_half_way(process_.port);
  if (half_way == 0 || at_once) return half_way;
  const bool awaited = queued || waits_for_work();
  if (half_way < 0) {
    if (!long_enough && (elapsed < limits::settle_blind_ms || awaited)) return std::nullopt;
    return half_way;
  }
  // A SYN whose sender is gone, or was never there, stays half-way for a minute: the listener is
  // kept for it as long as there is work to be waited for anyway. (One that takes new SYNs is not.)
  if (!long_enough || (process_.unlisten_worked && awaited)) return std::nullopt;
  return half_way;
}

bool Worker::waits_for_work() const {
  return process_.sum("connections_open") + process_.sum("handlers_waiting") +
             process_.sum("jobs_running") >
         0;
}

void Worker::count_abandoned_handshakes(int half_way) {
  if (half_way <= 0) return;
  metrics().add("handshakes_abandoned", static_cast<std::uint64_t>(half_way));
  log::info(
      "{} handshakes were half-way when the listener closed: clients that have not answered for "
      "{}, or spoofed ones",
      half_way, format_duration(now_ - process_.close_began_at));
}

// The longest silent first, a batch at a time: not all clients learn it in the same instant.
void Worker::close_silent_batch() {
  const Ms closed_at = process_.close_began_at;
  if (closed_at == never || now_ < std::max(closed_at + limits::settle_ms_min, close_poll_at_))
    return;
  close_poll_at_ = now_ + limits::closing_poll_ms;
  std::vector<Connection*>& silent = silent_since(now_, main_);
  // Nobody knows yet what a fresh connection will say: it has until its first-byte deadline.
  // One whose handshake took long has a path that loses packets: its kernel may take three times as
  // long for its next try, of which it gets as much again at most.
  std::erase_if(silent, [&](const Connection* each) {
    const Ms late = std::max<Ms>(0, each->accepted_at() - closed_at);
    const Ms patience = limits::first_byte_ms + std::min(3 * late, limits::first_byte_ms);
    return each->fresh() && now_ < closed_at + late + patience;
  });
  constexpr std::size_t batches = 16;
  const std::size_t batch = std::max(limits::idle_close_batch, main_.open / batches);
  if (silent.size() > batch) silent.resize(batch);
  for (Connection* connection : silent) connection->close_silent();
}

// Nothing tells where one could end; what has been said of it is said in the log.
void Worker::cut_tunnels() {
  const Ms since = process_.deadlines().window_end;
  if (config_.tunnel_timeout == never || now_ - since < config_.tunnel_timeout) return;
  if (metrics().get("tunnels_open") == 0) return;
  for (const auto& connection : connections_) {
    if (used(connection) && connection->tunnel_is_known()) connection->cut();
  }
}

void Worker::cut() {
  DCHECK(!cut_);
  // Answers of this turn are handed over; what has come by now, which after a long stop may be
  // much, is answered where that takes no waiting.
  const Ms until = io_.now() + limits::last_look_ms;
  std::span<const Completion> completions = io_.harvest(now_);
  while ((!completions.empty() || share_.is_waited_for()) && io_.now() < until) {
    dispatch_all(completions);
    run_coroutines();
    resume_parked();
    share_.begin_turn();
    resume_shares();
    completions = io_.harvest(now_);
  }
  cut_ = true;
  for (const auto& connection : connections_) {
    if (used(connection) && !connection->door().admin) connection->cut();
  }
  dispatch_all(completions);  // when there was no time for it: received, and cut
  inbox_.refuse_all();
  jobs_.on_deadline(now_);
  cancel_blocking();
  operations_.cancel_all();
  resolver_.cancel();
  sleepers_.cancel();
}

// Those that no thread has begun; the others go on.
void Worker::cancel_blocking() {
  if (config_.blocking == nullptr) return;
  for (detail::BlockingCall* next = config_.blocking->take_back(index_); next != nullptr;) {
    detail::BlockingCall& call = *std::exchange(next, next->behind);
    call.cancel();
  }
}

// Whatever the deadline has cut has ended: what is awaited from here on has time of its own.
void Worker::begin_last_work() {
  DCHECK(leader() && last_work_is_due_ && waiting_ + jobs_.running() == 0);
  last_work_begun_ = true;
  if (cut_) {
    operations_.go_on();
    sleepers_.go_on();
  }
  const Ms until = now_ + process_.deadlines().behind;
  if (process_.arm_watchdog != nullptr)
    process_.arm_watchdog(until + limits::watchdog_ms,
                          process_.forced() ? exit_forced.code : exit_cut.code);
  try {
    last_work_.begin(config_.on_drained);
  } catch (...) {
    fail_last_work(what_failed());
    return;
  }
  if (last_work_.has_ended()) end_last_work();
}

// Its time is over, or a second interrupt has come.
void Worker::cut_last_work() {
  DCHECK(last_work_.under_way());
  operations_.cancel_all();
  sleepers_.cancel();
}

void Worker::end_last_work() {
  try {
    last_work_.end();
    last_work_is_due_ = false;
  } catch (const Canceled&) {
    fail_last_work("its time was over");
  } catch (...) {
    fail_last_work(what_failed());
  }
}

void Worker::fail_last_work(std::string_view why) {
  log::error("what was to run behind the drain failed: {}", why);
  process_.last_work_failed = true;
  last_work_is_due_ = false;
}

// All else is done: probes have had their answers to the end.
void Worker::close_admin() {
  DCHECK(!admin_.closing && main_.open == 0);
  admin_.closing = true;
  admin_cut_at_ = now_ + limits::admin_linger_ms;
  if (admin_.listener.is_open() && process_.can_unlisten) io_.unlisten(admin_.listener.fd());
  admin_.listener.begin_close();
  for (const auto& connection : connections_) {
    if (used(connection) && connection->silent()) connection->close_silent();
  }
}

void Worker::cut_admin() {
  admin_.listener.cut();
  for (const auto& connection : connections_) {
    if (used(connection)) connection->cut();
  }
}

void Worker::release_reads() {
  DCHECK(!reads_released_);
  CHECK(main_.open + admin_.open + waiting_ + jobs_.running() == 0);
  CHECK(!main_.listener.is_open() && !admin_.listener.is_open());
  reads_released_ = true;
  open_streams_.let_go();
  resolver_.close();
  cancel_reads();
}

// Again with each heartbeat: a cancel may miss.
void Worker::cancel_reads() {
  for (std::uint32_t which = 0; which < signals_.size(); ++which) {
    const SignalReading& reading = signals_[which];
    if (reading.outstanding) io_.submit_cancel(reading.fd, {Kind::signal, which, 0});
  }
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
  if (last_work_.under_way()) {
    log::info("closing: waiting for what the program does last");
    return;
  }
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
  CHECK(reads_released_ || (signals_[0].fd < 0 && signals_[1].fd < 0 && wake_fd_ < 0));
  CHECK(!leader() || process_.workers_stopped + 1 == process_.slots.size());
  timers_.disarm(heartbeat_);
  open_streams_.close_all();
  cut_report_.say_rest();
  if (const std::uint64_t unheard = metrics().get("closes_unheard"); unheard > 0) {
    log::warning(
        "{} silent clients had not acknowledged our close when they were given up: vanished, or a "
        "request of theirs is lost with its packets",
        unheard);
  }
  jobs_.say_rest();
  check_nothing_left();
  slot_.heartbeat = 0;
  slot_.busy_since = 0;
  process_.operations_left += io_.operations();
  if (++process_.workers_stopped == process_.slots.size()) process_.stopped_at = now_;
  if (!leader()) io_.wake(process_.slots[0].wake_fd);
}

}  // namespace lastcall
