#include "forwarder.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "forwarded_fields.h"
#include "pipe.h"
#include "upload.h"

namespace lastcall {
namespace {

using namespace std::chrono_literals;
using Duration = Options::Duration;

constexpr Duration for_ever = std::chrono::hours(24 * 365);
// An answer up to that waits to be whole, so that one that is not can be 502.
constexpr std::size_t small_answer = 16 * 1024;
// For a 100 that may never come: a server may ignore that it was asked (RFC 9110 section 10.1.1).
constexpr Duration until_it_is_sent_anyway = 1s;
constexpr Duration look_again = 100ms;  // whether a content has been sent
// What is larger is sent while its answer is waited for, however it came: a command may answer
// before it has read it all, and the kernel holds about so much at least.
constexpr std::size_t sent_at_once = 64 * 1024;

Duration limit_of(Duration option) { return option.count() == 0 ? for_ever : option; }

// WebSockets, and nothing else: what else is asked for is not passed on, and the answer is in
// HTTP/1.1.
bool asks_for_websocket(const Request& request) {
  const auto protocol = request.field("Upgrade");
  return protocol && same_token(*protocol, "websocket") && request.minor_version() > 0 &&
         request.method() == Method::get && request.connection_names("upgrade");
}

std::optional<std::uint64_t> content_length(const Request& request) {
  const auto text = request.field("Content-Length");
  std::uint64_t length = 0;  // it was parsed: digits, and not too many
  if (!text) return std::nullopt;
  for (const char c : *text) length = length * 10 + static_cast<std::uint64_t>(c - '0');
  return length;
}

}  // namespace

// A request, its answer, and how far they have come.
struct Forwarder::Exchange {
  Exchange(Request& asked, Response& to_be_answered)
      : request(asked), response(to_be_answered), length(content_length(asked)) {
    has_content = length.value_or(0) > 0 || request.field("Transfer-Encoding").has_value();
    expects = has_content && request.minor_version() > 0 && request.field("Expect").has_value();
  }

