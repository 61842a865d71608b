// A request's content that its handler reads as it comes: take_body -> feed_body, and, when the
// handler has read, on_moved -> resume_body. Of what it has not read: leave_rest ->
// on_rest_of_body.
#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "base/check.h"
#include "server/connection.h"
#include "server/worker.h"

namespace lastcall {

// ---- received where it stands: receive_content -> on_content

// Does what comes next belong to a content that somebody wants?
bool Connection::keeps_content() const {
  return (state_ == State::open || state_ == State::handling) && exchange_ != nullptr &&
         parser_.stage() == Parser::Stage::body && !exchange_->answered &&
         !parser_.discards_content();
}

// It stands where more would be received, until its handler has read it: what comes meanwhile waits
// in the kernel.
bool Connection::waits_for_reader() const {
  return bulky_ && state_ == State::handling && keeps_content() &&
         exchange_->in.state() == IncomingBody::State::receiving &&
         exchange_->content().size() > exchange_->in.keeps();
}

// So much of the content is received at once into the memory of the content. 0: it comes in lent
// buffers, as little does, or what has to be looked at first; where memory is short none is asked
// for before something has come.
std::size_t Connection::direct_bytes() const {
  if (!bulky_ || !keeps_content() || worker_.tight() || parser_.expects_continue()) return 0;
  if (!spill_.empty() || (state_ == State::open ? send_in_flight_ : !takes_body())) return 0;
  const std::size_t come = exchange_->content().size();
  const auto left = static_cast<std::size_t>(parser_.content_left().value_or(0));
  if (left < limits::direct_bytes_min && left > exchange_->body.capacity() - come) return 0;
  const bool read_as_it_comes = state_ == State::handling && !exchange_->in.is_kept();
  if (read_as_it_comes) return std::min(left, limits::stream_bytes);
  return std::min(left,
                  std::clamp(3 * come, limits::direct_bytes_first, limits::receive_bytes_max));
}

// While the kernel may write to it, it is the connection's: a handler may end, and its exchange go.
bool Connection::receive_content(std::size_t bytes) {
  if (bytes == 0) return false;
  exchange_->give_content(content_);
  const auto left = static_cast<std::size_t>(parser_.content_left().value_or(0));
  const bool room = worker_.memory().has_room_for_body(content_.growth(bytes, left));
  if (!room || !content_.reserve(bytes, left)) {
    exchange_->take_content_back(content_);
    return false;
  }
  worker_.io().submit_read(fd_, std::as_writable_bytes(std::span(content_.end(), bytes)),
                           ticket(Kind::recv));
  return true;
}

void Connection::on_content(int received) {
  const std::string_view bytes(content_.end(), static_cast<std::size_t>(std::max(received, 0)));
  if (keeps_content()) {
    exchange_->take_content_back(content_);
    if (bytes.empty() && worker_.tight()) exchange_->give_room_back();
  }
  if (!bytes.empty()) on_bytes(bytes);
  content_.clear();
}

// ---- read as it comes

// Does it wait for the client? Not while a handler does not read, or has not asked for what the
// client waits to be asked for.
bool Connection::awaits_body() const {
  if (parser_.expects_continue()) return false;
  return state_ == State::handling && held_back_at_ == 0 && body_pending() &&
         exchange_->in.state() == IncomingBody::State::receiving;
}

bool Connection::takes_body() const {
  return state_ == State::handling && parser_.stage() == Parser::Stage::body &&
         exchange_->in.wants();
}

void Connection::take_body(std::string_view bytes) {
  const std::string_view rest = spill_.empty() ? feed_body(bytes) : bytes;
  if (!rest.empty()) spill(rest);
  if (state_ == State::handling) widen_for_body();
}

// Parses as much as the handler has room for. Returns what is left.
std::string_view Connection::feed_body(std::string_view bytes) {
  if (exchange_->tunnel) return feed_tunnel(bytes);
  IncomingBody& body = exchange_->in;
  while (!bytes.empty() && takes_body()) {
    const bool in_place = exchange_->body.has_in_place(bytes);
    std::string_view piece = in_place ? bytes : bytes.substr(0, limits::receive_buffer_bytes);
    const std::size_t size = piece.size();
    switch (parser_.feed(piece)) {
      case Parser::Result::incomplete: body.arrived(); break;
      case Parser::Result::complete: parser_.own() ? body.complete() : body.fail(503); break;
      case Parser::Result::failed: body.fail(parser_.status()); return {};
    }
    bytes.remove_prefix(size - piece.size());
  }
  const bool held_back = !bytes.empty() && body_pending();
  if (held_back && held_back_at_ == 0) held_back_at_ = worker_.now();
  return bytes;
}

// The handler has read, or wants to.
void Connection::resume_body() {
  const bool tunnel = is_tunnel();
  if (!body_pending() && !tunnel) return;
  const bool asks = exchange_->in.is_wanted() && parser_.expects_continue();
  const bool head_gone = exchange_->out.begun() && !exchange_->out.has_head();
  if (asks && !head_gone && !send_in_flight_) {
    parser_.continue_sent();
    body_started_at_ = last_activity_at_ = worker_.now();
    if (out_.append("HTTP/1.1 100 Continue\r\n\r\n")) {
      flush();
    } else {
      exchange_->in.fail(503);
    }
  }
  if (held_back_at_ != 0 && takes_body() && !waits_for_reader()) {  // the time was not the client's
    body_started_at_ += worker_.now() - std::exchange(held_back_at_, 0);
    last_activity_at_ = worker_.now();
  }
  const std::string_view rest = feed_body(spill_.bytes());
  spill_.drop_front(spill_.size() - rest.size());
  if (eof_ && tunnel) {
    on_tunnel_eof();
  } else if (eof_ && spill_.empty() && body_pending()) {
    exchange_->in.fail(400);
  }
  if (receive_ == Receive::paused && spill_.size() < spill_bytes_max() / 2) receive_ = Receive::off;
}

void Connection::on_body_timeout() {
  worker_.metrics().add("body_timeouts");
  exchange_->in.fail(408);
}

// Its answer is ready before its content is here. A client that waits to be asked for that may send
// it or not, and of much it is better told to stop.
bool Connection::closes_before_rest() const {
  const bool goes_on = parser_.stage() == Parser::Stage::body && !eof_ &&
                       exchange_->in.state() != IncomingBody::State::incomplete;
  if (!goes_on || parser_.expects_continue()) return true;
  return parser_.content_left().value_or(0) > limits::discarded_body_bytes_max;
}

void Connection::leave_rest(bool close) {
  if (close) {
    if (parser_.content_left().value_or(0) > limits::discarded_body_bytes_max)
      worker_.metrics().add("contents_left");
    state_ = State::finishing;
    parser_.reset();
    release_exchange();
    return;
  }
  exchange_->end_handler();
  parser_.discard_content();
  rest_from_ = parser_.body_bytes();
  body_started_at_ = last_activity_at_ = worker_.now();
}

// A chunked content that nobody wants goes on and on: the last answer was the last.
void Connection::on_rest_of_body() {
  if (parser_.body_bytes() - rest_from_ <= limits::discarded_body_bytes_max) return;
  worker_.metrics().add("contents_left");
  end_rest();
}

void Connection::on_rest_timeout() {
  worker_.metrics().add("body_timeouts");
  end_rest();
}

void Connection::end_rest() {
  parser_.reset();
  release_exchange();
  if (out_.empty()) {
    linger(Late::excused);
  } else {
    state_ = State::finishing;
  }
}

}  // namespace lastcall
