#include "options.h"

#include <fmt/core.h>

#include "duration.h"
#include "sockets.h"

namespace lastcall {
namespace {

std::string invalid_duration(std::string_view option, Options::Duration value, Ms least) {
  if (value.count() >= least && value.count() <= limits::duration_ms_max) return {};
  return fmt::format("{} is {}: it must be from {} to 24h", option, format_duration(value.count()),
                     format_duration(least));
}

std::string invalid_size(std::string_view option, std::size_t value, std::size_t least,
                         std::size_t most) {
  if (value >= least && value <= most) return {};
  return fmt::format("{} is {}: it must be from {} to {}", option, value, least, most);
}

}  // namespace

std::string Options::invalid() const {
  Address address;
  if (const auto wrong = Address::parse(listen, address); !wrong.empty())
    return fmt::format("--listen is '{}': {}", listen, wrong);
  if (!admin_listen.empty()) {
    if (const auto wrong = Address::parse(admin_listen, address); !wrong.empty())
      return fmt::format("--admin-listen is '{}': {}", admin_listen, wrong);
  }
  const std::string wrongs[] = {
      invalid_duration("--drain-window", drain_window, 0),
      invalid_duration("--shutdown-timeout", shutdown_timeout, 0),
      invalid_duration("--grace-period", grace_period, 0),
      invalid_duration("--pre-stop", pre_stop, 0),
      invalid_duration("--serving-lead", serving_lead, 0),
      invalid_duration("--header-timeout", header_timeout, 1),
      invalid_duration("--body-timeout", body_timeout, 1),
      invalid_duration("--idle-timeout", idle_timeout, 1),
      invalid_duration("--write-timeout", write_timeout, 1),
      invalid_size("--workers", workers, 0, limits::workers_max),
      invalid_size("--max-connections", max_connections, 0, limits::connections_max),
      invalid_size("--max-jobs", max_jobs, 1, limits::jobs_max),
      invalid_size("--max-header-bytes", max_header_bytes, limits::header_bytes_min,
                   limits::header_bytes_max),
      invalid_size("--max-body-bytes", max_body_bytes, 0, std::size_t{1} << 40),
      invalid_size("--body-memory", body_memory, 0, std::size_t{1} << 50),
  };
  for (const std::string& wrong : wrongs) {
    if (!wrong.empty()) return wrong;
  }
  if (hard) return {};
  const Ms sum =
      pre_stop.count() + drain_window.count() + shutdown_timeout.count() + limits::budget_margin_ms;
  if (sum <= grace_period.count()) return {};
  return fmt::format(
      "--pre-stop {} + --drain-window {} + --shutdown-timeout {} + {} of margin = {}, more than "
      "--grace-period {}: raise --grace-period (and the pod's terminationGracePeriodSeconds) to at "
      "least {}, or shorten one of the others",
      format_duration(pre_stop.count()), format_duration(drain_window.count()),
      format_duration(shutdown_timeout.count()), format_duration(limits::budget_margin_ms),
      format_duration(sum), format_duration(grace_period.count()), format_duration(sum));
}

}  // namespace lastcall
