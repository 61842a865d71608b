// A connection that has become a tunnel, in whatever protocol: by a 101
// (Response::switch_protocols), or from its first byte on (Server::on_connection). Its handler
// reads and writes as ever; nothing is parsed, and nothing was promised but that the end is told:
// by our FIN when the handler returns, by a reset otherwise.
#include <lastcall/log.h>

#include "base/check.h"
#include "http/router.h"
#include "server/connection.h"
#include "server/door.h"
#include "server/hooks.h"
#include "server/worker.h"

namespace lastcall {

// To the counts it is one request, which has come with the connection.
void Connection::begin_raw(const Route& route) {
  if (!worker_.serves() || !take_exchange()) {
    close();
    return;
  }
  worker_.metrics().add("requests_received");
  worker_.metrics().add("requests_in_flight");
  said_ = Said::request;
  worker_.saw_arrival(accepted_at_);
  parser_.reset();
  exchange_->found = {.at = &route, .answers = true, .known = true};
  exchange_->begin_waiting();
  exchange_->out.begin_raw();
  enter_tunnel();
  start_handler(route, 0);
}

// There is no memory for what is to handle it, or that has thrown.
void Connection::lose_tunnel() {
  worker_.metrics().subtract("requests_in_flight");
  worker_.metrics().add("requests_undelivered");
  release_exchange();
  close();
}

bool Connection::begin_tunnel() {
  DCHECK(state_ == State::handling);
  Exchange& exchange = *exchange_;
  if (body_pending()) throw std::logic_error("the request's content comes before another protocol");
  if (const Hooks* const hooks = exchange.found.hooks(); hooks != nullptr)
    run_after(*hooks, exchange.request, exchange.response);
  const Framing framing{.tunnel = true, .content = Framing::Content::until_close};
  if (!exchange.out.begin(exchange.response, framing, {}, worker_.date())) return false;
  enter_tunnel();
  note_moved();
  return true;
}

void Connection::enter_tunnel() {
  exchange_->tunnel = true;
  exchange_->in.begin_tunnel();
  by_close_ = true;
  worker_.io().set_close_resets(fd_, true);
  worker_.metrics().add("tunnels_open");
  worker_.metrics().add("tunnels_begun");
}

bool Connection::tunnel_is_known() const {
  if (!is_tunnel()) return false;
  const OutgoingBody& out = exchange_->out;
  const bool on_its_way = send_in_flight_ && out.written() == 0;
  return !out.has_head() && (!on_its_way || exchange_->found.route() == routes().raw());
}

// As much as the handler has room for. Returns what is left.
std::string_view Connection::feed_tunnel(std::string_view bytes) {
  IncomingBody& body = exchange_->in;
  while (!bytes.empty() && body.wants()) {
    const std::string_view piece = bytes.substr(0, limits::receive_buffer_bytes);
    if (!exchange_->body.append(piece)) {
      worker_.metrics().add("body_denied");
      body.fail(503);
      return {};
    }
    bytes.remove_prefix(piece.size());
    body.arrived();
  }
  return bytes;
}

void Connection::on_tunnel_eof() {
  if (spill_.empty()) exchange_->in.complete();
}

// Its handler has said so, and may read on.
void Connection::end_tunnel_sending() {
  DCHECK(!send_in_flight_ && out_.empty());
  if (!by_close_) return;  // it is sent
  by_close_ = false;
  worker_.io().set_close_resets(fd_, false);
  worker_.io().shut_send(fd_);
}

void Connection::name_cut_tunnel() {
  log::warning(
      "cut: the tunnel of {} {} from {}, {} ms after it began, {} bytes sent to its client",
      exchange_->request.method_name(), exchange_->request.target(), worker_.io().peer(fd_),
      worker_.now() - request_started_at_, exchange_->out.written());
}

}  // namespace lastcall
