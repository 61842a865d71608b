// Answers that no handler has made: there is none, it has failed, the request is wrong, or there is
// no room.
#include <new>

#include "base/check.h"
#include "http/router.h"
#include "http/writer.h"
#include "server/connection.h"
#include "server/door.h"
#include "server/worker.h"

namespace lastcall {

void Connection::answer_without_route() { answer_instead(status_without_route()); }

// OPTIONS is answered wherever there is something, and for the server itself: `*` (RFC 9110
// section 9.3.7).
int Connection::status_without_route() const {
  DCHECK(exchange_->is_routed());
  if (exchange_->route_failed != 0) return exchange_->route_failed;
  if (!exchange_->found.known) return 404;
  return exchange_->request.method() == Method::options ? 204 : 405;
}

void Connection::answer_failure() {
  note_failure();
  answer_instead(500);
}

void Connection::note_failure() {
  worker_.failures().note(exchange_->request, worker_.now(), exchange_->out.begun());
  worker_.metrics().add("handler_failed");
}

// No room for the answer: 500, since the handler ran, and a proxy would repeat what gets 503.
void Connection::deny_answer() {
  worker_.metrics().add("answers_denied");
  answer_instead(500);
}

// Its handler has not run.
void Connection::refuse(Metric why, std::size_t buffered) {
  worker_.metrics().add(why);
  answer_instead(503);
  respond(buffered);
}

void Connection::answer_instead(int status) {
  Response& response = exchange_->response;
  try {
    fill_error(response, status);
  } catch (const std::bad_alloc&) {
    response.clear();
    response.status(status == 405 ? 503 : status);  // which says it all; a 405 would need Allow
    return;
  }
  dress_error(exchange_->request, response);
}

void Connection::fill_error(Response& response, int status) const {
  response.clear();
  response.status(status);
  if (exchange_ != nullptr && (status == 405 || status == 204))
    response.field("Allow", routes().allowed(exchange_->request.path()));
  if (status != 204) response.body(reason_phrase(status));
}

// The program's hook may add to it; what it makes larger than an answer that always fits, or throws
// at, is sent as it was.
void Connection::dress_error(const Request& request, Response& response) {
  const After& hook = worker_.config().on_error;
  const int status = response.status();
  if (!hook || door_->admin || status < 400) return;
  try {
    hook.run(request, response);
    if (response.fields().size() + response.body().size() <= limits::small_answer_bytes) return;
  } catch (...) {
    worker_.failures().note(request, worker_.now());
  }
  worker_.metrics().add("hook_failed");
  try {
    fill_error(response, status);
  } catch (const std::bad_alloc&) {
    response.clear();
    response.status(503);
  }
}

// Not when the answer is final already: a body that nobody wants is not asked for.
void Connection::answer_continue() {
  const int status = route() != nullptr ? 204 : status_without_route();
  if (status != 204) {
    reject(status);
    return;
  }
  DCHECK(!send_in_flight_);
  parser_.continue_sent();
  if (!out_.append("HTTP/1.1 100 Continue\r\n\r\n")) reject(503);
}

// Whatever was complete before is in `out_` already, and goes first.
void Connection::reject(int status) {
  DCHECK(state_ == State::open && !send_in_flight_);
  worker_.metrics().add("requests_rejected");
  if (status == 503) worker_.metrics().add("body_denied");
  const bool head = exchange_ != nullptr && exchange_->request.method() == Method::head;
  state_ = State::finishing;
  bool written = false;
  try {
    static const Request unknown;
    Response& response = worker_.scratch();
    fill_error(response, status);
    dress_error(exchange_ == nullptr ? unknown : exchange_->request, response);
    written = write_response(out_, response, {.head = head, .close = true, .http_1_0 = false},
                             worker_.date());
  } catch (const std::bad_alloc&) {
    // Closed without a word.
  }
  release_exchange();
  if (written) return;
  if (status == 503) count_unseen();
  if (out_.empty()) on_broken();
}

// There is no memory even for a few words: a loss of ours, as by the deadline. What is behind it is
// cut by whoever has it (`keep`); what is ready goes out before.
void Connection::lose_answer() {
  DCHECK(state_ == State::open && exchange_ != nullptr);
  const bool sends = !out_.empty();
  if (!sends) start_cut(Cut::counting);
  if (!door_->admin) name_cut();
  worker_.metrics().add(door_->admin ? Metric("requests_undelivered") : Metric("requests_cut"));
  worker_.metrics().subtract("requests_in_flight");
  release_exchange();
  if (sends) {
    state_ = State::finishing;
    return;
  }
  parser_.reset();
  close();
}

}  // namespace lastcall
