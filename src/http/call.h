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
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <lastcall/client.h>
#include <lastcall/context.h>
#include <lastcall/stream.h>

#include "await/open_streams.h"
#include "base/limits.h"
#include "base/timers.h"
#include "http/places.h"
#include "http/response_parser.h"

namespace lastcall {

// A limit of time as it was given, within what a timer takes.
[[nodiscard]] inline Call::Duration bounded(Call::Duration limit) {
  return std::clamp(limit, Call::Duration::zero(), Call::Duration(limits::wait_ms_max));
}

struct Call::State {
  State(Client& asked, ClientRequest what, bool all) : client(asked), request(std::move(what)) {
    whole = all;
    sent_by = heard_by = now() + request.limit_;
    content_ended = !request.streams_;
    content_left = request.length_.value_or(0);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { keep(); }

  // Each await begins by one of these. It has the limit of time for itself; of `ask` all have one.
  void enter_send() { enter(sent_by, send_limit.value_or(request.limit_)); }
  void enter_receive() { enter(heard_by, request.limit_); }
  [[nodiscard]] static Duration left(Instant until) {
    return std::max(until - now(), Duration::zero());
  }

  Task<> send(std::string bytes);
  Task<> send_request();
  // Nothing, or `incomplete`: the time is over, which fails nothing where it `may_wait`.
  Task<std::optional<ClientResponse>> take_head(bool may_wait);
  Task<ResponseParser::Result> advance(bool may_wait = false);
  // The peer had closed a connection that was kept, before it took the request, which may be
  // repeated.
  [[nodiscard]] bool may_try_again(const Received& last) const {
    const bool closed = last.ended() || last.error == std::errc::connection_reset ||
                        last.error == std::errc::broken_pipe;
    return closed && on_kept && !heard && request.may_be_repeated();
  }
  // Where nothing but a FIN ends an answer, it may be one of a peer that has not got all of the
  // request.
  [[nodiscard]] bool is_cut_short() const {
    const bool has_failed = send_error && send_error != std::errc::operation_canceled;
    return has_failed && parser.has_head() && !parser.is_framed();
  }
  void keep();
  [[noreturn]] void fail(std::error_code error);
  [[noreturn]] void fail(std::errc error) { fail(std::make_error_code(error)); }

  Client& client;
  ClientRequest request;
  Places::Held place;  // among the client's connections
  Stream stream;
  ResponseParser parser;
  std::string_view received;  // and not parsed yet, in the stream's memory
  std::size_t pieces_read = 0;
  std::optional<Duration> send_limit;
  Instant sent_by;
  Instant heard_by;
  std::uint64_t content_left = 0;  // to be written, of a length that was announced
  std::error_code send_error;      // the peer takes no more; `given_up`: a send has not ended
  std::error_code failure;         // it is over
  bool whole = false;              // one limit for all of it
  bool on_kept = false;            // its connection has served another call
  bool heard = false;              // a byte of the answer has come
  bool content_ended = false;
  bool has_head = false;  // the last one was handed out
  bool ended = false;     // the answer is complete

 private:
  void enter(Instant& until, Duration limit);
};

// The idle connections of one worker, the longest idle first.
struct alignas(64) Client::Kept : KeepsStreams {
  struct Idle {
    Stream stream;
    Instant since;
    Instant until;
  };

  Kept() : KeepsStreams(&Kept::on_end) {}
  ~Kept() { forget(); }

  // The one that was used last, if it was idle for `at_most`; closed if there is none.
  Stream take(Duration at_most);
  void put(Stream stream, Instant until);

  std::vector<Idle> idle;
  Places places;

 private:
  static void on_end(KeepsStreams& self) noexcept { static_cast<Kept&>(self).forget(); }
  static void on_timer(void* self) noexcept { static_cast<Kept*>(self)->drop_old(); }
  void drop_old();
  void forget();

  TimerWheel* timers_ = nullptr;  // of its worker, while it may be armed
  Timer timer_{&Kept::on_timer, this};
};

}  // namespace lastcall