  Request& request;
  Response& response;
  const std::optional<std::uint64_t> length;  // of the request's content, if it says so
  bool has_content;
  bool expects;  // the client waits for a 100 before it sends that
  UpstreamFailures::Stage stage = UpstreamFailures::Stage::connecting;
  bool streams = false;  // its content is passed on as it comes
  Instant asked_at;
  std::optional<Instant> sent_at;  // when all of it had been
  std::optional<Call> call;
  std::optional<Upload> upload;  // destroyed before the call
};

Forwarder::Forwarder(const WrapOptions& options)
    : options_(options),
      address_(options.address()),
      client_(make_client()),
      prober_(make_client()) {
  constexpr std::size_t kept = 1024;
  client_->keep(options_.keep_alive.count() == 0 ? 0 : kept).keep_for(options_.keep_alive);
  client_->at_most(options_.upstream_max, options_.queue_timeout);
  prober_->keep(0);
}

std::unique_ptr<Client> Forwarder::make_client() const {
  if (!address_.host.empty()) return std::make_unique<Client>(address_.host, address_.port);
  return std::make_unique<Client>(UnixPath{address_.path});
}

void Forwarder::add_to(Server& server) {
  if (options_.tcp) {
    server.on_connection(of_connections());
  } else {
    const std::size_t body_max = options_.server.max_body_bytes;
    RouteOptions route = server.every(of_requests());
    if (body_max < Options::unbounded_body) route.max_body_bytes(body_max);
    server.gauge("upstream_waiting", "Requests that wait for the command.",
                 [this] { return activity_.waiting(); });
  }
  failures_.add_to(server);
}

Handler Forwarder::of_requests() {
  return [this](Request& request, Response& response) { return forward(request, response); };
}

Handler Forwarder::of_connections() {
  return [this](Request& request, Response& response) { return forward_bytes(request, response); };
}

Task<std::error_code> Forwarder::connect(Stream& stream) const {
  if (address_.host.empty()) return stream.connect_unix(address_.path, options_.connect_timeout);
  return stream.connect(address_.host, address_.port, options_.connect_timeout);
}

Task<std::string> Forwarder::why_not_ready() {
  if (options_.ready_path.empty()) {
    Stream stream;
    const std::error_code error = co_await connect(stream);
    co_return error ? fmt::format("{}: {}", options_.upstream, error.message()) : std::string();
  }
  std::string why;
  try {
    ClientRequest request("GET", options_.ready_path);
    request.time_limit(options_.connect_timeout);
    const ClientResponse response = co_await prober_->ask(std::move(request));
    const int status = response.status();
    if (status < 200 || status >= 300)
      why = fmt::format("GET {} is answered {}", options_.ready_path, status);
  } catch (const CallFailed& failed) {
    why = failed.what();
  }
  co_return why;
}

// ---- requests

Task<> Forwarder::forward(Request& request, Response& response) {
  if (!open_) {
    response.status(503).field("Retry-After", "1").body("The service is not ready");
    co_return;
  }
  // Who has reset is nobody any more, and would be taken for whoever asks without an address.
  if (options_.forwarded == "on" && request.peer_address().empty()) {
    response.status(503).body("The client has gone");
    co_return;
  }
  Exchange exchange(request, response);
  std::optional<UpstreamFailures::Kind> kind;
  std::exception_ptr failure;
  try {
    co_await pass(exchange);
  } catch (const CallFailed& failed) {
    if (exchange.upload) exchange.upload->rethrow_failure();
    const bool reads_nothing = exchange.upload && exchange.upload->has_timed_out();
    if (reads_nothing) exchange.stage = UpstreamFailures::Stage::answering;
    kind = UpstreamFailures::kind_of(failed.code(), exchange.stage);
    failures_.note(*kind, request, failed.what());
    failure = std::current_exception();
  }
  if (!kind) co_return;
  // Half of an answer is cut, so that the client can tell.
  if (response.begun()) std::rethrow_exception(failure);
  UpstreamFailures::answer(*kind, response);
}

ClientRequest Forwarder::ask(const Request& request) const {
  const bool adds = options_.forwarded == "on";
  ClientRequest asked = ClientRequest::relay(request, adds ? forwarded_names() : no_names());
  if (adds) add_forwarded(request, asked);
  asked.connect_limit(options_.connect_timeout).time_limit(for_ever);
  return asked;
}

Task<> Forwarder::pass(Exchange& exchange) {
  co_await begin(exchange);
  std::optional<Activity::Waiting> waiting;  // for the command; of a content that streams it may
  if (!exchange.streams) waiting.emplace(activity_);  // be the client that is slow
  const ClientResponse head = co_await take_head(exchange);
  waiting.reset();
  exchange.stage = UpstreamFailures::Stage::answering;
  exchange.call->time_limit(limit_of(options_.silence_timeout));
  if (head.status() == 101) {
    co_await pass_tunnel(exchange, head);
  } else {
    co_await pass_answer(exchange, head);
  }
}

// A small content is whole before the command is asked, so that one that serves a request at a time
// does not wait for a slow client.
Task<> Forwarder::begin(Exchange& exchange) {
  Request& request = exchange.request;
  ClientRequest asked = ask(request);
  exchange.streams = exchange.expects || exchange.length.value_or(0) > options_.buffer;
  if (exchange.has_content && !exchange.streams) {
    const bool all = co_await request.gather(options_.buffer);
    const bool large = exchange.length.value_or(options_.buffer) > sent_at_once;
    exchange.streams = !all || large || !request.trailers().empty();
  }
  const bool safe = request.method() == Method::get || request.method() == Method::head ||
                    request.method() == Method::options;
  asked.repeatable(safe && !exchange.has_content && options_.retry == "on");
  if (exchange.streams && exchange.length) {
    asked.stream_body(*exchange.length);
  } else if (exchange.streams) {
    asked.stream_body();
  } else if (exchange.has_content) {
    const auto content = co_await request.read();
    asked.body(std::string(content.value_or("")));
  }
  if (exchange.expects) asked.expect_continue();
  if (!exchange.has_content && asks_for_websocket(request)) asked.upgrade("websocket");
  exchange.call.emplace(co_await client_->begin(std::move(asked)));
  exchange.stage = UpstreamFailures::Stage::sent;
  exchange.asked_at = now();
  exchange.call->write_time_limit(limit_of(options_.silence_timeout));
  if (!exchange.streams) co_return;
  exchange.upload.emplace(request, *exchange.call, forwarded_names());
  if (!exchange.expects) exchange.upload->start();
}

// The most usual one: it has no content on its way, and no limit of time.
Task<std::optional<ClientResponse>> Forwarder::next_head(Exchange& exchange) {
  if (exchange.upload || options_.first_byte_timeout.count() > 0)
    return next_head_in_time(exchange);
  return exchange.call->next_head(for_ever);
}

// Nothing: time has passed, and something may be done about it. Who waits to be asked for its
// content is asked after a second anyway; and the time for the command's first byte begins when it
// has it all.
Task<std::optional<ClientResponse>> Forwarder::next_head_in_time(Exchange& exchange) {
  Call& call = *exchange.call;
  const bool is_sent = !exchange.upload || exchange.upload->is_over();
  if (is_sent && !exchange.sent_at) exchange.sent_at = now();
  std::optional<Duration> within;
  if (exchange.upload && !exchange.upload->started()) {
    const Duration left = exchange.asked_at + until_it_is_sent_anyway - now();
    if (left <= 0ms) exchange.upload->start();
    within = std::max(left, 0ms);
  } else if (!is_sent) {
    within = look_again;
  } else if (options_.first_byte_timeout.count() > 0) {
    call.time_limit(std::max(0ms, *exchange.sent_at + options_.first_byte_timeout - now()));
  }
  std::optional<ClientResponse> head;
  if (within) {
    head = co_await call.next_head(*within);
  } else {
    head = co_await call.next_head();
  }
  co_return head;
}

// Informational answers go to the client; but a 100 to one that has not asked for it, or that gets
// it when its content is read.
Task<ClientResponse> Forwarder::take_head(Exchange& exchange) {
  for (;;) {
    std::optional<ClientResponse> head = co_await next_head(exchange);
    if (!head) continue;
    activity_.note_byte();
    const int status = head->status();
    if (status >= 200 || status == 101) co_return std::move(*head);
    if (status != 100) {
      exchange.response.inform(status, relayed(head->fields(), head->fields()));
    } else if (exchange.upload && !exchange.upload->started()) {
      exchange.upload->start();
    }
  }
}

Task<> Forwarder::pass_answer(Exchange& exchange, const ClientResponse& head) {
  Call& call = *exchange.call;
  Response& response = exchange.response;
  response.relay(head);
  if (exchange.upload && !exchange.upload->is_over()) response.close();
  const std::optional<std::uint64_t> length = call.content_length();
  if (exchange.request.method() == Method::head) {
    if (length) {  // of what it would be to a GET
      (void)co_await response.begin(*length);
    } else {
      (void)co_await response.begin();
    }
    co_return;
  }
  std::string first;
  const bool small = length && *length <= small_answer;
  while (!call.is_complete() && (small || (call.is_ready() && first.size() <= small_answer))) {
    const auto piece = co_await call.read();
    if (!piece) break;
    activity_.note_byte();
    first.append(*piece);
  }
  if (call.is_complete() && call.trailers().empty()) {
    response.body(first);
  } else if (length) {
    co_await pass_content(exchange, head, co_await response.begin(*length), std::move(first));
  } else {
    co_await pass_content(exchange, head, co_await response.begin(), std::move(first));
  }
}

Task<> Forwarder::pass_content(Exchange& exchange, const ClientResponse& head, ResponseBody body,
                               std::string first) {
  Call& call = *exchange.call;
  body.hold(options_.buffer);
  if (!first.empty() && !co_await body.write(first)) co_return;
  for (;;) {
    const auto piece = co_await call.read();
    if (!piece) break;
    activity_.note_byte();
    if (!co_await body.write(*piece)) co_return;  // the client has gone
  }
  body.end(relayed(call.trailers(), head.fields()));
}

// ---- tunnels

Task<> Forwarder::pass_tunnel(Exchange& exchange, const ClientResponse& head) {
  Stream upstream = exchange.call->switch_protocols();
  exchange.response.relay(head);
  ResponseBody body = co_await exchange.response.switch_protocols("websocket");
  co_await pipe(exchange.request, body, upstream);
}

Task<> Forwarder::forward_bytes(Request& request, Response& response) {
  ResponseBody body = co_await response.begin();
  if (!open_) throw Incomplete{0};
  Stream upstream;
  const std::error_code error = co_await connect(upstream);
  if (error) {
    const auto kind = UpstreamFailures::kind_of(error, UpstreamFailures::Stage::connecting);
    failures_.note(kind, request, error.message());
    throw Incomplete{0};
  }
  co_await pipe(request, body, upstream, &command_runs_);
}

}  // namespace lastcall
