// The end of a connection: linger (our FIN) -> end_linger (theirs) -> close -> close_join; or the
// deadline's: cut -> close -> close_join, with a moment for last acknowledgments -> end_cut.
#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include <lastcall/log.h>

#include "base/check.h"
#include "server/connection.h"
#include "server/door.h"
#include "server/worker.h"

namespace lastcall {

// ---- our FIN

void Connection::linger(Late late) {
  DCHECK(!send_in_flight_ && out_.empty() && answers_ == 0);
  DCHECK(state_ == State::open || state_ == State::finishing);
  late_ = late;
  if (std::exchange(by_close_, false)) worker_.io().set_close_resets(fd_, false);
  silent_ms_ = worker_.now() - last_activity_at_;
  worker_.io().shut_send(fd_);
  state_ = State::lingering;
  ++door_->lingering;
  const Ms patience = door_->admin ? limits::admin_linger_ms : limits::linger_ms;
  linger_deadline_ = worker_.now() + patience;
  linger_end_ = worker_.now() + (door_->admin ? patience : limits::linger_uploading_ms_max);
  if (late_ != Late::excused && !door_->admin)
    linger_deadline_ = worker_.now() + limits::heard_poll_ms;  // to see whether it is heard of soon
  linger_bytes_ = 0;
  unheard_ = false;
  spill_.clear();
  if (receive_ == Receive::paused) receive_ = Receive::off;
  if (eof_) end_linger();
}

bool Connection::silent() const {
  return state_ == State::open && !send_in_flight_ && exchange_ == nullptr && spill_.empty();
}

void Connection::close_silent() {
  DCHECK(silent());
  // What has arrived since the last harvest is no silence: it is answered.
  if (more_has_arrived()) return;
  // Who still takes its last answer may have a request to follow: a moment to send it in.
  if (answer_unread()) last_activity_at_ = reading_at_ = worker_.now();
  if (worker_.now() < reading_at_ + limits::after_reading_ms) return;
  close_idle();
  proceed();
}

void Connection::close_idle() {
  worker_.metrics().add("idle_closed");
  linger_unannounced();
}

void Connection::linger_unannounced() {
  try {  // for the log: when both have closed nobody knows it any more
    if (peer_.empty()) peer_ = worker_.io().peer(fd_);
  } catch (const std::bad_alloc&) {
    // It is told without.
  }
  linger(worker_.phase() > Phase::serving ? Late::lost_in_drain : Late::lost);
}

// Of an answer that was broken off the request's own content may still be coming, which is none.
std::string_view Connection::skip_rest(std::string_view bytes) {
  if (exchange_ == nullptr) return bytes;
  DCHECK(exchange_->answered);
  await_end_of_upload(bytes.size());
  switch (parser_.feed(bytes)) {
    case Parser::Result::incomplete: return {};
    case Parser::Result::complete: break;
    case Parser::Result::failed: late_ = Late::excused; break;
  }
  parser_.reset();
  release_exchange();
  return late_ == Late::excused ? std::string_view{} : bytes;
}

// A request met a FIN that no answer had announced. The one loss that HTTP/1.1 leaves possible.
void Connection::on_late_bytes(std::string_view bytes) {
  worker_.metrics().add("late_bytes", bytes.size());
  if (state_ == State::lingering) await_end_of_upload(bytes.size());
  const bool blank = bytes.find_first_not_of("\r\n") == std::string_view::npos;  // no request's
  if (late_ == Late::excused || door_->admin || blank) return;
  worker_.metrics().add("lost_after_fin");
  if (late_ == Late::lost_in_drain) worker_.metrics().add("lost_in_drain");
  late_ = Late::excused;
  log::warning("lost: bytes from {} after our close; it had been silent for {} ms before it", peer_,
               silent_ms_);
}

// Many clients read nothing before they have sent all: closed now, this one would find a reset in
// the place of its answer, which its kernel has. Not in the drain: who uploads there has the usual
// time.
void Connection::await_end_of_upload(std::size_t bytes) {
  linger_bytes_ += bytes;
  if (linger_bytes_ > limits::linger_bytes_max || worker_.phase() >= Phase::closing) return;
  if (answer_unread()) return;
  const Ms later = std::min(worker_.now() + limits::linger_ms, linger_end_);
  linger_deadline_ = std::max(linger_deadline_, later);
}

// ---- until theirs

// The client closed first. While an answer is unacknowledged, close(2) could destroy it.
void Connection::close_after_them() {
  DCHECK(eof_);
  if (answer_unread()) {
    linger(Late::excused);
  } else {
    close();
  }
}

// Both FINs are sent. A slow reader may only have closed its side, and still be taking its answer,
// which might end with this process: on_linger_timeout looks again.
void Connection::end_linger() {
  DCHECK(state_ == State::lingering && eof_);
  if (answer_unread()) {
    linger_deadline_ = std::min(linger_deadline_, worker_.now() + limits::unread_poll_ms);
  } else {
    close();
  }
}

// The answer is in the kernel's hands, but a slow reader may still be taking it: it has as long as
// any client that we send to. One that has stopped never got its last answer.
void Connection::on_linger_timeout(Ms now) {
  DCHECK(state_ == State::lingering);
  const Ms usual = linger_end_ - limits::linger_uploading_ms_max + limits::linger_ms;
  if (late_ != Late::excused && !door_->admin && !eof_ && now < usual) {
    unheard_ = unheard();
    linger_deadline_ = usual;
    return;
  }
  const std::uint64_t acked = worker_.io().bytes_acked(fd_);
  const bool unread = answer_unread();
  if (acked > acked_) last_activity_at_ = now;
  acked_ = acked;
  if (unread && now - last_activity_at_ < worker_.config().write_timeout) {
    poll_unread(now);
    return;
  }
  if (unheard()) {
    // As long as others are waited for anyway, so is that.
    const bool awaited = worker_.phase() <= Phase::serving || worker_.waits_beside_ending();
    if (awaited && now < linger_end_) {
      linger_deadline_ = now + limits::linger_ms;
      unheard_ = true;
      return;
    }
    if (late_ == Late::lost_in_drain) worker_.metrics().add("closes_unheard");
  } else if (std::exchange(unheard_, false) && now < linger_end_) {
    linger_deadline_ = now + limits::linger_ms;  // it has heard of it only now
    return;
  }
  if (!eof_) worker_.metrics().add("linger_timeouts");
  if (unread) recount_unread("requests_undelivered");
  close();
}

// Our FIN, which nothing has announced, is not acknowledged: the client has not heard of it, and
// its next request may be on its way.
bool Connection::unheard() const {
  return late_ != Late::excused && !eof_ && worker_.io().bytes_unacked(fd_) > 0;
}

// Poll less often the longer nothing moves: there may be thousands of such clients.
void Connection::poll_unread(Ms now) {
  const Ms still = (now - last_activity_at_) / 4;
  linger_deadline_ = now + (eof_ ? std::clamp(still, limits::unread_poll_ms, limits::linger_ms)
                                 : limits::linger_ms);
}

// The kernel counts our FIN as one more byte to be acknowledged, which is no part of an answer.
bool Connection::answer_unread() {
  const bool unread = worker_.io().bytes_unacked(fd_) > (state_ == State::lingering ? 1 : 0);
  if (!unread || !worker_.io().gone(fd_)) return unread;
  recount_unread("requests_undelivered");  // reset: nobody is there to read it
  return false;
}

// They were counted as answered when the kernel took them. Returns how many there are.
std::size_t Connection::recount_unread(Metric instead) {
  const std::size_t unread = sent_.unread(worker_.io().bytes_acked(fd_));
  sent_.forget();
  worker_.metrics().add("answers_unread", unread);
  worker_.metrics().add(instead, unread);
  return unread;
}

// ---- there is no client any more

void Connection::on_broken() {
  if (state_ == State::closing) return;
  worker_.metrics().add("connections_broken");
  eof_ = true;
  recount_unread("requests_undelivered");
  const bool handled = state_ == State::handling || state_ == State::handled;
  if (handled) {
    if (is_tunnel()) spill_.clear();  // no requests
    worker_.metrics().add(is_tunnel() ? Metric("requests_answered")
                                      : Metric("requests_undelivered"));
    worker_.metrics().subtract("requests_in_flight");
    drop_handled();
  }
  if (handled || (state_ == State::open && send_in_flight_)) {  // else it is being parsed
    cut_ = Cut::undelivered;
    parser_.discard_content();
    cut_bytes(spill_.bytes());
    cut_ = Cut::no;
  }
  close();
}

// Nobody is there any more who could take an answer.
void Connection::on_gone() {
  DCHECK(state_ != State::closing);
  on_broken();
  if (receive_ == Receive::armed) cancel_recv();
}

void Connection::verify() {
  DCHECK(in_use());
  if (state_ != State::closing && worker_.io().gone(fd_)) {
    worker_.metrics().add("resets_found");
    on_gone();
  } else if (receive_ == Receive::canceling && std::exchange(cancel_old_, true)) {
    cancel_recv();
  }
  proceed();
}

// ---- close(2)

void Connection::close() {
  if (state_ == State::closing) return;
  if (state_ == State::lingering) --door_->lingering;
  ++door_->shut;
  state_ = State::closing;
  if (cut_ != Cut::counting) {
    release_exchange();
    spill_.clear();
  }
  worker_.timers().disarm(timer_);
  if (by_close_) reset();
  // What is outstanding ends by itself once the socket is shut, and a FIN asks for a last ACK.
  if (cut_ != Cut::no || operations() > 0 || send_waits_) worker_.io().shut_both(fd_);
  if (std::exchange(send_waits_, false)) submit_send();  // which ends by that as well
}

// In the place of a FIN, which would say that all of the answer has come. What the client has not
// acknowledged of answers before it may be lost by that.
void Connection::reset() {
  by_close_ = false;
  recount_unread(cut_ == Cut::counting ? Metric("requests_cut") : Metric("requests_undelivered"));
  worker_.io().reset(fd_);
}

void Connection::close_join() {
  DCHECK(state_ == State::closing);
  if (operations() > 0) return;
  if (cut_ != Cut::no) {
    cut_received();
    const bool unread = !door_->admin && sent_.unread(worker_.io().bytes_acked(fd_)) > 0;
    if (unread && worker_.now() < linger_deadline_) {
      worker_.timers().arm(timer_, worker_.now() + limits::unread_poll_ms);
      return;
    }
    end_cut();
  }
  worker_.timers().disarm(timer_);
  out_.clear();
  file_.reset();
  out_sent_ = 0;
  if (std::exchange(wide_, false)) worker_.give_wide_socket();
  worker_.memory().release(sizeof *this);
  --door_->shut;
  worker_.io().close(fd_);
  fd_ = -1;
  receive_ = Receive::off;
  ++generation_;
  worker_.release(*this);
}

// ---- the deadline

void Connection::cut() {
  if (state_ == State::closing) return;
  if (worker_.io().gone(fd_)) {
    on_gone();
  } else {
    half_ = state_ == State::handling && exchange_->in.is_gathered();
    begin_cut();
  }
  proceed();
}

// Of a probe nothing is a loss.
void Connection::start_cut(Cut how) {
  cut_ = door_->admin ? Cut::discarding : how;
  linger_deadline_ = worker_.now() + limits::last_ack_ms;
  cut_requests_ = 0;
  cut_unnamed_ = false;
  if (state_ != State::lingering && !door_->admin) worker_.metrics().add("forced_closes");
}

void Connection::begin_cut() {
  DCHECK(state_ != State::closing);
  const bool discards = state_ == State::finishing || state_ == State::lingering;
  if (state_ == State::lingering && late_ == Late::lost_in_drain && unheard())
    worker_.metrics().add("closes_unheard");
  start_cut(discards ? Cut::discarding : Cut::counting);
  if (state_ == State::handling || state_ == State::handled) {
    name_cut();
    if (is_tunnel()) spill_.clear();  // no requests
    if (!half_) {
      const bool answered = tunnel_is_known();
      if (answered) worker_.metrics().add("tunnels_cut");
      worker_.metrics().add(answered ? Metric("requests_answered") : Metric("requests_cut"));
      worker_.metrics().subtract("requests_in_flight");
      if (is_told_to_be_last()) cut_ = Cut::discarding;
    }
    drop_handled();
    if (half_ && exchange_ == nullptr) count_half(true);  // nobody looks for the rest
  }
  parser_.discard_content();
  cut_bytes(spill_.bytes());
  spill_.clear();
  close();
}

// Of a request that nothing was begun with, and of which all has come after all, or has not.
void Connection::count_half(bool has_come) {
  half_ = false;
  worker_.metrics().subtract("requests_in_flight");
  if (!has_come) worker_.metrics().add("partial_cut");
  worker_.metrics().add(has_come ? Metric("requests_cut") : Metric("requests_undelivered"));
}

// Of the request that a handler has: has its client, or the head of its answer, said close?
bool Connection::is_told_to_be_last() const {
  const bool asked = !parser_.keep_alive() && parser_.stage() != Parser::Stage::failed;
  return asked || exchange_->out.closes();
}

// The request that a handler has is accounted for, and none of what is behind it is parsed yet: the
// rest of its own content, perhaps, which another exchange takes the place for.
void Connection::drop_handled() {
  const bool rest = body_pending();
  abandon_exchange();
  if (!rest || parser_.stage() == Parser::Stage::failed) {
    if (rest) spill_.clear();  // malformed: nobody can tell what is what
    parser_.reset();
    return;
  }
  exchange_ = worker_.exchanges().take();
  if (exchange_ != nullptr) {
    parser_.discard_rest(*exchange_);
  } else {
    spill_.clear();
    parser_.reset();
  }
}

void Connection::name_cut() {
  DCHECK(exchange_ != nullptr);
  constexpr std::size_t shown = 200;
  const Request& request = exchange_->request;
  if (cut_requests_ > limits::cut_named || !worker_.cut_report().take_line()) {
    cut_unnamed_ = true;
    worker_.cut_report().add(route());
    return;
  }
  if (tunnel_is_known()) {
    name_cut_tunnel();
    return;
  }
  const Ms age = worker_.now() - request_started_at_;
  const std::string_view target = request.target().substr(0, shown);
  if (exchange_->out.begun()) {
    log::warning("cut: {} {} from {}, {} ms after it began, {} bytes into its answer",
                 request.method_name(), target, worker_.io().peer(fd_), age,
                 exchange_->out.written());
  } else {
    log::warning("cut: {} {} from {}, {} ms after it began{}", request.method_name(), target,
                 worker_.io().peer(fd_), age, half_ ? ", half received" : "");
  }
}

// What had come in full is a loss, the first requests of it named; nothing is kept.
void Connection::cut_bytes(std::string_view bytes) {
  DCHECK(state_ == State::closing || cut_ != Cut::no);
  if (cut_ == Cut::discarding) on_late_bytes(bytes);
  const bool counts = cut_ == Cut::counting;
  while (!bytes.empty() && (cut_ == Cut::counting || cut_ == Cut::undelivered)) {
    if (exchange_ == nullptr) {
      if (!parser_.skip_blank(bytes)) cut_ = Cut::discarding;
      if (cut_ == Cut::discarding || bytes.empty()) return;
      if (!take_exchange()) {
        if (counts) cut_unread();
        return;
      }
      parser_.discard_content();
    }
    switch (parser_.feed(bytes)) {
      case Parser::Result::incomplete: return;
      case Parser::Result::failed:
        if (counts && parser_.status() == 503) cut_unread();
        cut_ = Cut::discarding;
        release_exchange();
        return;
      case Parser::Result::complete: break;
    }
    if (exchange_->answered) {
      if (half_) {
        count_half(true);
        if (!parser_.keep_alive()) cut_ = Cut::discarding;
      }
      release_exchange();
      continue;
    }
    worker_.metrics().add("requests_received");
    worker_.metrics().add(counts ? Metric("requests_cut") : Metric("requests_undelivered"));
    if (counts) {
      ++cut_requests_;
      name_cut();
    }
    if (!parser_.keep_alive()) cut_ = Cut::discarding;  // nobody would have read on
    release_exchange();
  }
}

// There is no memory to look: it may have been a request.
void Connection::cut_unread() {
  count_unseen();
  cut_ = Cut::discarding;
}

void Connection::count_unseen() {
  worker_.metrics().add("requests_received");
  worker_.metrics().add("requests_cut");
}

// Where no buffer was free for what had arrived. Once the socket is shut nothing is added to it.
void Connection::cut_received() {
  DCHECK(operations() == 0);
  std::array<char, limits::receive_buffer_bytes> piece;
  while (const std::size_t bytes = worker_.io().receive_now(fd_, piece))
    cut_bytes({piece.data(), bytes});
}

void Connection::end_cut() {
  DCHECK(operations() == 0 && cut_ != Cut::no);
  if (half_) count_half(false);
  if (exchange_ != nullptr && !exchange_->answered) worker_.metrics().add("partial_cut");
  release_exchange();
  if (door_->admin) return;
  if (cut_unnamed_) worker_.cut_report().add_client();
  const std::size_t unread = recount_unread("requests_cut");
  if (unread == 0) return;
  if (worker_.cut_report().take_line()) {
    log::warning("cut: {} has not read {} of its answers to the end", worker_.io().peer(fd_),
                 unread);
  } else {
    worker_.cut_report().add_unread(unread);
  }
}

}  // namespace lastcall
