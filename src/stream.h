// An outbound TCP connection that a handler or a job can await.
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
// (std::errc::timed_out: the time was up); each await throws `Canceled` once the drain's deadline
// has passed. One `send` and one `receive` may be under way at once. Names are resolved by c-ares,
// blocking nobody. A stream that is still open when its worker stops is closed then.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "task.h"

namespace lastcall {

struct Received {
  std::string_view bytes;  // valid until the next receive, or the stream's end
  std::error_code error;
  [[nodiscard]] bool ended() const { return !error && bytes.empty(); }  // the peer's FIN
};

class Stream {
 public:
  using Duration = std::chrono::milliseconds;

  Stream() = default;
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream();

  // `host`: a name or a literal address. Its addresses are tried in turn (RFC 6724's order), each
  // with its share of the time that is left. An open stream is closed first.
  [[nodiscard]] Task<std::error_code> connect(std::string host, std::uint16_t port, Duration limit);
  // All of `bytes`, or an error; how much has gone is then unknown.
  [[nodiscard]] Task<std::error_code> send(std::string bytes, Duration limit);
  // What has arrived, at most limits::stream_receive_bytes.
  [[nodiscard]] Task<Received> receive(Duration limit);
  void close();
  [[nodiscard]] bool is_open() const { return state_ != nullptr; }

  struct State;  // outlives the stream while an operation is outstanding

 private:
  std::shared_ptr<State> state_;
};

}  // namespace lastcall
