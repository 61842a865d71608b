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
// Connections are kept and used again, by the worker that made them, until they have been idle for
// `keep_for`, or half of what the peer says in Keep-Alive. One on which anything has come
// meanwhile, an end too, is dropped; nor is one kept behind an answer to HEAD, or a 304, unless
// that says that its content is empty: some send content there. A request of a method that may be
// repeated (RFC 9110 section 9.2.2), whose content is known, is sent once more, on a new
// connection, where a kept one ends before the first byte of an answer: the peer had closed it.
// Nothing else is ever sent twice; what must not be goes out on a connection that was idle for a
// moment at most (50 ms), or a new one. Redirects are answers.
//
// A proxy takes the request that its handler got (`ClientRequest::relay`), hands the answer out
// (`Response::relay`), and asks for more of what HTTP has: informational answers (`next_head`),
// trailers, an upgrade, both directions at once (`write` in a coroutine of its own).
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
#include <lastcall/stream.h>
#include <lastcall/task.h>

namespace lastcall {

class ResponseParser;

// `code()`: timed_out, connection_refused, connection_reset (it ended before the answer did),
// bad_message (that is no HTTP/1.x, or in a transfer coding that nobody asked for), message_size
// (beyond a bound), resource_unavailable_try_again (no connection was free in time: `at_most`), or
// what connect(2), send(2) and recv(2) say, all of std::errc; or the
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

  // The request that a handler has got, for another to answer: its method, its target in
  // origin-form, whom it asked for as Host, and its fields, but for those of its connection (RFC
  // 9110 section 7.6.1), those that frame it, Expect, and `without`; a name with '_' for '-' in it
  // is the same name to many a program, and is left out likewise. Its content is not taken.
  [[nodiscard]] static ClientRequest relay(const Request& request,
                                           std::span<const std::string_view> without = {});

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
  // How long the connection may take, of that; the look-up of the name and the wait for a place
  // are not in it. As long as all unless set.
  ClientRequest& connect_limit(Duration limit);
  // May it be sent once more, where the peer had closed its connection? As its method says unless
  // set; never with a content that streams.
  ClientRequest& repeatable(bool yes);
  // Asks to be asked for the content (RFC 9110 section 10.1.1), which streams: `Call::next_head`.
  ClientRequest& expect_continue();
  // Asks for another protocol (RFC 9110 section 7.8): a 101 is then an answer without content, and
  // `Call::switch_protocols` what follows. Throws std::invalid_argument for what names none.
  ClientRequest& upgrade(std::string_view protocol);

 private:
  friend class Client;
  friend class Call;
  ClientRequest() = default;
  void add(const Field& field);
  [[nodiscard]] std::string head(std::string_view host, bool last) const;
  [[nodiscard]] bool may_be_repeated() const;

  std::string method_;
  std::string target_;
  std::string fields_;  // as lines, CRLF each
  std::string host_;
  std::string body_;
  bool streams_ = false;
  bool has_host_ = false;  // `host_` is to be sent, be it empty
  bool expects_continue_ = false;
  std::optional<bool> repeatable_;
  std::string protocol_;                 // to switch to
  std::optional<std::uint64_t> length_;  // of what is streamed
  Duration limit_{10'000};
  std::optional<Duration> connect_limit_;
};

// Its views are valid while it lives and is not moved: give it a name first.
class ClientResponse {
 public:
  ClientResponse() = default;
  ClientResponse(ClientResponse&&) = default;
  ClientResponse& operator=(ClientResponse&&) = default;

  // 200 to 599; of `Call::next_head` also one that is informational, from 100 on.
  [[nodiscard]] int status() const { return status_; }
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
// written, then `response`, then what is read. One await of what is written, and one of what is
// read, at a time; it stays where it is meanwhile. Its connection is kept if the answer was read to
// its end. Dropped before that it closes its connection: of a content that is cut so the peer can
// tell. What has failed fails again.
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
  // Ends a content of unknown length, by trailers perhaps (RFC 9112 section 7.1.2). False: as
  // above. Throws std::invalid_argument for what `ClientRequest::field` would not take.
  [[nodiscard]] Task<bool> end(std::span<const Field> trailers = {});
  // Ends the content if that is to be done, and waits for the answer's head; informational ones
  // (1xx) are skipped. Once. Throws std::logic_error where less than the announced length was
  // written, or a write was dropped half-way.
  [[nodiscard]] Task<ClientResponse> response();
  // The next head, be it an informational one, whatever has been written; the first from 200 on, or
  // a 101 that was asked for, is the last. For whoever writes meanwhile, or first waits to be
  // asked.
  [[nodiscard]] Task<ClientResponse> next_head();
  // Likewise; nothing where it has not come within that time, which fails nothing.
  [[nodiscard]] Task<std::optional<ClientResponse>> next_head(Duration within);
  // The next piece of the answer's content, valid until the next call; nothing behind the last,
  // which is told only of a content that was complete: otherwise `CallFailed`. Behind `response`.
  [[nodiscard]] Task<std::optional<std::string_view>> read();
  // Of the answer, behind its head: the length of its content, or what it would be to a HEAD, if it
  // says so.
  [[nodiscard]] std::optional<std::uint64_t> content_length() const;
  [[nodiscard]] bool is_complete() const;  // all of it has come, and was read
  [[nodiscard]] bool is_ready() const;     // `read` would not wait
  // Behind its end: what came behind the last chunk, valid until the call ends.
  [[nodiscard]] std::span<const Field> trailers() const;
  // Behind a 101: the connection, which is the caller's from here on.
  [[nodiscard]] Stream switch_protocols();
  void time_limit(Duration limit);        // of each await from here on,
  void write_time_limit(Duration limit);  // but for `write` and `end`
  void abort();  // all that is awaited, or will be, fails by operation_canceled

 private:
  friend class Client;
  struct State;
  explicit Call(State* state) : state_(state) {}
  [[nodiscard]] State& state() const;
  State* state_;
};

// Those of `fields`, trailers or an informational answer's, that an intermediary passes on, of a
// message with that head (RFC 9110 sections 6.5.1 and 7.6.1), and none of `without`.
[[nodiscard]] std::vector<Field> relayed(std::span<const Field> fields, std::span<const Field> head,
                                         std::span<const std::string_view> without = {});

struct UnixPath {  // of a socket; behind '@' its abstract name
  std::string path;
};

class Client {
 public:
  using Duration = std::chrono::milliseconds;

  // `host`: a name or an address, of IPv6 without brackets. Throws std::invalid_argument for what
  // is neither. Outlives the server's run.
  Client(std::string host, std::uint16_t port);
  // Its Host is localhost. Throws std::invalid_argument for a path that is empty or too long.
  explicit Client(UnixPath where);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Before the server runs. How many idle connections each worker keeps: 32 unless set, 1,024 at
  // most; 0: none.
  Client& keep(std::size_t connections);
  // How long an idle one is kept: 4 s unless set.
  Client& keep_for(Duration idle);
  // How many connections each worker has at once, and how long a request waits for one, behind
  // those that have waited longer. Without bound unless set.
  Client& at_most(std::size_t connections, Duration wait);
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
  [[nodiscard]] bool take_kept(Call::State& call);
  [[nodiscard]] Task<> connect(Call::State& call);

  std::string host_;  // or the path of a socket, and `port_` 0
  std::uint16_t port_;
  std::string authority_;  // as Host has it
  std::size_t kept_max_ = 32;
  Duration kept_for_;
  Duration wait_{0};  // for a place
  std::size_t body_bytes_max_ = 1 << 20;
  Kept* kept_ = nullptr;  // one for each worker
};

}  // namespace lastcall
