// An outbound connection, of TCP or to a unix socket, that a handler or a job can await.
//
//   lastcall::Stream upstream;
//   if (const auto error = co_await upstream.connect("quotes.internal", 80, 2s)) …;
//   if (const auto error = co_await upstream.send("GET / HTTP/1.0\r\n\r\n", 2s)) …;
//   for (;;) {
//     const auto received = co_await upstream.receive(2s);
//     if (received.error || received.ended()) break;
//     text += received.bytes;
//   }
//
// Used on the worker that connected it only. What the network does is a value, `std::error_code`
// (std::errc::timed_out: the time was up; operation_canceled: we closed it ourselves); each await
// throws `Canceled` once the drain's deadline has passed. One `send` and one `receive` may be under
// way at once; a second one of either throws std::logic_error. Names are resolved by c-ares,
// blocking nobody. A stream that is still open when its worker stops is closed then.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <lastcall/task.h>

namespace lastcall {

struct Address;

struct Received {
  std::string_view bytes;  // valid until the next receive or connect, or the stream's destruction
  std::error_code error;
  [[nodiscard]] bool ended() const { return !error && bytes.empty(); }  // the peer's FIN
};

class Stream {
 public:
  using Duration = std::chrono::milliseconds;

  Stream() = default;
  Stream(Stream&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept;
  ~Stream();

  // `host`: a name or a literal address. Its addresses are tried in turn, IPv6 first, each with
  // its share of the time that is left. An open stream is closed first.
  [[nodiscard]] Task<std::error_code> connect(std::string host, std::uint16_t port, Duration limit);
  // A stream socket (unix(7)) by its path, or, behind a leading '@', its abstract name. Where the
  // peer's queue is full it is tried again until the time is up.
  [[nodiscard]] Task<std::error_code> connect_unix(std::string path, Duration limit);
  // All of `bytes`, or an error; how much has gone is then unknown.
  [[nodiscard]] Task<std::error_code> send(std::string bytes, Duration limit);
  // What has arrived, at most 16 KiB.
  [[nodiscard]] Task<Received> receive(Duration limit);
  void end();  // our FIN: nothing more is sent; the peer may go on
  void close();
  [[nodiscard]] bool is_open() const;
  // Open, and nothing has come that was not received: no byte, no FIN, no reset. To be asked before
  // a connection that was kept is used again. A system call.
  [[nodiscard]] bool is_alive() const;

  struct State;  // outlives the stream while an operation is outstanding

 private:
  friend class Call;  // gives back what it has received, and what is not its own
  void drop();
  [[nodiscard]] Task<int> try_connect(const Address& address, std::int64_t until);
  State* state_ = nullptr;  // kept alive until it is dropped
};

}  // namespace lastcall
