// An answer that goes on while its handler runs: begin_stream -> on_moved -> pump -> on_send ->
// pump, until the handler has ended -> end_stream, or break_off.
#include <utility>

#include "base/check.h"
#include "http/writer.h"
#include "server/connection.h"
#include "server/door.h"
#include "server/hooks.h"
#include "server/worker.h"

namespace lastcall {

const ConnectionCalls Connection::exchange_calls = {
    .begin_answer =
        [](Exchange& exchange, std::optional<std::uint64_t> length) {
          return exchange.connection->begin_stream(length);
        },
    .begin_tunnel = [](Exchange& exchange) { return exchange.connection->begin_tunnel(); },
    .note_moved = [](Exchange& exchange) noexcept { exchange.connection->note_moved(); },
};

// Called by the handler, which is in the midst of a step: what is to be done with the socket waits
// for the end of the turn.
void Connection::note_moved() noexcept {
  if (std::exchange(moved_, true)) return;
  worker_.note_moved(*this);
}

void Connection::on_moved() noexcept {
  moved_ = false;
  if (!in_use()) return;  // the slot may have got another client since: no harm
  if (state_ == State::handling) {
    resume_body();
    pump();
  }
  proceed();
}

bool Connection::begin_stream(std::optional<std::uint64_t> length) {
  DCHECK(state_ == State::handling);
  Exchange& exchange = *exchange_;
  if (const Hooks* const hooks = exchange.found.hooks(); hooks != nullptr)
    run_after(*hooks, exchange.request, exchange.response);
  using Content = Framing::Content;
  const bool http_1_0 = exchange.request.minor_version() == 0;
  const Content unknown = http_1_0 ? Content::until_close : Content::chunked;
  const Framing framing{.head = exchange.request.method() == Method::head,
                        .http_1_0 = http_1_0,
                        .content = length ? Content::length : unknown};
  if (!exchange.out.begin(exchange.response, framing, length, worker_.date())) return false;
  note_moved();
  return true;
}

// What the handler has written goes to the send. With the head it is said whether the connection
// goes on, for what has come by now is to be answered if it does. In a drain it says close, unless
// more requests are here already: nobody knows how long it will go on.
void Connection::hand_over(OutgoingBody& body) {
  DCHECK(!send_in_flight_ && out_.empty());
  if (body.informs()) {
    body.take_before_head(out_);
    return;
  }
  if (body.has_head() && exchange_->tunnel) {
    body.end_head(true);
  } else if (body.has_head()) {
    const bool draining = worker_.phase() > Phase::serving && !door_->admin;
    const bool last = draining && is_the_last_here(spill_.size());
    const bool announced = parser_.keep_alive() && (last || says_close(spill_.size()));
    if (announced) worker_.metrics().add("closes_announced");
    body.end_head(announced || !parser_.keep_alive() || exchange_->response.closes() ||
                  body.ends_by_close() || (body_pending() && closes_before_rest()));
    by_close_ = body.ends_by_close();
    if (by_close_) worker_.io().set_close_resets(fd_, true);
  }
  body.take(out_);
}

// Sends what the handler has written since.
void Connection::pump() {
  OutgoingBody& body = exchange_->out;
  if (send_in_flight_) return;
  if (!body.has_pending()) {
    if (exchange_->tunnel && body.has_ended()) end_tunnel_sending();
    return;
  }
  hand_over(body);
  flush();
}

// Its handler has returned.
void Connection::end_stream() {
  DCHECK(state_ == State::open && !send_in_flight_ && exchange_ != nullptr);
  OutgoingBody& body = exchange_->out;
  const bool whole = body.finish();
  if (!whole && !body.has_pending()) {
    break_off();
    return;
  }
  hand_over(body);
  if (!whole || body.has_pending()) {  // where the head has gone alone; on_send comes back to it
    state_ = State::handled;
    flush();
    return;
  }
  const bool close = body.closes();
  const bool rest = body_pending();
  exchange_->drop_content();
  answer_ends_[answers_++] = out_.size();
  worker_.count_answer(answers_ == 1);
  if (rest) {
    leave_rest(close);
  } else {
    if (close) state_ = State::finishing;
    release_exchange();
  }
  if (!out_.empty()) return;
  count_answers(0);  // all of it has been sent already
  if (close) linger(Late::excused);
}

// Its handler has failed half-way: the client must see that it is not whole. What is behind it was
// not to be answered where a close was announced; else requests there are lost, as by the deadline.
void Connection::break_off() {
  DCHECK(!send_in_flight_ && out_.empty());
  worker_.metrics().add("answers_broken_off");
  worker_.metrics().subtract("requests_in_flight");
  const bool last = is_told_to_be_last() || parser_.stage() == Parser::Stage::failed;
  start_losing(last);
  if (parser_.stage() == Parser::Stage::body) {
    exchange_->end_handler();
    parser_.discard_content();
  } else {
    release_exchange();
    parser_.reset();
  }
  if (by_close_) {
    close();
    return;
  }
  lose_behind(last);
}

// Was it told to be the last, nothing behind it is a loss.
void Connection::start_losing(bool last) { start_cut(last ? Cut::discarding : Cut::counting); }

// What has come behind an answer that was broken off, which is the connection's last.
void Connection::lose_behind(bool last) {
  if (cut_ == Cut::no) start_losing(last);
  cut_bytes(spill_.bytes());
  if (cut_unnamed_) worker_.cut_report().add_client();
  cut_ = Cut::no;
  if (exchange_ != nullptr && !exchange_->answered) {
    release_exchange();
    parser_.reset();
  }
  if (last) {
    linger(Late::excused);
  } else {
    linger_unannounced();
  }
}

}  // namespace lastcall
