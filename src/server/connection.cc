// The order of a request: on_recv -> on_bytes -> consume -> handle -> respond -> flush -> on_send,
// and again. Its handler: connection_handling.cc; answers that no handler made:
// connection_refusals.cc; its end: connection_close.cc; its deadlines: connection_time.cc.
#include "server/connection.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include <lastcall/log.h>

#include "base/check.h"
#include "http/router.h"
#include "http/writer.h"
#include "server/door.h"
#include "server/worker.h"

namespace lastcall {
Connection::Connection(Worker& worker, std::uint32_t index)
    : worker_(worker),
      index_(index),
      out_(worker.slabs()),
      spill_(worker.memory(), HeldBytes::Part::rest),
      content_(worker.memory(), HeldBytes::Part::body),
      timer_([](void* self) noexcept { static_cast<Connection*>(self)->on_timer(); }, this),
      parser_(worker.config().parser) {}

void Connection::open(int fd, Door& door) {
  CHECK(fd >= 0 && fd_ < 0);
  check_invariants();
  worker_.memory().charge(sizeof *this);
  fd_ = fd;
  door_ = &door;
  state_ = State::open;
  said_ = Said::nothing;
  late_ = Late::excused;
  cut_ = Cut::no;
  eof_ = by_close_ = bulky_ = false;
  received_ = close_at_ = acked_ = 0;
  reading_at_ = 0;
  sent_.clear();
  if (!peer_.empty()) peer_.clear();
  close_draw_ = worker_.draw();
  accepted_at_ = last_activity_at_ = request_started_at_ = worker_.now();
  parser_.reset();
  if (const Route* const raw = routes().raw()) begin_raw(*raw);
  proceed();
}

// ---- receive

void Connection::arm_recv() {
  DCHECK(receive_ == Receive::off && !eof_);
  if (waits_for_reader()) {
    if (held_back_at_ == 0) held_back_at_ = worker_.now();
    worker_.metrics().add("receive_paused");
    receive_ = Receive::paused;
    return;
  }
  const std::size_t direct = direct_bytes();
  if (direct > 0 && !worker_.share().take(std::min(direct, worker_.io().bytes_waiting(fd_)))) {
    receive_ = Receive::queued;
    wait_for_share();
    return;
  }
  receive_ = Receive::armed;
  const bool in_place = receive_content(direct);
  goes_on_ = !in_place && !bulky_ && !worker_.tight();
  if (!in_place) worker_.io().submit_recv(fd_, ticket(Kind::recv), !goes_on_);
}

// A receive that goes on may bring all that there are buffers for, before it can be stopped.
void Connection::recall_receive() {
  if (receive_ != Receive::armed || state_ == State::closing) return;
  cancel_recv();
}

void Connection::cancel_recv() {
  receive_ = Receive::canceling;
  cancel_old_ = false;
  worker_.io().submit_cancel(fd_, ticket(Kind::recv));
}

void Connection::pause_recv() {
  DCHECK(receive_ != Receive::canceling && receive_ != Receive::paused);
  worker_.metrics().add("receive_paused");
  if (receive_ != Receive::armed) {
    receive_ = Receive::paused;
    return;
  }
  cancel_recv();
}

// Its last completion has come.
void Connection::end_recv() {
  DCHECK(receiving());
  const bool full = receive_ == Receive::canceling && spill_.size() >= spill_bytes_max() / 2;
  receive_ = full ? Receive::paused : Receive::off;
}

void Connection::on_recv(const Completion& completion) noexcept {
  DCHECK(in_use() && receiving());
  if (!completion.more) end_recv();
  if (content_.capacity() > 0) {
    on_content(completion.result);
  } else if (completion.has_buffer) {
    if (completion.result > 0) {
      on_bytes(worker_.io().lent(completion.buffer, static_cast<std::size_t>(completion.result)));
    }
    worker_.io().give_back(completion.buffer);
  }
  if (completion.result == 0) {
    on_eof();
  } else if (completion.result < 0) {
    switch (-completion.result) {
      case ENOBUFS:
        worker_.metrics().add("receive_starved");
        if (receive_ != Receive::off) break;
        receive_ = Receive::parked;
        worker_.park(*this);
        break;
      case ECANCELED:  // paused, or closing
      case EINTR:
      case EAGAIN: break;
      default: on_broken();
    }
  }
  proceed();
}

bool Connection::resume_receive() noexcept {
  if (receive_ != Receive::parked) return false;
  receive_ = Receive::off;
  const bool wanted = state_ != State::closing && !eof_;
  if (wanted) arm_recv();
  return wanted;
}

void Connection::on_bytes(std::string_view bytes) {
  DCHECK(in_use() && !bytes.empty());
  received_ += bytes.size();
  if (state_ != State::lingering) last_activity_at_ = worker_.now();
  if (said_ == Said::nothing) said_ = Said::something;
  switch (state_) {
    case State::open:
      if (send_in_flight_ || !spill_.empty()) {
        spill(bytes);
      } else {
        const std::string_view rest = consume(bytes);
        flush();
        keep(rest);
      }
      return;
    case State::handling: take_body(bytes); return;
    case State::handled: spill(bytes); return;
    case State::finishing: on_late_bytes(bytes); return;
    case State::lingering:
      bytes = skip_rest(bytes);
      if (!bytes.empty()) on_late_bytes(bytes);
      return;
    case State::closing: cut_bytes(bytes); return;
  }
}

void Connection::on_eof() {
  DCHECK(in_use());
  eof_ = true;
  switch (state_) {
    case State::open:
      // Half-close is legal: what is complete is answered first. The rest never will be.
      if (!send_in_flight_ && spill_.empty()) close_after_them();
      return;
    case State::lingering: end_linger(); return;
    case State::handling:
      exchange_->note_half_close();
      if (is_tunnel()) {
        on_tunnel_eof();
      } else if (body_pending() && spill_.empty()) {
        exchange_->in.fail(400);
      }
      return;
    case State::handled:
    case State::finishing:
    case State::closing: return;
  }
}

// ---- parse and handle

// Parses and answers what it can. Returns what is left, which stands where it stood.
std::string_view Connection::consume(std::string_view bytes) {
  DCHECK(!send_in_flight_);
  while (!bytes.empty() && state_ == State::open && !batch_full()) {
    if (exchange_ == nullptr && !begin_request(bytes)) break;
    const Parser::Stage stage = parser_.stage();
    switch (parser_.feed(bytes)) {
      case Parser::Result::incomplete: on_incomplete(stage); break;
      case Parser::Result::complete:
        if (exchange_->answered) {
          release_exchange();
        } else {
          handle(bytes.size());
        }
        break;
      case Parser::Result::failed:
        if (exchange_->answered) {
          end_rest();
          return {};  // which may have stood in the spill, and belongs to nobody
        }
        reject(parser_.status());
        break;
    }
  }
  return bytes;
}

// What of a batch is left waits for the next one: others have their turn before.
bool Connection::batch_full() const {
  return answers_ >= worker_.batch_max() || out_.full() || file_ != nullptr;
}

// What was not parsed.
void Connection::keep(std::string_view bytes) {
  if (bytes.empty()) return;
  if (state_ == State::closing) {
    cut_bytes(bytes);
  } else if (state_ == State::finishing) {
    on_late_bytes(bytes);
  } else {
    spill(bytes);
  }
}

bool Connection::begin_request(std::string_view& bytes) {
  if (!parser_.skip_blank(bytes)) {
    reject(parser_.status());
    return false;
  }
  if (bytes.empty()) return false;
  if (take_exchange()) return true;
  reject(503);
  return false;
}

// False: there is no memory for one.
bool Connection::take_exchange() {
  DCHECK(exchange_ == nullptr && (state_ == State::open || cut_ != Cut::no));
  exchange_ = worker_.exchanges().take();
  if (exchange_ == nullptr) return false;
  exchange_->probes = door_->admin;
  exchange_->router = &routes();
  exchange_->peer.of(fd_, peer_);
  parser_.begin(*exchange_);
  request_started_at_ = worker_.now();
  return true;
}

void Connection::on_incomplete(Parser::Stage before) {
  if (parser_.stage() == Parser::Stage::body && before != Parser::Stage::body) {
    body_started_at_ = worker_.now();
    bulky_ = parser_.content_left().value_or(0) >= limits::bulky_bytes;
    if (route() == nullptr) parser_.discard_content();
    if (route() != nullptr && route()->handler.begins_with_head()) {
      handle(0);
      return;
    }
  }
  if (exchange_->answered) {
    on_rest_of_body();
    return;
  }
  if (parser_.expects_continue()) answer_continue();
  widen_for_body();
}

// Where the kernel's buffers are bounded a large body would come a little at a time. Never back:
// what a client was told that it may send would be dropped.
void Connection::widen_for_body() {
  const bool wanted = worker_.config().narrow && !wide_ && parser_.stage() == Parser::Stage::body &&
                      parser_.body_bytes() >= limits::widened_body_bytes;
  if (!wanted || !worker_.take_wide_socket()) return;
  worker_.io().set_receive_room(fd_, limits::wide_socket_bytes);
  wide_ = true;
}

void Connection::respond(std::size_t buffered) {
  DCHECK(state_ == State::open && !send_in_flight_ && exchange_ != nullptr);
  DCHECK(answers_ < answer_ends_.size());
  if (!exchange_->body.has_room_for_answer(answer_bytes())) deny_answer();
  exchange_->drop_content();  // `out_` is charged from here on
  const bool rest = body_pending();
  const bool announced = parser_.keep_alive() && says_close(buffered);
  const bool close = announced || !parser_.keep_alive() || exchange_->response.closes() ||
                     (rest && closes_before_rest());
  if (!write_answer(close)) {
    if (!out_.empty() &&
        (rest || parser_.own())) {  // once what is in it has been sent there is room
      state_ = State::handled;
      if (!exchange_->body.charge_answer(answer_bytes())) deny_answer();
      return;
    }
    deny_answer();
    if (!write_answer(close)) {
      lose_answer();
      return;
    }
  }
  if (announced) worker_.metrics().add("closes_announced");
  DCHECK(answers_ == 0 || answer_ends_[answers_ - 1] < out_.size());
  answer_ends_[answers_++] = output_bytes();
  worker_.count_answer(answers_ == 1);
  if (rest) {
    leave_rest(close);
    return;
  }
  if (close) state_ = State::finishing;
  release_exchange();
}

bool Connection::write_answer(bool close) {
  const Request& request = exchange_->request;
  const Framing framing{.head = request.method() == Method::head,
                        .close = close,
                        .http_1_0 = request.minor_version() == 0};
  const Response& response = exchange_->response;
  if (exchange_->file_answer.content != nullptr) return write_file(framing);
  if (content(response, framing.head).size() > limits::exchange_kept_bytes)
    return write_large(framing);
  return write_response(out_, response, framing, worker_.date());
}

// Its content is sent from where it is, behind the batch; so is that of `write_large`.
bool Connection::write_file(const Framing& framing) {
  FileAnswer& answer = exchange_->file_answer;
  if (!write_head_alone(framing, answer.content->bytes())) return false;
  if (!framing.head && may_have_content(exchange_->response.status()))
    file_ = std::move(answer.content);
  return true;
}

bool Connection::write_large(const Framing& framing) {
  std::unique_ptr<LargeContent> large(new (std::nothrow) LargeContent(worker_.memory()));
  if (large == nullptr || !write_head_alone(framing, exchange_->response.body().size()))
    return false;
  exchange_->give_answer(*large);
  out_.end_with(std::move(large));
  return true;
}

bool Connection::write_head_alone(const Framing& framing, std::uint64_t length) {
  const Response& response = exchange_->response;
  char* const begin = out_.reserve(head_bytes_max(response));
  if (begin == nullptr) return false;
  const char* const end =
      end_head(write_head(begin, response, framing, length, worker_.date()), framing);
  out_.commit(static_cast<std::size_t>(end - begin));
  return true;
}

// Not while a further request is here already: that one's answer can say close.
bool Connection::says_close(std::size_t buffered) {
  if (!worker_.says_close(*door_, close_draw_)) return false;
  return is_the_last_here(buffered) || is_answered_to_the_end(buffered);
}

// Has nothing come behind this request? Of one that is still being received, what is here may be
// its own.
bool Connection::is_the_last_here(std::size_t buffered) const {
  if (!body_pending()) return buffered == 0 && !more_has_arrived();
  if (worker_.may_have_received(ticket(Kind::recv))) return false;
  return buffered + worker_.io().bytes_waiting(fd_) <= parser_.content_left().value_or(0);
}

// Whoever always has one more request under way must be told, too: with the answer to the last of
// what was here when the door was first seen to close.
bool Connection::is_answered_to_the_end(std::size_t buffered) {
  if (!door_->closing) return false;
  if (close_at_ == 0 && !worker_.may_have_received(ticket(Kind::recv)))
    close_at_ = received_ + worker_.io().bytes_waiting(fd_);
  return close_at_ != 0 && received_ - buffered >= close_at_;
}

// In the kernel's memory, or in that of a completion whose turn is still to come.
bool Connection::more_has_arrived() const {
  return worker_.io().bytes_waiting(fd_) > 0 || worker_.may_have_received(ticket(Kind::recv));
}

void Connection::release_exchange() {
  if (exchange_ == nullptr) return;
  if (exchange_->tunnel) worker_.metrics().subtract("tunnels_open");
  worker_.exchanges().give(exchange_);
  exchange_ = nullptr;
}

void Connection::spill(std::string_view bytes) {
  DCHECK(state_ <= State::handled);
  if (!spill_.append(bytes)) {
    worker_.metrics().add("input_denied");
    begin_cut();  // a loss of ours, as by the deadline
    cut_bytes(bytes);
    return;
  }
  const bool pauses = receive_ != Receive::canceling && receive_ != Receive::paused;
  if (spill_.size() >= spill_bytes_max() && pauses) pause_recv();
}

std::size_t Connection::spill_bytes_max() const {
  return worker_.tight() ? limits::spill_bytes_tight : limits::spill_bytes;
}

void Connection::resume_parsing() {
  DCHECK(state_ == State::open || state_ == State::finishing);
  DCHECK(!send_in_flight_);
  if (!spill_.empty()) {
    const std::string_view rest = consume(spill_.bytes());
    if (state_ == State::finishing || state_ == State::closing) {
      keep(rest);
      spill_.clear();
    } else {
      spill_.drop_front(spill_.size() - rest.size());
    }
  }
  flush();
  if (receive_ == Receive::paused && spill_.size() < spill_bytes_max() / 2) receive_ = Receive::off;
}

// ---- send

void Connection::flush() {
  if (send_in_flight_ || out_.empty() || state_ == State::closing) return;
  DCHECK(state_ != State::lingering);
  send_next();
}

void Connection::send_next() {
  send_in_flight_ = true;
  write_deadline_ = worker_.now() + worker_.config().write_timeout;
  const std::uint64_t whole = out_sent_ < out_.size() ? out_.size() : output_bytes();
  send_asked_ = static_cast<std::size_t>(
      std::min<std::uint64_t>(whole - out_sent_, worker_.config().send_bytes_max));
  const bool large = send_asked_ > limits::exchange_kept_bytes;
  send_waits_ = large && !worker_.share().take(send_asked_);
  send_waits_ ? wait_for_share() : submit_send();
}

void Connection::submit_send() {
  if (out_sent_ < out_.size()) {
    out_.send(worker_.io(), fd_, static_cast<std::size_t>(out_sent_), send_asked_,
              ticket(Kind::send));
  } else {
    worker_.io().submit_send_file(fd_, file_->piece(out_sent_ - out_.size(), send_asked_),
                                  ticket(Kind::send));
  }
}

void Connection::wait_for_share() {
  if (std::exchange(waits_for_share_, true)) return;
  worker_.metrics().add("share_waits");
  worker_.share().wait(index_);
}

void Connection::on_share() {
  waits_for_share_ = false;
  if (!in_use()) return;  // the slot may have got another client since: no harm
  if (std::exchange(send_waits_, false)) send_next();
  if (receive_ == Receive::queued) receive_ = Receive::off;
  proceed();
}

void Connection::on_send(const Completion& completion) noexcept {
  DCHECK(in_use() && send_in_flight_ && !send_waits_);
  const auto sent = static_cast<std::size_t>(std::max(completion.result, 0));
  DCHECK(sent <= send_asked_);
  send_in_flight_ = false;
  last_activity_at_ = worker_.now();
  out_sent_ += sent;
  if (sent == send_asked_ && out_sent_ < output_bytes() && state_ != State::closing) {
    send_next();
    return;
  }
  const bool whole = out_sent_ == output_bytes();
  const bool broken_off = completion.result == -ENODATA && state_ != State::closing;
  if (broken_off) note_broken_off();
  count_answers(std::exchange(out_sent_, 0));
  // `on_write_timeout` has given this client up: answers that it never took are undelivered.
  if (write_deadline_ == never) recount_unread("requests_undelivered");
  out_.clear();
  file_.reset();
  if (broken_off) {
    lose_behind(state_ == State::finishing);
  } else if (!whole) {
    on_broken();
  }
  switch (state_) {
    case State::open:
      // A pipelined request's clock starts now; nothing was read during the send.
      request_started_at_ = body_started_at_ = worker_.now();
      resume_parsing();
      break;
    case State::handled: answer_handled(); break;
    case State::finishing: linger(Late::excused); break;
    case State::handling:
      resume_body();
      pump();
      break;
    case State::lingering:
    case State::closing: break;
  }
  if (eof_ && state_ == State::open && !send_in_flight_ && spill_.empty()) close_after_them();
  proceed();
}

// The file that the last answer of the batch is made of has become shorter: the client sees less
// than was announced.
void Connection::note_broken_off() {
  DCHECK(file_ != nullptr && answers_ > 0);
  --answers_;
  worker_.metrics().add("answers_broken_off");
  worker_.metrics().subtract("requests_in_flight");
}

// Of a batch that was sent in part, some answers may have gone out whole.
void Connection::count_answers(std::uint64_t bytes_sent) {
  DCHECK(bytes_sent <= output_bytes());
  Metrics& metrics = worker_.metrics();
  const std::size_t all = std::exchange(answers_, 0);
  std::size_t answered = 0;
  sent_.sent(bytes_sent);
  while (answered < all && answer_ends_[answered] <= bytes_sent) {
    if (sent_.full()) sent_.make_room(worker_.io().bytes_unacked(fd_));
    sent_.add(bytes_sent - answer_ends_[answered++]);
  }
  const std::size_t lost = all - answered;
  metrics.subtract("requests_in_flight", all);
  metrics.add("requests_answered", answered);
  if (lost == 0) return;
  if (cut_ == Cut::no || door_->admin) {  // a probe is no loss
    metrics.add("requests_undelivered", lost);
  } else {
    metrics.add("requests_cut", lost);
    if (worker_.cut_report().take_line()) {
      log::warning("cut: {} answers were still being sent to {}, {} of {} bytes were", lost,
                   worker_.io().peer(fd_), bytes_sent, output_bytes());
    } else {
      worker_.cut_report().add_unsent(lost);
    }
  }
}

// ---- what is outstanding next

void Connection::proceed() {
  if (fd_ >= 0) {
    if (state_ == State::closing) {
      close_join();
    } else {
      if (receive_ == Receive::armed && goes_on_ && bulky_) cancel_recv();
      if (receive_ == Receive::off && !eof_) arm_recv();
      arm_timer();
    }
  }
  check_invariants();
}

void Connection::check_invariants() const {
  if (!in_use()) {
    DCHECK(receive_ == Receive::off && !send_in_flight_);
    DCHECK(exchange_ == nullptr && out_.empty() && file_ == nullptr && answers_ == 0 &&
           spill_.empty());
    DCHECK(!timer_.armed());
    return;
  }
  DCHECK(door_ != nullptr);
  DCHECK(send_in_flight_ || (out_.empty() && file_ == nullptr && answers_ == 0));
  DCHECK(send_in_flight_ || out_sent_ == 0);
  DCHECK(!send_in_flight_ || !out_.empty());
  DCHECK(!send_waits_ || (send_in_flight_ && waits_for_share_));
  DCHECK(answers_ == 0 || answer_ends_[answers_ - 1] <= output_bytes());
  DCHECK(receive_ != Receive::off || eof_ || state_ == State::closing);
  DCHECK(receive_ != Receive::paused || state_ == State::closing || exchange_ != nullptr ||
         spill_.size() >= limits::spill_bytes_tight / 2);
  DCHECK(content_.capacity() == 0 || receiving());
  DCHECK((cut_ == Cut::no) || state_ == State::closing);
  DCHECK(!half_ || (cut_ == Cut::counting && exchange_ != nullptr));
  DCHECK(!eof_ || state_ != State::open || send_in_flight_);
  DCHECK(state_ == State::closing || deadline() == never || timer_.armed());
  switch (state_) {
    case State::open: DCHECK(send_in_flight_ || spill_.empty()); break;
    case State::handling: DCHECK(exchange_ != nullptr && exchange_->connection == this); break;
    case State::handled: DCHECK(exchange_ != nullptr && send_in_flight_); break;
    case State::finishing: DCHECK(exchange_ == nullptr && send_in_flight_); break;
    case State::lingering: DCHECK(!send_in_flight_ && spill_.empty() && timer_.armed()); break;
    case State::closing: DCHECK(operations() > 0 || cut_ != Cut::no); break;
  }
}

}  // namespace lastcall
