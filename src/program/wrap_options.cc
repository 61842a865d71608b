#include "wrap_options.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include <lastcall/client.h>

namespace lastcall {
namespace {

constexpr std::uint64_t day = 24 * 60 * 60 * 1000;
constexpr std::string_view unix_scheme = "unix:";

constexpr OptionRow<WrapOptions> rows[] = {
    {.name = "--upstream",
     .member = &WrapOptions::upstream,
     .kind = "ADDRESS",
     .help = "HOST:PORT or unix:PATH, where the command behind -- serves; its PORT is that",
     .unset = "none: the sample service"},
    {.name = "--upstream-ready-path",
     .member = &WrapOptions::ready_path,
     .kind = "PATH",
     .help = "it is ready when this is answered 2xx, and not when it first accepts a connection",
     .unset = "none"},
    {.name = "--start-timeout",
     .member = &WrapOptions::start_timeout,
     .kind = "DURATION",
     .help = "how long the command may take to be ready; then it is ended, by exit code 1",
     .unset = "off",
     .most = day},
    {.name = "--hang-timeout",
     .member = &WrapOptions::hang_timeout,
     .kind = "DURATION",
     .help = "/livez fails where requests wait and the command has sent no byte for that long; "
             "never in a drain; 0s: never",
     .most = day},
    {.name = "--after-drain",
     .member = &WrapOptions::after_drain,
     .kind = "DURATION",
     .help = "from the last answer until the command is told to stop: for one that answers first "
             "and works afterwards",
     .most = day},
    {.name = "--stop-signal",
     .member = &WrapOptions::stop_signal,
     .kind = "SIGNAL",
     .help = "what tells the command to stop"},
    {.name = "--stop-timeout",
     .member = &WrapOptions::stop_timeout,
     .kind = "DURATION",
     .help = "from then on until it is killed, with all its descendants",
     .most = day},
    {.name = "--pass-signals",
     .member = &WrapOptions::pass_signals,
     .kind = "SIGNAL,...",
     .help = "what is passed on to the command"},
    {.name = "--buffer",
     .member = &WrapOptions::buffer,
     .kind = "SIZE",
     .help = "a request's content up to that is whole before the command is asked, an answer's is "
             "taken as fast as it comes; larger ones stream",
     .most = 1 << 30},
    {.name = "--forwarded",
     .member = &WrapOptions::forwarded,
     .kind = "on|off",
     .help = "X-Forwarded-For, -Proto and -Host are ours; what a client says of them is kept if it "
             "is one of --trusted-proxies"},
    {.name = "--upstream-keep-alive",
     .member = &WrapOptions::keep_alive,
     .kind = "DURATION",
     .help = "how long an idle connection to the command is kept, shorter than the command keeps "
             "it; 0s: not at all",
     .most = day},
    {.name = "--upstream-retry",
     .member = &WrapOptions::retry,
     .kind = "on|off",
     .help = "a GET, HEAD or OPTIONS without content is sent once more where a kept connection had "
             "been closed; off for a command that counts in them"},
    {.name = "--upstream-max",
     .member = &WrapOptions::upstream_max,
     .kind = "N",
     .help = "connections to the command at once, of each worker; further requests wait in order",
     .unset = "without bound",
     .most = 1 << 20},
    {.name = "--queue-timeout",
     .member = &WrapOptions::queue_timeout,
     .kind = "DURATION",
     .help = "for how long at most; then it is 503",
     .most = day},
    {.name = "--connect-timeout",
     .member = &WrapOptions::connect_timeout,
     .kind = "DURATION",
     .help = "for a connection to the command; then it is 504",
     .least = 1,
     .most = day},
    {.name = "--first-byte-timeout",
     .member = &WrapOptions::first_byte_timeout,
     .kind = "DURATION",
     .help = "for the head of its answer; then it is 504",
     .unset = "off",
     .most = day},
    {.name = "--silence-timeout",
     .member = &WrapOptions::silence_timeout,
     .kind = "DURATION",
     .help =
         "for each further piece of an answer, and for its taking of a content; then it is 504, "
         "or broken off",
     .unset = "off",
     .most = day},
    {.name = "--tcp",
     .member = &WrapOptions::tcp,
     .kind = "SWITCH",
     .help = "forwards bytes, of whatever protocol, in the place of requests; of those nothing is "
             "promised then"},
};

// "TERM", "SIGTERM" or "15"; 0: there is no such signal.
int signal_named(std::string_view name) {
  int number = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
  if (read.ec == std::errc{} && read.ptr == name.data() + name.size())
    return number > 0 && number <= SIGRTMAX ? number : 0;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* const abbreviation = sigabbrev_np(signal);
    if (abbreviation != nullptr && name == abbreviation) return signal;
  }
  return 0;
}

std::vector<std::string_view> elements(std::string_view list) {
  std::vector<std::string_view> all;
  while (!list.empty()) {
    const auto comma = list.find(',');
    std::string_view element = list.substr(0, comma);
    while (element.starts_with(' ')) element.remove_prefix(1);
    while (element.ends_with(' ')) element.remove_suffix(1);
    if (!element.empty()) all.push_back(element);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return all;
}

bool may_be_passed(int signal) {
  constexpr int ours[] = {SIGTERM, SIGINT, SIGQUIT, SIGCHLD, SIGALRM, SIGKILL, SIGSTOP,
                          SIGSEGV, SIGBUS, SIGILL,  SIGFPE,  SIGSYS,  SIGTRAP, SIGABRT};
  return signal != 0 && std::find(std::begin(ours), std::end(ours), signal) == std::end(ours);
}

bool is_target(const std::string& path) {
  try {
    const ClientRequest request("GET", path);
    return path.starts_with('/');
  } catch (const std::invalid_argument&) {
    return false;
  }
}

std::uint16_t port_of(std::string_view address) {
  std::uint16_t port = 0;
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos) return 0;
  (void)std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  return port;
}

}  // namespace

