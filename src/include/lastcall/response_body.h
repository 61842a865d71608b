// An answer that goes on while its handler runs: server-sent events, a large report, what an
// upstream sends.
//
//   Task<> events(Request&, Response& response) {
//     response.content_type("text/event-stream");
//     auto body = co_await response.begin();
//     while (!draining()) {
//       if (!co_await body.write("data: tick\n\n")) co_return;  // the client has gone
//       co_await sleep(1s);
//     }
//   }
//
// The head leaves with the first bytes; what is set on the response afterwards is not sent. To
// HTTP/1.1 a body of unknown length goes in chunks (RFC 9112 section 7.1), to HTTP/1.0 until the
// connection closes. The hooks behind the handler run at `begin`.
//
// When the handler returns the body is complete, and the client can tell. Where an exception leaves
// the handler, or less than an announced length was written, it is cut so that the client can tell
// that, too: no last chunk, or a reset where a FIN would say that all has come.
// `answers_broken_off` counts that. In a drain it is a request in flight: at the deadline it is
// cut, and named with its bytes.
#pragma once

#include <span>
#include <string_view>
#include <utility>

#include <lastcall/request.h>
#include <lastcall/task.h>

namespace lastcall {

// Lives in the handler's coroutine, or one that this awaits.
class ResponseBody {
 public:
  ResponseBody(ResponseBody&& other) noexcept
      : exchange_(std::exchange(other.exchange_, nullptr)) {}
  ResponseBody& operator=(ResponseBody&&) = delete;

  // Copies `bytes`, and returns once no more than 64 KiB of what was written wait to be sent.
  // False: the client has gone, or wants no body (HEAD, 204, 205, 304): nothing more need be
  // written. Throws std::logic_error behind `end`, and for more than the length that was announced;
  // `Canceled` once the drain's deadline has passed. `bytes` is looked at while it is awaited.
  [[nodiscard]] Task<bool> write(std::string_view bytes);
  // So much may wait to be sent before `write` does, in the place of 64 KiB.
  void hold(std::size_t bytes);
  // It is complete, before the handler is. Trailers go to HTTP/1.1 clients behind a body of unknown
  // length (RFC 9110 section 6.5), and nowhere else. Throws std::invalid_argument for what
  // `Response::field` would not take, std::logic_error the second time.
  void end(std::span<const Field> trailers = {});

 private:
  friend class Response;
  explicit ResponseBody(Exchange& exchange) : exchange_(&exchange) {}
  Exchange* exchange_;
};

}  // namespace lastcall
