// An HTTP/1.1 client: what a service asks another one (RFC 9110, RFC 9112), over `Stream`.
//
//   lastcall::Client quotes("quotes.internal", 80);  // once, for all workers
//
//   // In a coroutine of a handler or a job: all at once, …
//   ClientRequest request("GET", "/today");
//   const ClientResponse response = co_await quotes.ask(std::move(request));
//   if (response.status() == 200) use(response.body());
//
//   // … or as it comes, both ways, never whole in memory.
//   ClientRequest upload("PUT", "/store");
//   upload.stream_body();
//   Call call = co_await quotes.begin(std::move(upload));
//   while (const auto piece = co_await request.read())
//     if (!co_await call.write(std::string(*piece))) break;  // it answers early
//   const ClientResponse head = co_await call.response();
//   while (const auto piece = co_await call.read()) use(*piece);
//
// Whatever the network or the peer does wrong throws `CallFailed`, so that nobody takes a part of
// an answer for all of it. One limit HTTP sets itself: an answer that neither says its length nor
// comes in chunks is over when the peer says FIN (RFC 9112 section 6.3), whyever it says so. A
// status of 400 or more is an answer. Each await throws `Canceled` once the drain's deadline has
// passed, and std::bad_alloc where there is no memory.
//
// Connections are kept and used again, by the worker that made them. One on which anything has come
// meanwhile, an end too, is dropped; one that was idle for 4 seconds is not used any more, and
// closed by the next call of its worker. A request of a method that may be repeated (RFC 9110
// section 9.2.2), whose content is known, is sent once more, on a new connection, where a kept one
// ends before the first byte of an answer: the peer had closed it. Nothing else is ever sent twice,
// and redirects are answers.
//
// Two at once: `begin` both, then take the `response` of each. For a service behind TLS there is a
// proxy beside it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <lastcall/request.h>
#include <lastcall/task.h>

namespace lastcall {

class ResponseParser;

// `code()`: timed_out, connection_refused, connection_reset (it ended before the answer did),
// bad_message (that is no HTTP/1.x, or in a transfer coding that nobody asked for), message_size
// (beyond a bound), or what connect(2), send(2) and recv(2) say, all of std::errc; or the
// resolver's, where the name is not known. `what()` says who was asked, and what.
class CallFailed : public std::system_error {
 public:
  using std::system_error::system_error;
};

class ClientRequest {
 public:
  using Duration = std::chrono::milliseconds;

  // `target`: a path and perhaps a query, encoded, or `*` (RFC 9112 section 3.2). Throws
  // std::invalid_argument for a method that is no token or CONNECT, and for what no target has.
  ClientRequest(std::string_view method, std::string_view target);

  // Appends a field; a name may come again, Host is replaced. Throws std::invalid_argument for a
  // name that is no token, a value with control characters, and for Content-Length,
  // Transfer-Encoding, Connection, Upgrade, Expect and TE, which are the client's.
  ClientRequest& field(std::string_view name, std::string_view value);
  ClientRequest& body(std::string content);
  // The content is written afterwards, to the `Call`: `length` bytes, or in chunks.
  ClientRequest& stream_body();
  ClientRequest& stream_body(std::uint64_t length);
  // `ask`: how long all of it may take, from the look-up of the name to the last byte. `begin`, and
  // each await of a call: how long that may. 10 s unless set; 0 or less is over at once.
  ClientRequest& time_limit(Duration limit);

 private:
  friend class Client;
  friend class Call;
  [[nodiscard]] std::string head(std::string_view host, bool last) const;
  [[nodiscard]] bool may_be_repeated() const;

  std::string method_;
  std::string target_;
  std::string fields_;  // as lines, CRLF each
  std::string host_;    // empty: that of the client
  std::string body_;
  bool streams_ = false;
  std::optional<std::uint64_t> length_;  // of what is streamed
  Duration limit_{10'000};
};

// Its views are valid while it lives and is not moved: give it a name first.
class ClientResponse {
 public:
  ClientResponse() = default;
  ClientResponse(ClientResponse&&) = default;
  ClientResponse& operator=(ClientResponse&&) = default;

  [[nodiscard]] int status() const { return status_; }  // 200 to 599
  [[nodiscard]] std::span<const Field> fields() const& { return fields_; }
  [[nodiscard]] std::span<const Field> fields() && = delete;
  // The first field of that name; nothing when there is none.
  [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const&;
  [[nodiscard]] std::optional<std::string_view> field(std::string_view name) && = delete;
  // The content, transfer coding removed; of `Client::ask` alone.
  [[nodiscard]] std::string_view body() const& { return body_; }
  [[nodiscard]] std::string_view body() && = delete;

 private:
  friend class Client;
  friend class ResponseParser;
  int status_ = 0;
  std::vector<char> text_;  // in which the fields stand
  std::vector<Field> fields_;
  std::string body_;
};

// A request under way whose content, or whose answer, goes piece by piece: first all that is
// written, then `response`, then what is read. One await at a time; it stays where it is meanwhile.
// Its connection is kept if the answer was read to its end. Dropped before that it closes its
// connection: of a content that is cut so the peer can tell. What has failed fails again.
class Call {
 public:
  using Duration = std::chrono::milliseconds;

  Call(Call&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Call& operator=(Call&& other) noexcept;
  ~Call();

  // Sends `bytes` of the content. False: the peer takes no more, and may have said why: `response`
  // tells. Throws std::logic_error behind the length that was announced, and where the request does
  // not stream; `CallFailed` where the peer does not read for the limit of time, and has not
  // answered.
  [[nodiscard]] Task<bool> write(std::string bytes);
  // Ends the content, and waits for the answer's head; informational ones (1xx) are skipped. Once.
  // Throws std::logic_error where less than the announced length was written, or a write was
  // dropped half-way.
  [[nodiscard]] Task<ClientResponse> response();
  // The next piece of the answer's content, valid until the next call; nothing behind the last,
  // which is told only of a content that was complete: otherwise `CallFailed`. Behind `response`.
  [[nodiscard]] Task<std::optional<std::string_view>> read();

 private:
  friend class Client;
  struct State;
  explicit Call(State* state) : state_(state) {}
  [[nodiscard]] State& state() const;
  State* state_;
};

class Client {
 public:
  // `host`: a name or an address, of IPv6 without brackets. Throws std::invalid_argument for what
  // is neither. Outlives the server's run.
  Client(std::string host, std::uint16_t port);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Before the server runs. How many idle connections each worker keeps: 32 unless set, 1,024 at
  // most; 0: none.
  Client& keep(std::size_t connections);
  // Of a content that `ask` takes: 1 MiB unless set; more is `CallFailed` by message_size.
  Client& max_body_bytes(std::size_t bytes);

  // The whole answer. Throws std::invalid_argument for a request that streams.
  [[nodiscard]] Task<ClientResponse> ask(ClientRequest request);
  // Connects, and sends the head and what is known of the content.
  [[nodiscard]] Task<Call> begin(ClientRequest request);

 private:
  friend class Call;
  struct Kept;  // idle connections, of one worker
  [[nodiscard]] Task<Call> begin_as(ClientRequest request, bool whole);
  [[nodiscard]] Task<> open(Call::State& call, bool may_be_kept);

  std::string host_;
  std::uint16_t port_;
  std::string authority_;  // as Host has it
  std::size_t kept_max_ = 32;
  std::size_t body_bytes_max_ = 1 << 20;
  Kept* kept_ = nullptr;  // one for each worker
};

}  // namespace lastcall
