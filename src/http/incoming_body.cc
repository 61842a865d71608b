#include "http/incoming_body.h"

#include "await/context.h"
#include "await/operations.h"
#include "base/check.h"
#include "http/exchange.h"

namespace lastcall {

bool IncomingBody::wants() const {
  if (state_ != State::receiving) return false;
  const std::size_t most = memory_.has_room_for_body(limits::stream_bytes)
                               ? limits::stream_bytes
                               : limits::stream_bytes_tight;
  const std::size_t held = exchange_.body.bytes().size();
  return collecting_ || held < most || held <= gathers_;
}

std::size_t IncomingBody::keeps() const {
  if (collecting_) return exchange_.read_all_max;
  return gathering_ ? gathers_ : 0;
}

void IncomingBody::begin_tunnel() {
  DCHECK(!bell_.is_awaited());
  exchange_.forget_content();
  exchange_.let_body_be_read();
  state_ = State::receiving;
  collecting_ = ended_ = false;
}

void IncomingBody::complete() {
  if (state_ != State::receiving) return;  // some of it found no room
  state_ = State::complete;
  bell_.ring();
}

void IncomingBody::fail(int status) {
  if (state_ != State::receiving) return;
  state_ = State::incomplete;
  status_ = status;
  bell_.ring();
}

void IncomingBody::clear() {
  DCHECK(!bell_.is_awaited());
  state_ = State::whole;
  status_ = 0;
  gathers_ = 0;
  wanted_ = collecting_ = gathering_ = ended_ = false;
  reading_.clear();
}

void IncomingBody::want() {
  wanted_ = true;
  exchange_.note_moved();
}

Task<std::optional<std::string_view>> IncomingBody::read() {
  for (;;) {
    if (context().operations.canceled()) throw Canceled();
    reading_.clear();
    if (ended_) co_return std::nullopt;
    if (state_ == State::whole) {
      ended_ = true;
      if (exchange_.content().empty()) co_return std::nullopt;
      co_return exchange_.content();
    }
    if (!exchange_.body.bytes().empty()) {
      exchange_.give_content(reading_);
      want();  // there is room again
      co_return reading_.bytes();
    }
    if (state_ == State::incomplete) throw Incomplete{status_};
    ended_ = state_ == State::complete;
    if (ended_) co_return std::nullopt;
    want();
    co_await bell_.wait();
  }
}

Task<std::string_view> IncomingBody::read_all() {
  if (ended_) exchange_.forget_content();  // it was read before
  collecting_ = true;
  for (;;) {
    if (context().operations.canceled()) throw Canceled();
    if (exchange_.content().size() > exchange_.read_all_max) {
      fail(413);
      throw Incomplete{413};
    }
    if (state_ == State::incomplete) throw Incomplete{status_};
    if (state_ != State::receiving) break;
    want();
    co_await bell_.wait();
  }
  ended_ = true;
  exchange_.let_body_be_read();
  co_return exchange_.content();
}

Task<bool> IncomingBody::gather(std::size_t bytes) {
  gathers_ = bytes;
  for (;;) {
    if (context().operations.canceled()) throw Canceled();
    if (state_ == State::incomplete) throw Incomplete{status_};
    if (state_ != State::receiving) co_return true;
    if (exchange_.body.bytes().size() > bytes) co_return false;
    want();
    gathering_ = true;
    co_await bell_.wait();
    gathering_ = false;
  }
}

// ---- what a handler has of it

Task<std::optional<std::string_view>> Request::read() { return exchange_->in.read(); }
Task<bool> Request::gather(std::size_t bytes) { return exchange_->in.gather(bytes); }
Task<std::string_view> Request::read_all() { return exchange_->in.read_all(); }

}  // namespace lastcall
