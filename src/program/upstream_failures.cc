#include "upstream_failures.h"

#include <fmt/core.h>

#include <string>

#include <lastcall/log.h>

namespace lastcall {
namespace {

struct Row {
  int status;
  std::string_view error;  // of RFC 9209 section 2.3
  std::string_view counter;
  std::string_view meaning;
};

constexpr Row rows[UpstreamFailures::kinds] = {
    {502, "connection_refused", "upstream_refused",
     "Requests answered 502 since the command took no connection."},
    {502, "connection_terminated", "upstream_reset",
     "Requests answered 502, or broken off, since the command closed before its answer was whole."},
    {502, "http_protocol_error", "upstream_malformed",
     "Requests answered 502, or broken off, since the command's answer was malformed."},
    {502, "http_response_header_size", "upstream_too_large",
     "Requests answered 502 since the head of the command's answer was too large."},
    {503, "connection_limit_reached", "upstream_queue_timeouts",
     "Requests answered 503 that waited --queue-timeout for a connection to the command, or for "
     "which there was no descriptor."},
    {504, "connection_timeout", "upstream_connect_timeouts",
     "Requests answered 504 after --connect-timeout."},
    {504, "http_response_timeout", "upstream_first_byte_timeouts",
     "Requests answered 504 after --first-byte-timeout."},
    {504, "connection_read_timeout", "upstream_silence_timeouts",
     "Requests answered 504, or broken off, after --silence-timeout."},
};

const Row& row_of(UpstreamFailures::Kind kind) { return rows[static_cast<std::size_t>(kind)]; }

}  // namespace

void UpstreamFailures::add_to(Server& server) const {
  server.audit("upstream_failures", [this] {
    std::int64_t all = 0;
    for (const Count& count : counts_) all += count.all;
    return all;
  });
  for (std::size_t i = 0; i < kinds; ++i) {
    const Count* const count = &counts_[i];
    server.counter(std::string(rows[i].counter), std::string(rows[i].meaning),
                   [count] { return count->all.load(); });
  }
}

UpstreamFailures::Kind UpstreamFailures::kind_of(std::error_code error, Stage stage) {
  for (const auto none_is_left :
       {std::errc::resource_unavailable_try_again, std::errc::too_many_files_open,
        std::errc::too_many_files_open_in_system, std::errc::no_buffer_space,
        std::errc::not_enough_memory}) {
    if (error == none_is_left) return Kind::queue_timeout;
  }
  if (error == std::errc::bad_message) return Kind::malformed;
  if (error == std::errc::message_size) return Kind::too_large;
  if (error == std::errc::timed_out) {
    switch (stage) {
      case Stage::connecting: return Kind::connect_timeout;
      case Stage::sent: return Kind::first_byte_timeout;
      case Stage::answering: return Kind::silence_timeout;
    }
  }
  return stage == Stage::connecting ? Kind::refused : Kind::reset;
}

void UpstreamFailures::note(Kind kind, const Request& request, std::string_view what) {
  constexpr std::int64_t a_second = 1000;
  Count& count = counts_[static_cast<std::size_t>(kind)];
  ++count.all;
  ++count.untold;
  const std::int64_t at = now().time_since_epoch().count();
  const std::int64_t told_at = count.told_at;
  if (told_at >= 0 && at - told_at < a_second) return;
  count.told_at = at;
  const std::int64_t untold = count.untold.exchange(0);
  constexpr std::size_t shown = 200;
  log::warning("{}: {} {}: {}{}", row_of(kind).error, request.method_name(),
               request.target().substr(0, shown), what,
               untold > 1 ? fmt::format(" ({} of this kind since the last line)", untold) : "");
}

void UpstreamFailures::say_rest() {
  for (std::size_t i = 0; i < kinds; ++i) {
    if (const std::int64_t untold = counts_[i].untold.exchange(0); untold > 0)
      log::warning("{}: {} requests more since the last line", rows[i].error, untold);
  }
}

void UpstreamFailures::answer(Kind kind, Response& response) {
  const Row& row = row_of(kind);
  response.clear();
  response.status(row.status).field("Proxy-Status", fmt::format("lastcall; error={}", row.error));
  if (row.status == 503) response.field("Retry-After", "1");
  response.body(row.status == 502   ? "Bad Gateway"
                : row.status == 503 ? "Service Unavailable"
                                    : "Gateway Timeout");
}

}  // namespace lastcall
