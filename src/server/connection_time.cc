// A connection and its deadlines: one timer, moved lazily; what happens when it fires.
#include <algorithm>

#include "base/check.h"
#include "server/connection.h"
#include "server/door.h"
#include "server/worker.h"

namespace lastcall {
Ms Connection::deadline() const {
  const WorkerConfig& config = worker_.config();
  if (state_ == State::lingering) return linger_deadline_;
  if (send_in_flight_) return write_deadline_;
  if (state_ != State::open) return awaits_body() ? body_deadline() : never;
  if (exchange_ == nullptr) {
    if (said_ == Said::nothing)
      return request_started_at_ + std::min(config.header_timeout, config.idle_timeout);
    return last_activity_at_ + (door_->admin ? limits::admin_idle_ms : config.idle_timeout);
  }
  if (parser_.stage() != Parser::Stage::body) return request_started_at_ + config.header_timeout;
  return body_deadline();
}

// A body must move, and must not drip: a minimum rate over the whole of it.
Ms Connection::body_deadline() const {
  const auto earned = static_cast<Ms>(parser_.body_bytes() * 1000 / limits::body_rate_min);
  return std::min(last_activity_at_, body_started_at_ + earned) + worker_.config().body_timeout;
}

// Deadlines move with each request; the timer stays where it is unless it would be late. One that
// has passed waits for bytes that are here already (on_timeout), and is asked again soon.
void Connection::arm_timer() {
  const Ms due = deadline();
  if (due == never) return;
  const Ms at = due > worker_.now() ? due : worker_.now() + limits::unread_poll_ms;
  if (timer_.armed() && timer_at_ <= at) return;
  timer_at_ = at;
  worker_.timers().arm(timer_, at);
}

void Connection::on_timer() {
  DCHECK(in_use() && !timer_.armed());
  const Ms now = worker_.io().now();
  if (now >= deadline()) on_timeout(now);
  proceed();
}

void Connection::on_timeout(Ms now) {
  Metrics& metrics = worker_.metrics();
  // No time-out when the bytes that it waits for are here, and we have not read them: no buffer was
  // free, or the process was stopped.
  const bool lingering = state_ == State::lingering;
  const bool reads = lingering ? late_ != Late::excused && now < linger_end_ : !send_in_flight_;
  if (reads && more_has_arrived()) return;
  if (lingering) {
    on_linger_timeout(now);
  } else if (send_in_flight_) {
    on_write_timeout(now);
  } else if (state_ == State::handling) {
    on_body_timeout();
  } else if (exchange_ != nullptr && exchange_->answered) {
    on_rest_timeout();
  } else if (said_ == Said::nothing && !worker_.crowded(*door_) &&
             now < accepted_at_ + worker_.config().idle_timeout) {
    request_started_at_ = now;  // it keeps nobody out: it is asked for again after as long
  } else if (exchange_ == nullptr) {
    metrics.add("idle_timeouts");
    close_idle();
  } else {
    const bool body = parser_.stage() == Parser::Stage::body;
    metrics.add(body ? Metric("body_timeouts") : Metric("header_timeouts"));
    reject(408);
    flush();
  }
}

// With MSG_WAITALL a slow reader completes nothing; what TCP has had acknowledged tells progress.
void Connection::on_write_timeout(Ms now) {
  DCHECK(send_in_flight_);
  const Ms period = worker_.config().write_timeout;
  if (send_waits_) {  // for us: there is nothing that the client could have read
    write_deadline_ = now + period;
    return;
  }
  const std::uint64_t acked = worker_.io().bytes_acked(fd_);
  const auto least = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(period) * limits::write_rate_min / 1000);
  const bool progress = acked >= acked_ + least;
  acked_ = acked;
  if (progress) {
    write_deadline_ = now + period;
    return;
  }
  worker_.metrics().add("write_timeouts");
  if (by_close_) {
    reset();
  } else {
    worker_.io().shut_both(fd_);  // the send completes with what it has sent
  }
  write_deadline_ = never;
}

}  // namespace lastcall
