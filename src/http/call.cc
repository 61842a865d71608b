#include "http/call.h"

#include <fmt/core.h>

#include <stdexcept>

#include "await/context.h"
#include "await/open_streams.h"
#include "await/operations.h"
#include "base/metrics.h"

namespace lastcall {
namespace {

const std::error_code given_up = std::make_error_code(std::errc::operation_canceled);

}  // namespace

// ---- what is kept

// A handful at most is idle, and they end in no particular order: each peer may say how long.
void Client::Kept::drop_old() {
  std::erase_if(idle, [](const Idle& each) { return each.until <= now(); });
  if (idle.empty()) return;
  Instant next = idle.front().until;
  for (const Idle& each : idle) next = std::min(next, each.until);
  timers_->arm(timer_, next.time_since_epoch().count());
}

Stream Client::Kept::take(Duration at_most) {
  while (!idle.empty()) {
    Idle& last = idle.back();
    const bool good = last.until > now();
    if (good && now() - last.since > at_most) return {};  // another request may have it
    Stream stream = std::move(last.stream);
    idle.pop_back();
    if (good && stream.is_alive()) return stream;
  }
  return {};
}

void Client::Kept::put(Stream stream, Instant until) {
  Context& here = context();
  timers_ = &here.timers;
  if (link == nullptr) here.open_streams.add(*this);
  idle.push_back({std::move(stream), now(), until});
  const Ms at = until.time_since_epoch().count();
  if (!timer_.armed()) timers_->arm(timer_, at);
}

void Client::Kept::forget() {
  idle.clear();
  if (timer_.armed()) timers_->disarm(timer_);
}

// ---- a call

void Call::State::enter(Instant& until, Duration limit) {
  if (context().operations.canceled()) throw Canceled();
  if (failure) fail(failure);
  if (!whole) until = now() + limit;
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
  if (kept.idle.size() >= client.kept_max_) return;
  Duration idle = client.kept_for_;
  if (const auto said = parser.keep_alive_for()) idle = std::min(idle, Duration(*said) / 2);
  if (idle > Duration::zero()) kept.put(std::move(stream), now() + idle);
}

// What fails is not the end: the peer may have answered, and closed.
Task<> Call::State::send(std::string bytes) {
  send_error = given_up;  // if this is dropped half-way
  const std::error_code error = co_await stream.send(std::move(bytes), left(sent_by));
  if (failure) fail(failure);
  if (error == std::errc::timed_out && stream.is_alive()) fail(error);
  send_error = error;
}

Task<> Call::State::send_request() {
  parser.begin(request.method_ == "HEAD", !request.protocol_.empty());
  std::string bytes = request.head(client.authority_, client.kept_max_ == 0) + request.body_;
  if (!request.may_be_repeated()) std::string().swap(request.body_);
  return send(std::move(bytes));
}

// Up to the next event of the parser, or some content.
Task<ResponseParser::Result> Call::State::advance(bool may_wait) {
  using Result = ResponseParser::Result;
  for (;;) {
    pieces_read = 0;
    const Result result = parser.feed(received);
    if (result == Result::failed) fail(std::errc::bad_message);
    if (result == Result::too_large) fail(std::errc::message_size);
    if (result != Result::incomplete || !parser.pieces().empty()) co_return result;
    if (now() >= heard_by) {  // however much comes
      if (may_wait) co_return Result::incomplete;
      fail(std::errc::timed_out);
    }
    const Received more = co_await stream.receive(left(heard_by));
    if (failure) fail(failure);
    if (may_wait && more.error == std::errc::timed_out) co_return Result::incomplete;
    if (!more.error && !more.ended()) {
      heard = true;
      received = more.bytes;
    } else if (more.ended() && !is_cut_short() && parser.on_fin()) {
      co_return Result::end;
    } else if (may_try_again(more)) {
      co_await client.connect(*this);
      co_await send_request();
    } else {
      fail(more.error ? more.error : std::make_error_code(std::errc::connection_reset));
    }
  }
}

Task<std::optional<ClientResponse>> Call::State::take_head(bool may_wait) {
  using Result = ResponseParser::Result;
  if (has_head) throw std::logic_error("a call has one response");
  const Result result = co_await advance(may_wait);
  if (result == Result::incomplete) co_return std::nullopt;
  if (result != Result::informational) {
    if (!parser.has_head()) fail(std::errc::bad_message);
    has_head = true;
    ended = result == Result::end;
  }
  co_return parser.take_head();
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
  state.enter_send();
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

Task<bool> Call::end(std::span<const Field> trailers) {
  State& state = this->state();
  state.enter_send();
  if (state.content_left > 0) throw std::logic_error("less than the content that was announced");
  if (state.send_error || state.content_ended) co_return !state.send_error;
  if (!state.request.length_) {
    ClientRequest checked;  // knows what a field may be
    for (const Field& trailer : trailers) checked.field(trailer.name, trailer.value);
    co_await state.send("0\r\n" + checked.fields_ + "\r\n");
  }
  state.content_ended = !state.send_error;
  co_return state.content_ended;
}

Task<ClientResponse> Call::response() {
  State& state = this->state();
  state.enter_send();
  if (state.has_head) throw std::logic_error("a call has one response");
  if (state.send_error == given_up)
    throw std::logic_error("a write is under way, or was given up half-way");
  if (!state.content_ended && !state.send_error) (void)co_await end();
  state.enter_receive();
  for (;;) {
    std::optional<ClientResponse> head = co_await state.take_head(false);
    if (state.has_head) co_return std::move(*head);
  }
}

Task<ClientResponse> Call::next_head() {
  State& state = this->state();
  state.enter_receive();
  std::optional<ClientResponse> head = co_await state.take_head(false);
  co_return std::move(*head);
}

Task<std::optional<ClientResponse>> Call::next_head(Duration within) {
  State& state = this->state();
  state.enter_receive();
  state.heard_by = now() + within;
  return state.take_head(true);
}

Task<std::optional<std::string_view>> Call::read() {
  State& state = this->state();
  state.enter_receive();
  if (!state.has_head) throw std::logic_error("the response comes before its content");
  for (;;) {
    const auto& pieces = state.parser.pieces();
    if (state.pieces_read < pieces.size()) co_return pieces[state.pieces_read++];
    if (state.ended) co_return std::nullopt;
    state.ended = co_await state.advance() == ResponseParser::Result::end;
  }
}

std::optional<std::uint64_t> Call::content_length() const { return state().parser.length(); }

bool Call::is_complete() const {
  const State& state = this->state();
  return state.ended && state.pieces_read == state.parser.pieces().size();
}

bool Call::is_ready() const {
  const State& state = this->state();
  return state.ended || !state.received.empty() || state.pieces_read < state.parser.pieces().size();
}

std::span<const Field> Call::trailers() const { return state().parser.trailers(); }

Stream Call::switch_protocols() {
  State& state = this->state();
  if (!state.ended || !state.parser.has_switched())
    throw std::logic_error("the peer has not switched to another protocol");
  state.stream.state_->unread = std::exchange(state.received, {});
  return std::move(state.stream);
}

void Call::time_limit(Duration limit) { state().request.time_limit(limit); }

void Call::write_time_limit(Duration limit) { state().send_limit = bounded(limit); }

void Call::abort() {
  State& state = this->state();
  if (!state.failure) state.failure = given_up;
  state.stream.close();
}

}  // namespace lastcall
