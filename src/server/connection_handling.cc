// What happens with a complete request: its route, the hooks around its handler, a coroutine's
// beginning and its end.
#include <utility>

#include "base/check.h"
#include "http/router.h"
#include "http/writer.h"
#include "server/connection.h"
#include "server/door.h"
#include "server/hooks.h"
#include "server/worker.h"

namespace lastcall {

void Connection::handle(std::size_t buffered) {
  DCHECK(exchange_ != nullptr && state_ == State::open);
  worker_.metrics().add("requests_received");
  worker_.metrics().add("requests_in_flight");
  const Route* const route = this->route();
  const bool probe = door_->admin || (route != nullptr && route->probe);
  if (probe) worker_.metrics().add("probes_received");
  if (bulky_) bulky_ = parser_.content_bytes() >= limits::bulky_bytes;
  if (said_ != Said::request) {
    said_ = Said::request;
    if (!probe) worker_.saw_arrival(accepted_at_);
  }
  if (!worker_.serves() && !probe) {  // its start has failed, or a signal has come before its end
    refuse("start_denied", buffered);
    return;
  }
  if (route != nullptr && !probe && worker_.memory().scarce(exchange_->body.capacity())) {
    refuse("memory_denied", buffered);
    return;
  }
  const Hooks* const hooks = exchange_->found.hooks();
  if (route != nullptr && (route->handler.waits() || (hooks != nullptr && hooks->waits))) {
    start_waiting(*route, buffered);
    return;
  }
  call(route);
  respond(buffered);
}

const Router& Connection::routes() const { return *door_->router; }

// Runs a handler that need not wait, or makes the server's own answer, and the hooks around it.
void Connection::call(const Route* route) {
  Exchange& exchange = *exchange_;
  const Hooks* const hooks = exchange.found.hooks();
  if (route != nullptr) worker_.under_way().begin(*route);
  worker_.note_handling(route);
  try {
    if (hooks == nullptr || run_before(*hooks, exchange.request, exchange.response)) {
      if (route != nullptr) {
        route->handler.run(exchange.request, exchange.response);
      } else {
        answer_without_route();
      }
    }
  } catch (...) {
    answer_failure();
  }
  if (hooks != nullptr) run_after_hooks();
  if (route != nullptr) worker_.under_way().end(*route);
}

void Connection::run_after_hooks() {
  const Hooks* const hooks = exchange_->found.hooks();
  if (hooks == nullptr) return;
  try {
    run_after(*hooks, exchange_->request, exchange_->response);
  } catch (...) {
    answer_failure();
  }
}

std::size_t Connection::answer_bytes() const {
  DCHECK(exchange_ != nullptr);
  const Response& response = exchange_->response;
  const bool head = exchange_->request.method() == Method::head;
  return response.fields().size() + exchange_->held_for_answer(content(response, head).size());
}

// Empty: a hook has answered, or there was no memory. Throws what a hook does, or a function that
// only returns another's coroutine.
Task<> Connection::begin_handler(const Route& route) {
  Exchange& exchange = *exchange_;
  Request& request = exchange.request;
  const Hooks* const hooks = exchange.found.hooks();
  if (hooks != nullptr && hooks->waits)
    return run_behind(*hooks, route.handler, request, exchange.response);
  return route.handler.begin(request, exchange.response);
}

// A handler that waits outlives the receive buffer, and perhaps the connection: its request moves
// to memory of its own first.
void Connection::start_waiting(const Route& route, std::size_t buffered) {
  DCHECK(state_ == State::open && exchange_ != nullptr);
  Exchange& exchange = *exchange_;
  const bool whole = !body_pending();
  if (whole && !parser_.own()) {
    refuse("body_denied", buffered);
    return;
  }
  exchange.begin_waiting();
  if (!whole) exchange.in.begin();
  held_back_at_ = 0;
  if (route.handler.begins_with_head() && parser_.has_content())
    exchange.keep_body_from_being_read();
  start_handler(route, buffered);
}

void Connection::start_handler(const Route& route, std::size_t buffered) {
  Exchange& exchange = *exchange_;
  const Hooks* const hooks = exchange.found.hooks();
  worker_.note_handling(&route);
  bool answered = false;
  try {
    answered = hooks != nullptr && !hooks->waits &&
               !run_before(*hooks, exchange.request, exchange.response);
    if (!answered) exchange.task = begin_handler(route);
  } catch (...) {
    answer_failure();
    answered = true;
  }
  if (!answered && (!exchange.task || !worker_.has_room_for_task())) {
    exchange.task.reset();
    worker_.metrics().add("frame_denied");
    answer_instead(503);
    answered = true;
  }
  if (answered && is_tunnel()) {
    lose_tunnel();
    return;
  }
  if (answered) {
    run_after_hooks();
    respond(buffered);
    return;
  }
  if (eof_) exchange.note_half_close();
  exchange.connection = this;
  exchange.calls = &exchange_calls;
  worker_.under_way().begin(route);
  state_ = State::handling;
  if (!worker_.start_task(exchange)) return;
  // It has not waited: its answer goes with those of the batch.
  take_result();
  state_ = State::open;
  respond(buffered);
}

void Connection::on_handled() noexcept {
  CHECK(state_ == State::handling && exchange_ != nullptr);
  state_ = State::handled;
  take_result();
  if (!send_in_flight_) {
    answer_handled();
  } else if (!exchange_->out.begun() && !exchange_->body.charge_answer(answer_bytes())) {
    deny_answer();  // on_send comes back to it
  }
  proceed();
}

// What its coroutine has ended by.
void Connection::take_result() {
  worker_.under_way().end(*exchange_->found.route());
  Exchange& exchange = *exchange_;
  exchange.calls = nullptr;
  try {
    exchange.task.result();
  } catch (const Incomplete& incomplete) {  // which is the client's failure
    worker_.metrics().add("bodies_incomplete");
    if (exchange.out.begun()) {
      exchange.out.fail();
    } else {
      const bool is_error = incomplete.status >= 400 && incomplete.status <= 599;
      answer_instead(is_error ? incomplete.status : 400);
    }
  } catch (...) {
    if (exchange.out.begun()) {
      note_failure();
      exchange.out.fail();
    } else {
      answer_failure();
    }
  }
  if (!exchange.out.begun()) run_after_hooks();
}

void Connection::answer_handled() {
  DCHECK(state_ == State::handled && !send_in_flight_);
  state_ = State::open;
  if (exchange_->out.begun()) {
    end_stream();
  } else {
    if (exchange_->out.informs()) exchange_->out.take_before_head(out_);
    respond(spill_.size());
  }
  if (state_ == State::handled || state_ == State::lingering) return;
  if (state_ == State::closing) {
    keep(spill_.bytes());
    spill_.clear();
    return;
  }
  resume_parsing();
  if (eof_ && state_ == State::open && !send_in_flight_ && spill_.empty()) close_after_them();
}

// The client has gone, or the deadline has come. A coroutine that has not ended runs on: it may be
// doing work that somebody counts on, and its worker takes the exchange back.
void Connection::abandon_exchange() {
  CHECK(exchange_ != nullptr);
  if (state_ == State::handled) {
    release_exchange();
    return;
  }
  if (exchange_->tunnel) worker_.metrics().subtract("tunnels_open");
  worker_.count_abandoned();
  worker_.under_way().end(*exchange_->found.route());
  std::exchange(exchange_, nullptr)->abandon();
}

}  // namespace lastcall