std::string UpstreamAddress::parse(std::string_view text, UpstreamAddress& address) {
  constexpr std::size_t path_max = 107;  // sun_path of unix(7)
  if (text.starts_with(unix_scheme)) {
    address.path = text.substr(unix_scheme.size());
    const bool fits = !address.path.empty() && address.path.size() <= path_max;
    return fits ? "" : "the path of a unix socket has 1 to 107 bytes";
  }
  const auto colon = text.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto read = std::from_chars(port.data(), port.data() + port.size(), address.port);
  const bool whole = read.ec == std::errc{} && read.ptr == port.data() + port.size();
  constexpr auto wanted = "a host and a port, such as 127.0.0.1:3000, or unix:PATH";
  if (text.find("://") != std::string_view::npos) return fmt::format("{}; no URL", wanted);
  if (host.empty() || !whole || address.port == 0) return wanted;
  address.host = host;
  try {
    const Client knows(address.host, address.port);
  } catch (const std::invalid_argument&) {
    return wanted;
  }
  return {};
}

std::span<const OptionRow<WrapOptions>> wrap_option_rows() { return rows; }

// The rest of the pod is the command's.
WrapOptions::WrapOptions() {
  server.admin_listen = "[::]:9900";
  server.workers = 1;
  server.memory = 64 * 1024 * 1024;
  server.until_ready = "refuse";
  server.shutdown_timeout = std::chrono::seconds(10);
  server.health_paths = false;
  server.max_body_bytes = Options::unbounded_body;
  server.descriptors_each = 2;
}

void WrapOptions::take_port(const char* port) {
  if (port == nullptr || *port == '\0') return;
  server.listen = std::string("[::]:") + port;
  inherited_ = server.listen;
}

std::string WrapOptions::listen_text() const {
  return fmt::format("--listen {}{}", server.listen, listens_at_port() ? " (from PORT)" : "");
}

std::vector<int> WrapOptions::passed_signals() const {
  std::vector<int> signals;
  for (const std::string_view name : elements(pass_signals)) signals.push_back(signal_named(name));
  return signals;
}

int WrapOptions::stop_signal_number() const { return signal_named(stop_signal); }

UpstreamAddress WrapOptions::address() const {
  UpstreamAddress address;
  (void)UpstreamAddress::parse(upstream, address);
  return address;
}

void WrapOptions::finish() {
  server.behind_drain = {{"--after-drain", after_drain}, {"--stop-timeout", stop_timeout}};
}

std::string WrapOptions::invalid() const {
  if (upstream.empty())
    return "--upstream is missing: it says where the command serves, such as 127.0.0.1:3000";
  UpstreamAddress address;
  if (const std::string wrong = UpstreamAddress::parse(upstream, address); !wrong.empty())
    return fmt::format("--upstream is '{}': {}", upstream, wrong);
  if (server.hard)
    return "--hard ends at once, and would leave the command behind: run that by itself";
  if (std::string wrong = server.invalid(); !wrong.empty()) {
    return listens_at_port() && wrong.starts_with("--listen") ? wrong + " (from PORT)" : wrong;
  }
  if (std::string wrong = invalid_option(wrap_option_rows(), *this); !wrong.empty()) return wrong;
  if (address.port != 0 && port_of(server.listen) == address.port)
    return fmt::format(
        "{} and --upstream {} have one port: the command listens on its own, such as {}",
        listen_text(), upstream, address.port == 65'535 ? address.port - 1 : address.port + 1);
  if (address.port != 0 && port_of(server.admin_listen) == address.port)
    return fmt::format("--admin-listen {} and --upstream {} have one port: choose another for one",
                       server.admin_listen, upstream);
  if (port_of(server.listen) != 0 && port_of(server.listen) == port_of(server.admin_listen))
    return fmt::format("{} and --admin-listen {} have one port: choose another for one",
                       listen_text(), server.admin_listen);
  if (!ready_path.empty() && !is_target(ready_path))
    return fmt::format("--upstream-ready-path is '{}': a path begins with '/', and is encoded",
                       ready_path);
  if (stop_signal_number() == 0)
    return fmt::format("--stop-signal is '{}': a signal such as TERM or QUIT", stop_signal);
  for (const std::string_view name : elements(pass_signals)) {
    if (!may_be_passed(signal_named(name)))
      return fmt::format(
          "--pass-signals has '{}': signals such as HUP,USR1, none of TERM, INT, "
          "QUIT, CHLD, ALRM, and what cannot be passed",
          name);
  }
  if (tcp && upstream_max != 0)
    return "--upstream-max is for requests: with --tcp it is --max-connections";
  return {};
}

}  // namespace lastcall
