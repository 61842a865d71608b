// What went wrong between us and the command, by kind: an answer of ours in its place, a counter,
// and a line in the log, at most once a second of each kind.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <system_error>

#include <lastcall/context.h>
#include <lastcall/server.h>

namespace lastcall {

class UpstreamFailures {
 public:
  enum class Kind : std::uint8_t {
    refused,             // no connection: 502
    reset,               // it ended before its answer did: 502
    malformed,           // that was no answer of HTTP/1.1: 502
    too_large,           // its head was: 502
    queue_timeout,       // no connection was free in time: 503
    connect_timeout,     // 504
    first_byte_timeout,  // 504
    silence_timeout,     // 504
  };
  static constexpr std::size_t kinds = 8;

  // How far a request had come.
  enum class Stage : std::uint8_t { connecting, sent, answering };

  void add_to(Server& server) const;
  [[nodiscard]] static Kind kind_of(std::error_code error, Stage stage);
  // Counts it, and tells it.
  void note(Kind kind, const Request& request, std::string_view what);
  void say_rest();  // what stands in no line yet
  // An answer in the place of the command's: 502, 503 or 504, with Proxy-Status (RFC 9209).
  static void answer(Kind kind, Response& response);

 private:
  struct Count {
    std::atomic<std::int64_t> all{0};
    std::atomic<std::int64_t> told_at{-1};  // milliseconds; -1: never
    std::atomic<std::int64_t> untold{0};
  };
  std::array<Count, kinds> counts_;
};

}  // namespace lastcall
