#include "http/call.h"

#include <fmt/core.h>

#include <stdexcept>

#include "await/context.h"
#include "await/operations.h"
#include "base/metrics.h"

namespace lastcall {
namespace {

const std::error_code given_up = std::make_error_code(std::errc::operation_canceled);

}  // namespace

void Call::State::enter() {
  if (context().operations.canceled()) throw Canceled();
  if (failure) fail(failure);
  if (!whole) deadline = now() + request.limit_;
}

void Call::State::fail(std::error_code error) {
  stream.close();
  if (!failure) {
    Metrics& metrics = context().metrics;
    metrics.add("calls_failed");
    if (error == std::errc::message_size) metrics.add("calls_too_large");
  }
  failure = error;
  received = {};
  throw CallFailed(error, fmt::format("{}: {} {}", client.authority_, request.method_,
                                      request.target_.substr(0, limits::call_told_bytes)));
}

// Its connection is good for another call if this one is over, on either side.
void Call::State::keep() {
  const bool over = ended && content_ended && !send_error && parser.keep_alive();
  if (!over || !received.empty() || !stream.is_open() || !on_a_worker()) return;
  Client::Kept& kept = client.kept_[this_worker()];
  kept.drop_old();
  if (kept.idle.size() >= client.kept_max_) return;
  kept.idle.push_back({std::move(stream), now()});
}

// What fails is not the end: the peer may have answered, and closed.
Task<> Call::State::send(std::string bytes) {
  send_error = given_up;  // if this is dropped half-way
  const std::error_code error = co_await stream.send(std::move(bytes), left());
  if (error == std::errc::timed_out && stream.is_alive()) fail(error);
  send_error = error;
}

Task<> Call::State::send_request() {
  parser.begin(request.method_ == "HEAD");
  co_await send(request.head(client.authority_, client.kept_max_ == 0) + request.body_);
}

// Up to the next event of the parser, or some content.
Task<ResponseParser::Result> Call::State::advance() {
  using Result = ResponseParser::Result;
  for (;;) {
    pieces_read = 0;
    const Result result = parser.feed(received);
    if (result == Result::failed) fail(std::errc::bad_message);
    if (result == Result::too_large) fail(std::errc::message_size);
    if (result != Result::incomplete || !parser.pieces().empty()) co_return result;
    if (now() >= deadline) fail(std::errc::timed_out);  // however much comes
    const Received more = co_await stream.receive(left());
    if (!more.error && !more.ended()) {
      heard = true;
      received = more.bytes;
    } else if (more.ended() && parser.on_fin()) {
      co_return Result::end;
    } else if (may_try_again(more)) {
      co_await client.open(*this, false);
      co_await send_request();
    } else {
      fail(more.error ? more.error : std::make_error_code(std::errc::connection_reset));
    }
  }
}

// ---- what its user awaits

Call& Call::operator=(Call&& other) noexcept {
  if (this == &other) return *this;
  delete std::exchange(state_, std::exchange(other.state_, nullptr));
  return *this;
}

Call::~Call() { delete state_; }

Call::State& Call::state() const {
  if (state_ == nullptr) throw std::logic_error("this call has been moved elsewhere");
  return *state_;
}

Task<bool> Call::write(std::string bytes) {
  State& state = this->state();
  state.enter();
  const auto& length = state.request.length_;
  const std::size_t size = bytes.size();
  if (state.content_ended || (length && size > state.content_left))
    throw std::logic_error("more than the content that was announced");
  if (state.send_error) co_return false;
  if (bytes.empty()) co_return true;
  if (!length) bytes = fmt::format("{:x}\r\n{}\r\n", size, bytes);
  co_await state.send(std::move(bytes));
  if (state.send_error) co_return false;
  state.content_left -= length ? size : 0;
  co_return true;
}

Task<ClientResponse> Call::response() {
  State& state = this->state();
  state.enter();
  if (state.asked_response) throw std::logic_error("a call has one response");
  if (state.send_error == given_up)
    throw std::logic_error("a write is under way, or was given up half-way");
  if (!state.content_ended && !state.send_error) {
    if (state.content_left > 0) throw std::logic_error("less than the content that was announced");
    if (!state.request.length_) co_await state.send("0\r\n\r\n");
    state.content_ended = !state.send_error;
  }
  state.asked_response = true;
  const ResponseParser::Result result = co_await state.advance();
  if (!state.parser.has_head()) state.fail(std::errc::bad_message);
  state.ended = result == ResponseParser::Result::end;
  co_return state.parser.take_head();
}

Task<std::optional<std::string_view>> Call::read() {
  State& state = this->state();
  state.enter();
  if (!state.asked_response) throw std::logic_error("the response comes before its content");
  for (;;) {
    const auto& pieces = state.parser.pieces();
    if (state.pieces_read < pieces.size()) co_return pieces[state.pieces_read++];
    if (state.ended) co_return std::nullopt;
    state.ended = co_await state.advance() == ResponseParser::Result::end;
  }
}

}  // namespace lastcall
