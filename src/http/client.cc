#include <lastcall/client.h>

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <stdexcept>

#include "await/context.h"
#include "await/operations.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/token.h"
#include "http/authority.h"
#include "http/call.h"
#include "http/hop_by_hop.h"
#include "io/sockets.h"

namespace lastcall {
namespace {

constexpr std::string_view of_the_client[] = {
    "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect", "TE"};
// RFC 9110 section 9.2.2.
constexpr std::string_view idempotent[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
// They say how long their content is where it is empty, too (RFC 9110 section 8.6).
constexpr std::string_view with_content[] = {"POST", "PUT", "PATCH"};

bool is_one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// RFC 9112 section 3.2: origin-form or asterisk-form.
bool is_target(std::string_view target) {
  const bool clean = std::all_of(target.begin(), target.end(),
                                 [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
  return clean && (target.starts_with('/') || target == "*");
}

}  // namespace

// ---- what is asked, and answered

ClientRequest::ClientRequest(std::string_view method, std::string_view target)
    : method_(method), target_(target) {
  if (!is_token(method) || method == "CONNECT")
    throw std::invalid_argument("a method is a token, and none that asks for a tunnel");
  if (!is_target(target))
    throw std::invalid_argument("a target is a path that begins by '/', percent-encoded");
}

ClientRequest& ClientRequest::field(std::string_view name, std::string_view value) {
  if (!is_token(name)) throw std::invalid_argument("a field name is a token");
  if (!is_field_value(value))
    throw std::invalid_argument("a field value has no control characters");
  for (const std::string_view own : of_the_client) {
    if (same_token(own, name))
      throw std::invalid_argument("this field is set by the client itself");
  }
  if (same_token(name, "Host")) {
    if (!is_authority(value)) throw std::invalid_argument("Host is a host, and perhaps a port");
    host_.assign(value);
    has_host_ = true;
  } else {
    add({name, value});
  }
  return *this;
}

ClientRequest& ClientRequest::body(std::string content) {
  body_ = std::move(content);
  streams_ = false;
  return *this;
}

ClientRequest& ClientRequest::stream_body() {
  body_.clear();
  streams_ = true;
  length_.reset();
  return *this;
}

ClientRequest& ClientRequest::stream_body(std::uint64_t length) {
  stream_body();
  length_ = length;
  return *this;
}

ClientRequest& ClientRequest::time_limit(Duration limit) {
  limit_ = bounded(limit);
  return *this;
}

ClientRequest& ClientRequest::connect_limit(Duration limit) {
  connect_limit_ = bounded(limit);
  return *this;
}

ClientRequest& ClientRequest::repeatable(bool yes) {
  repeatable_ = yes;
  return *this;
}

ClientRequest& ClientRequest::expect_continue() {
  expects_continue_ = true;
  return *this;
}

ClientRequest& ClientRequest::upgrade(std::string_view protocol) {
  if (!is_token(protocol)) throw std::invalid_argument("a protocol's name is a token");
  protocol_ = protocol;
  return *this;
}

// It has been parsed: what stands in it is what a request may have.
ClientRequest ClientRequest::relay(const Request& request,
                                   std::span<const std::string_view> without) {
  ClientRequest relayed;
  relayed.method_ = request.method_name();
  relayed.target_ = request.path();
  // RFC 9112 section 3.2.4: of an absolute form without a path.
  const std::string_view target = request.target();
  const bool whole_server =
      request.method() == Method::options && target.find("://") < target.size() &&
      target.find_first_of("/?", target.find("://") + 3) == std::string_view::npos;
  if (whole_server && !target.starts_with('/')) relayed.target_.assign(1, '*');
  if (request.target().find('?') != std::string_view::npos)
    relayed.target_.append("?").append(request.query());
  relayed.has_host_ = request.minor_version() > 0 || !request.host().empty();
  relayed.host_ = request.host();
  constexpr std::size_t line = 4;        // ": " and its end
  constexpr std::size_t for_ours = 128;  // what whoever passes it on adds
  std::size_t size = for_ours;
  for (const Field& field : request.fields()) size += field.name.size() + field.value.size() + line;
  relayed.fields_.reserve(size);
  const HopByHop hop_by_hop(request.fields(), without);
  for (const Field& field : request.fields()) {
    if (same_token(field.name, "Host") || !hop_by_hop.passes(field.name)) continue;
    relayed.add(field);
  }
  return relayed;
}

std::vector<Field> relayed(std::span<const Field> fields, std::span<const Field> head,
                           std::span<const std::string_view> without) {
  // What says how a message is to be read, or by whom, stands before its content.
  constexpr std::string_view never[] = {"Host",          "Content-Type", "Content-Encoding",
                                        "Content-Range", "Trailer",      "Authorization",
                                        "Set-Cookie",    "Date"};
  const HopByHop hop_by_hop(head, without);
  const bool trailers = fields.data() != head.data();
  const auto stays = [&](const Field& field) {
    const auto same = [&](std::string_view name) { return same_token(name, field.name); };
    if (!hop_by_hop.passes(field.name) || same("Date")) return true;
    return trailers && std::any_of(std::begin(never), std::end(never), same);
  };
  std::vector<Field> passed;
  std::copy_if(fields.begin(), fields.end(), std::back_inserter(passed),
               [&](const Field& field) { return !stays(field); });
  return passed;
}

void ClientRequest::add(const Field& field) {
  fields_.append(field.name).append(": ").append(field.value).append("\r\n");
}

bool ClientRequest::may_be_repeated() const {
  return !streams_ && repeatable_.value_or(is_one_of(idempotent, method_));
}

std::string ClientRequest::head(std::string_view host, bool last) const {
  const std::string_view whom = has_host_ ? std::string_view(host_) : host;
  std::string head;
  head.reserve(method_.size() + target_.size() + whom.size() + fields_.size() + body_.size() + 96 +
               protocol_.size());
  head.append(method_).append(" ").append(target_).append(" HTTP/1.1\r\nHost: ").append(whom);
  head.append("\r\n").append(fields_);
  if (!protocol_.empty()) {
    head.append("Connection: Upgrade\r\nUpgrade: ").append(protocol_).append("\r\n");
  } else if (last) {
    head.append("Connection: close\r\n");
  }
  if (expects_continue_) head.append("Expect: 100-continue\r\n");
  if (streams_ && !length_) {
    head.append("Transfer-Encoding: chunked\r\n");
  } else if (streams_ || !body_.empty() || is_one_of(with_content, method_)) {
    const std::uint64_t length = streams_ ? *length_ : body_.size();
    head.append("Content-Length: ").append(std::to_string(length)).append("\r\n");
  }
  return head.append("\r\n");
}

std::optional<std::string_view> ClientResponse::field(std::string_view name) const& {
  for (const Field& field : fields_) {
    if (same_token(field.name, name)) return field.value;
  }
  return std::nullopt;
}

// ---- whom to ask

Client::Client(std::string host, std::uint16_t port)
    : host_(std::move(host)), port_(port), kept_for_(limits::kept_idle_ms) {
  const bool bare_v6 = host_.find(':') != std::string::npos;
  authority_ = bare_v6 ? fmt::format("[{}]", host_) : host_;
  if (port_ != 80) authority_ += fmt::format(":{}", port_);
  if (host_.empty() || port_ == 0 || !is_authority(authority_))
    throw std::invalid_argument("a client needs a host, by name or address, and a port");
  kept_ = new Kept[workers_max];
}

Client::Client(UnixPath where)
    : host_(std::move(where.path)),
      port_(0),
      authority_("localhost"),
      kept_for_(limits::kept_idle_ms) {
  Address address;
  if (!Address::of_unix(host_, address))
    throw std::invalid_argument("the path of a unix socket has 1 to 107 bytes");
  kept_ = new Kept[workers_max];
}

Client::~Client() { delete[] kept_; }

Client& Client::keep_for(Duration idle) {
  kept_for_ = idle;
  return *this;
}

Client& Client::at_most(std::size_t connections, Duration wait) {
  for (unsigned worker = 0; worker < workers_max; ++worker) kept_[worker].places.bound(connections);
  wait_ = wait;
  return *this;
}

Client& Client::keep(std::size_t connections) {
  kept_max_ = std::min(connections, limits::kept_max);
  return *this;
}

Client& Client::max_body_bytes(std::size_t bytes) {
  body_bytes_max_ = bytes;
  return *this;
}

bool Client::take_kept(Call::State& call) {
  Kept& kept = kept_[this_worker()];
  kept.idle.reserve(kept_max_);  // so that keeping one cannot fail
  const bool again = call.request.may_be_repeated();
  call.stream = kept.take(again ? kept_for_ : Duration(limits::kept_once_ms));
  call.on_kept = call.stream.is_open();
  if (call.on_kept) context().metrics.add("calls_on_kept");
  return call.on_kept;
}

Task<> Client::connect(Call::State& call) {
  Kept& kept = kept_[this_worker()];
  call.on_kept = false;
  if (kept.places.crowded(kept.idle.size())) kept.idle.erase(kept.idle.begin());
  const Duration left = call.left(call.heard_by);
  const Duration limit = std::min(left, call.request.connect_limit_.value_or(left));
  std::error_code error;
  if (port_ == 0) {
    error = co_await call.stream.connect_unix(host_, limit);
  } else {
    error = co_await call.stream.connect(host_, port_, limit);
  }
  if (error) call.fail(error);
}

Task<Call> Client::begin_as(ClientRequest request, bool whole) {
  context().metrics.add("calls_begun");
  Call call(new Call::State(*this, std::move(request), whole));
  Call::State& state = *call.state_;
  state.place = co_await kept_[this_worker()].places.take(wait_.count());
  if (!state.place) state.fail(std::errc::resource_unavailable_try_again);
  if (context().operations.canceled()) throw Canceled();
  if (!take_kept(state)) co_await connect(state);
  co_await state.send_request();
  co_return std::move(call);
}

Task<Call> Client::begin(ClientRequest request) { return begin_as(std::move(request), false); }

Task<ClientResponse> Client::ask(ClientRequest request) {
  if (request.streams_) throw std::invalid_argument("a request that streams is begun, not asked");
  Call call = co_await begin_as(std::move(request), true);
  ClientResponse response = co_await call.response();
  while (const auto piece = co_await call.read()) {
    if (piece->size() > body_bytes_max_ - response.body_.size())
      call.state_->fail(std::errc::message_size);
    if (now() >= call.state_->heard_by) call.state_->fail(std::errc::timed_out);
    response.body_.append(*piece);
  }
  co_return response;
}

}  // namespace lastcall
