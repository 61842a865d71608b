// The end of a connection: linger (our FIN) -> end_linger (theirs) -> close -> close_join; or the
// deadline's cut, straight to close.
#include <algorithm>
#include <array>

#include "connection.h"
#include "log.h"
#include "worker.h"

namespace lastcall {

// ---- our FIN

void Connection::linger(bool announced) {
  fin_announced_ = announced;
  silent_ms_ = worker_.now() - last_activity_at_;
  worker_.io().shut_send(fd_);
  state_ = State::lingering;
  const Ms patience =
      admin_ && worker_.admin_closing() ? limits::admin_linger_ms : limits::linger_ms;
  linger_deadline_ = worker_.now() + patience;
  spill_.clear();
  recv_paused_ = false;
  if (eof_) end_linger();
}

bool Connection::silent() const {
  return state_ == State::open && !send_in_flight_ && exchange_ == nullptr && spill_.empty();
}

void Connection::close_silent() {
  // What has arrived since the last harvest is no silence: it is answered.
  if (more_has_arrived()) return;
  worker_.counters().add(Count::idle_closed);
  linger(false);
  proceed();
}

// A request met a FIN that no answer had announced. The one loss that HTTP/1.1 leaves possible.
void Connection::on_late_bytes() {
  if (late_ || admin_) return;
  late_ = true;
  const bool draining = worker_.phase() >= Phase::closing;
  worker_.counters().add(Count::lost_after_fin);
  if (draining) worker_.counters().add(Count::lost_in_drain);
  log::warning("lost: bytes from {} after our close; it had been silent for {} ms before it",
               worker_.io().peer(fd_), silent_ms_);
}

// ---- until theirs

// Their FIN has come before ours. Who has all of its answers is done with.
void Connection::close_after_them() {
  if (worker_.io().bytes_unacked(fd_) > 0) {
    linger(true);
  } else {
    close();
  }
}

// Both FINs are sent. A slow reader may only have closed its side, and still be taking its answer,
// which might end with this process: on_linger_timeout looks again.
void Connection::end_linger() {
  if (answer_unread()) {
    linger_deadline_ = std::min(linger_deadline_, worker_.now() + limits::unread_poll_ms);
  } else {
    close();
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

// ---- close(2)

void Connection::close() {
  if (state_ == State::closing) return;
  state_ = State::closing;
  if (!cut_ || discards_) {
    release_exchange();
    spill_.clear();
  }
  worker_.timers().disarm(timer_);
  // What is outstanding ends by itself once the socket is shut.
  if (recv_armed_ || send_in_flight_) worker_.io().shut_both(fd_);
}

void Connection::close_join() {
  if (recv_armed_ || send_in_flight_) return;
  if (cut_) {
    if (!discards_) read_unread();
    cut_spill();
  }
  out_.clear();
  worker_.io().close(fd_);
  fd_ = -1;
  recv_parked_ = false;
  ++generation_;
  worker_.release(*this);
}

// ---- the deadline

void Connection::cut() {
  if (state_ == State::closing) return;
  Counters& counters = worker_.counters();
  cut_ = true;  // answers on their way are judged when their send ends
  if (state_ == State::handling) {
    log::warning("cut: {}", describe());
    abandon_exchange();
    counters.add(Count::requests_cut);
    counters.subtract(Count::requests_in_flight);
    parser_.reset();
  }
  if (state_ != State::lingering) counters.add(Count::forced_closes);
  if (state_ == State::lingering && !admin_ && answer_unread()) {
    log::warning("cut: an answer that {} has not read to its end", worker_.io().peer(fd_));
    recount_last_answer(Count::requests_cut);
  }
  discards_ = state_ == State::finishing || state_ == State::lingering;
  close();
  proceed();
}

// Where no buffer was free for what had arrived: it is counted like all else.
void Connection::read_unread() {
  std::array<char, limits::receive_buffer_bytes> piece{};
  while (spill_.size() < limits::spill_bytes) {
    const std::size_t bytes = worker_.io().receive_now(fd_, piece);
    if (bytes == 0) return;
    spill_.append(piece.data(), bytes);
  }
}

// Requests that had come in full, behind one that was being answered or in the kernel's memory.
void Connection::cut_spill() {
  std::string_view rest = admin_ ? std::string_view{} : spill_;
  while (!rest.empty()) {
    if (exchange_ == nullptr) {
      if (!parser_.skip_blank(rest) || rest.empty()) break;
      exchange_ = worker_.exchanges().take();
      parser_.begin(*exchange_);
    }
    if (parser_.feed(rest) != Parser::Result::complete) break;
    worker_.counters().add(Count::requests_received);
    worker_.counters().add(Count::requests_cut);
    log::warning("cut: {}", describe());
    release_exchange();
  }
  if (exchange_ != nullptr) worker_.counters().add(Count::partial_cut);
  release_exchange();
  spill_.clear();
}

}  // namespace lastcall
