// A call of another service that is under way (lastcall/client.h), and the connections that are
// kept for the next one.
//
// Invariants
//  1. Each byte is sent once: `send_error` is set before a send begins, and cleared when all of it
//     has gone. The one exception is `may_try_again`.
//  2. A connection is kept only where both sides have said all, and nothing of it is left unread.
//  3. Once `failure` is set nothing is sent, received or handed out any more.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <lastcall/client.h>
#include <lastcall/context.h>
#include <lastcall/stream.h>

#include "base/limits.h"
#include "http/response_parser.h"

namespace lastcall {

struct Call::State {
  State(Client& asked, ClientRequest what, bool all) : client(asked), request(std::move(what)) {
    whole = all;
    deadline = now() + request.limit_;
    content_ended = !request.streams_;
    content_left = request.length_.value_or(0);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { keep(); }

  // Each await begins here. It has the limit of time for itself; of `ask` all have one.
  void enter();
  [[nodiscard]] Duration left() const { return std::max(deadline - now(), Duration::zero()); }

  Task<> send(std::string bytes);
  Task<> send_request();
  Task<ResponseParser::Result> advance();
  // The peer had closed a connection that was kept, before it took the request, which may be
  // repeated.
  [[nodiscard]] bool may_try_again(const Received& last) const {
    const bool closed = last.ended() || last.error == std::errc::connection_reset ||
                        last.error == std::errc::broken_pipe;
    return closed && on_kept && !heard && request.may_be_repeated();
  }
  void keep();
  [[noreturn]] void fail(std::error_code error);
  [[noreturn]] void fail(std::errc error) { fail(std::make_error_code(error)); }

  Client& client;
  ClientRequest request;
  Stream stream;
  ResponseParser parser;
  std::string_view received;  // and not parsed yet, in the stream's memory
  std::size_t pieces_read = 0;
  Instant deadline;
  std::uint64_t content_left = 0;  // to be written, of a length that was announced
  std::error_code send_error;      // the peer takes no more; `given_up`: a send has not ended
  std::error_code failure;         // it is over
  bool whole = false;              // one limit for all of it
  bool on_kept = false;            // its connection has served another call
  bool heard = false;              // a byte of the answer has come
  bool content_ended = false;
  bool asked_response = false;
  bool ended = false;  // the answer is complete
};

// The idle connections of one worker, the longest idle first.
struct alignas(64) Client::Kept {
  struct Idle {
    Stream stream;
    Instant since;
  };
  std::vector<Idle> idle;

  void drop_old() {
    const Instant oldest = now() - std::chrono::milliseconds(limits::kept_idle_ms);
    while (!idle.empty() && idle.front().since < oldest) idle.erase(idle.begin());
  }
  // The one that was used last; closed if there is none.
  Stream take() {
    drop_old();
    while (!idle.empty()) {
      Stream stream = std::move(idle.back().stream);
      idle.pop_back();
      if (stream.is_alive()) return stream;
    }
    return {};
  }
};

}  // namespace lastcall
