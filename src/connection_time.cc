// A connection and its deadlines: one timer, moved lazily; what happens when it fires.
#include <algorithm>

#include "connection.h"
#include "worker.h"

namespace lastcall {
namespace {

constexpr Ms never = TimerWheel::never;

}  // namespace

Ms Connection::deadline() const {
  const WorkerConfig& config = worker_.config();
  if (state_ == State::lingering) return linger_deadline_;
  if (send_in_flight_) return write_deadline_;
  if (state_ != State::open) return never;
  if (exchange_ == nullptr) return last_activity_at_ + config.idle_timeout;
  if (parser_.stage() != Parser::Stage::body) return request_started_at_ + config.header_timeout;
  // A body must move, and must not drip: a minimum rate over the whole of it.
  const auto earned = static_cast<Ms>(parser_.body_bytes() * 1000 / limits::body_rate_min);
  return std::min(last_activity_at_, request_started_at_ + earned) + config.body_timeout;
}

// Deadlines move with each request; the timer stays where it is unless it would be late.
void Connection::arm_timer() {
  const Ms at = deadline();
  if (at == never || (timer_.armed() && timer_at_ <= at)) return;
  timer_at_ = at;
  worker_.timers().arm(timer_, at);
}

void Connection::on_timer() {
  const Ms now = worker_.io().now();
  if (now >= deadline()) on_timeout(now);
  proceed();
}

void Connection::on_timeout(Ms now) {
  Counters& counters = worker_.counters();
  if (state_ == State::lingering) {
    on_linger_timeout(now);
  } else if (send_in_flight_) {
    on_write_timeout(now);
  } else if (exchange_ == nullptr) {
    if (more_has_arrived()) {
      last_activity_at_ = now;
      return;
    }
    counters.add(Count::idle_timeouts);
    counters.add(Count::idle_closed);
    linger(false);
  } else {
    const bool body = parser_.stage() == Parser::Stage::body;
    counters.add(body ? Count::body_timeouts : Count::header_timeouts);
    reject(408);
    flush();
  }
}

// The answer is in the kernel's hands, but a slow reader may still be taking it: it has as long as
// any client that we send to. One that has stopped never got its last answer.
void Connection::on_linger_timeout(Ms now) {
  const std::uint64_t acked = worker_.io().bytes_acked(fd_);
  const bool unread = answer_unread();
  if (acked > acked_) last_activity_at_ = now;
  acked_ = acked;
  if (unread && now - last_activity_at_ < worker_.config().write_timeout) {
    linger_deadline_ = now + (eof_ ? limits::unread_poll_ms : limits::linger_ms);
    return;
  }
  if (!eof_) worker_.counters().add(Count::linger_timeouts);
  if (unread) recount_last_answer(Count::requests_undelivered);
  close();
}

// Our FIN is one of what is to be acknowledged: a client that vanished when it had all of its
// answer lacks nothing else.
bool Connection::answer_unread() const { return worker_.io().bytes_unacked(fd_) > 1; }

// It was counted as answered when the kernel took it.
void Connection::recount_last_answer(Count instead) {
  if (!answered_last_) return;
  answered_last_ = false;
  worker_.counters().subtract(Count::requests_answered);
  worker_.counters().add(instead);
}

// With MSG_WAITALL a slow reader completes nothing; what TCP has had acknowledged tells progress.
void Connection::on_write_timeout(Ms now) {
  const Ms period = worker_.config().write_timeout;
  const std::uint64_t acked = worker_.io().bytes_acked(fd_);
  const auto least = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(period) * limits::write_rate_min / 1000);
  const bool progress = acked >= acked_ + least;
  acked_ = acked;
  if (progress) {
    write_deadline_ = now + period;
    return;
  }
  worker_.counters().add(Count::write_timeouts);
  worker_.io().shut_both(fd_);  // the send completes with what it has sent
  write_deadline_ = never;
}

}  // namespace lastcall
