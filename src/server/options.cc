#include <fmt/core.h>

#include <lastcall/context.h>
#include <lastcall/duration.h>
#include <lastcall/option_row.h>

#include "base/limits.h"
#include "http/trusted_proxies.h"
#include "io/sockets.h"

namespace lastcall {
namespace {

constexpr std::uint64_t day = limits::duration_ms_max;

// In the order of --help and of the manual.
constexpr OptionRow<Options> rows[] = {
    {.name = "--listen",
     .member = &Options::listen,
     .kind = "ADDRESS:PORT",
     .help =
         "where to serve (dual stack; 0.0.0.0 where IPv6 is off); port 0 picks one and logs it"},
    {.name = "--admin-listen",
     .member = &Options::admin_listen,
     .kind = "ADDRESS:PORT",
     .help = "a second listener for health paths and /metrics only, closed last, outside "
             "--max-connections"},
    {.name = "--until-ready",
     .member = &Options::until_ready,
     .kind = "wait|refuse|503",
     .help =
         "clients that come before it is ready to serve: they wait in the listener's queue, are "
         "refused, or are answered 503"},
    {.name = "--workers",
     .member = &Options::workers,
     .kind = "N",
     .help = "reactor threads; affinity and cgroup quota count as CPUs do",
     .unset = "usable CPUs",
     .most = workers_max},
    {.name = "--io",
     .member = &Options::io,
     .kind = "auto|io_uring|epoll",
     .help = "what serves: auto is io_uring where it can be had, else epoll"},
    {.name = "--trusted-proxies",
     .member = &Options::trusted_proxies,
     .kind = "NETWORK,...",
     .help = "whose X-Forwarded-For tells a handler who its client is, such as 10.0.0.0/8,fd00::/8",
     .unset = "none"},
    {.name = "--drain-window",
     .member = &Options::drain_window,
     .kind = "DURATION",
     .help = "listener open after SIGTERM: as long as your slowest router",
     .most = day},
    {.name = "--shutdown-timeout",
     .member = &Options::shutdown_timeout,
     .kind = "DURATION",
     .help = "from the window's end: requests in flight and jobs must be done",
     .most = day},
    {.name = "--grace-period",
     .member = &Options::grace_period,
     .kind = "DURATION",
     .help = "the pod's terminationGracePeriodSeconds: pre-stop + window + timeout + 3s must fit",
     .most = day},
    {.name = "--pre-stop",
     .member = &Options::pre_stop,
     .kind = "DURATION",
     .help = "what a preStop hook spends of the grace period",
     .most = day},
    {.name = "--serving-lead",
     .member = &Options::serving_lead,
     .kind = "DURATION",
     .help = "how long before the listener's end /servingz turns 503; at most the window",
     .most = day},
    {.name = "--draining-status",
     .member = &Options::draining_status,
     .kind = "N",
     .help =
         "of /readyz while draining; 404 for a balancer that takes it for that, and 503 for down: "
         "HAProxy's http-check disable-on-404",
     .least = 400,
     .most = 599},
    {.name = "--hard",
     .member = &Options::hard,
     .kind = "SWITCH",
     .help = "the control: end at once on SIGTERM"},
    {.name = "--max-connections",
     .member = &Options::max_connections,
     .kind = "N",
     .help =
         "open at once, split among the workers; above it accepting pauses, and clients wait in "
         "the queue of their worker",
     .unset = "as many as descriptors and memory allow",
     .most = limits::connections_max},
    {.name = "--header-timeout",
     .member = &Options::header_timeout,
     .kind = "DURATION",
     .help = "for a request's head, from its first byte; for that of a connection, too, where few "
             "places are left",
     .least = 1,
     .most = day},
    {.name = "--body-timeout",
     .member = &Options::body_timeout,
     .kind = "DURATION",
     .help = "for progress of a request's body, 512 bytes a second at least",
     .least = 1,
     .most = day},
    {.name = "--idle-timeout",
     .member = &Options::idle_timeout,
     .kind = "DURATION",
     .help = "between requests; longer than any load balancer's",
     .least = 1,
     .most = day},
    {.name = "--write-timeout",
     .member = &Options::write_timeout,
     .kind = "DURATION",
     .help = "for progress of a client reading its answer, 128 bytes a second at least",
     .least = 1,
     .most = day},
    {.name = "--tunnel-timeout",
     .member = &Options::tunnel_timeout,
     .kind = "DURATION",
     .help =
         "how long WebSockets and their like go on behind the drain window, before they are cut",
     .unset = "as long as requests, --shutdown-timeout",
     .most = day},
    {.name = "--tcp-keepalive",
     .member = &Options::tcp_keepalive,
     .kind = "DURATION",
     .help = "silence after which TCP asks whether a client is still there: one that has vanished "
             "gives its place back after 2 1/3 of it; 0s: never asks",
     .most = day},
    {.name = "--max-header-bytes",
     .member = &Options::max_header_bytes,
     .kind = "SIZE",
     .help = "request line and fields; 431 or 414 beyond",
     .least = limits::header_bytes_min,
     .most = limits::header_bytes_max},
    {.name = "--max-body-bytes",
     .member = &Options::max_body_bytes,
     .kind = "SIZE",
     .help = "one body; 413 beyond",
     .most = Options::unbounded_body},
    {.name = "--memory",
     .member = &Options::memory,
     .kind = "SIZE",
     .help = "what clients may make it hold, split among the workers: connections, heads, bodies, "
             "answers, what waits, frames of coroutines. In its last quarter new requests get 503. "
             "The other half is for the kernel's buffers of sockets and for what handlers hold",
     .unset = "half of the smallest limit of its cgroups, or of the machine",
     .most = std::uint64_t{1} << 50},
    {.name = "--body-memory",
     .member = &Options::body_memory,
     .kind = "SIZE",
     .help = "the part of it that bodies may fill, received or sent, half of it at most: a request "
             "beyond gets 503, an answer 500. The last quarter is for requests, and answers up to "
             "16KiB always go out",
     .most = std::uint64_t{1} << 50},
    {.name = "--evict-silent",
     .member = &Options::evict_silent,
     .kind = "SWITCH",
     .help =
         "where --max-connections are open, close who has been silent longest, 5s at least, for "
         "who waits; a request that crosses the close is lost, and named"},
    {.name = "--max-jobs",
     .member = &Options::max_jobs,
     .kind = "N",
     .help = "background jobs under way, split among the workers; more are refused, /incr by 503",
     .least = 1,
     .most = limits::jobs_max},
    {.name = "--blocking-threads",
     .member = &Options::blocking_threads,
     .kind = "N",
     .help = "that run what blocks (run_blocking), of all workers together; made when needed",
     .least = 1,
     .most = limits::blocking_threads_max},
    {.name = "--termination-log",
     .member = &Options::termination_log,
     .kind = "PATH",
     .help = "where the audit goes as JSON if the file exists"},
};

std::string invalid_address(std::string_view option, const std::string& text) {
  Address address;
  const std::string wrong = Address::parse(text, address);
  return wrong.empty() ? wrong : fmt::format("{} is '{}': {}", option, text, wrong);
}

}  // namespace

std::span<const OptionRow<Options>> option_rows() { return rows; }

std::string Options::invalid() const {
  std::string wrong = invalid_address("--listen", listen);
  if (wrong.empty() && !admin_listen.empty())
    wrong = invalid_address("--admin-listen", admin_listen);
  if (const std::string no_network = TrustedProxies().parse(trusted_proxies); wrong.empty())
    wrong = no_network.empty() ? no_network : "--trusted-proxies: " + no_network;
  if (wrong.empty()) wrong = invalid_option(option_rows(), *this);
  if (wrong.empty() && memory != 0 && memory < limits::memory_min)
    wrong = fmt::format("--memory is {}: at least {}", memory, format_size(limits::memory_min));
  if (!wrong.empty() || hard) return wrong;
  Ms sum =
      pre_stop.count() + drain_window.count() + shutdown_timeout.count() + limits::budget_margin_ms;
  std::string behind;
  for (const Step& step : behind_drain) {
    sum += step.time.count();
    behind += fmt::format(" + {} {}", step.option, format_duration(step.time.count()));
  }
  if (sum <= grace_period.count()) return {};
  return fmt::format(
      "--pre-stop {} + --drain-window {} + --shutdown-timeout {}{} + {} of margin = {}, more than "
      "--grace-period {}: raise --grace-period (and the pod's terminationGracePeriodSeconds) to at "
      "least {}, or shorten one of the others",
      format_duration(pre_stop.count()), format_duration(drain_window.count()),
      format_duration(shutdown_timeout.count()), behind, format_duration(limits::budget_margin_ms),
      format_duration(sum), format_duration(grace_period.count()), format_duration(sum));
}

}  // namespace lastcall
