#include "server/opening.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>

#include <lastcall/log.h>

#include "base/limits.h"

namespace lastcall {

std::string why_not_listening(std::string_view option, const std::string& address, int error) {
  const auto because = [&](std::string_view what) {
    return fmt::format("cannot listen on {}: {}", address, what);
  };
  switch (error) {
    case EADDRINUSE:
      return because(fmt::format(
          "another process listens there; stop it, or choose another port by {}", option));
    case EACCES: return because("not permitted; a port below 1024 needs CAP_NET_BIND_SERVICE");
    case EADDRNOTAVAIL: return because("this machine does not have that address");
    default: return because(std::strerror(error));
  }
}

// A process that was killed holds its port a little longer than it lives: the kernel takes its ring
// apart, with the sockets in it.
Descriptor Opening::open_patiently(const Address& address) const {
  const Ms until = monotonic_ms() + limits::port_wait_ms;
  for (bool told = false;; told = true) {
    // In the end without a claim: somebody else may have taken its name.
    const Descriptor opened = open_if_free(address, monotonic_ms() < until);
    if (opened.error != EADDRINUSE || monotonic_ms() >= until || given_up_()) return opened;
    if (!told) log::info("{} is in use: waiting for {} ms", address.text(), limits::port_wait_ms);
    std::this_thread::sleep_for(std::chrono::milliseconds(limits::port_poll_ms));
  }
}

Descriptor Opening::open_if_free(const Address& address, bool claims) const {
  if (address.port() == 0) return open_listener(address, how_);
  const Descriptor claim = claims ? claim_port(address.port()) : Descriptor{};
  const int error = claim.error == EADDRINUSE ? claim.error : probe_port(address);
  const Descriptor opened = error == 0 ? open_listener(address, how_) : Descriptor{-1, error};
  if (claim.fd >= 0) ::close(claim.fd);
  return opened;
}

Descriptor Opening::open(const std::string& where, Address& address) const {
  (void)Address::parse(where, address);  // checked by Options::invalid
  const Descriptor first = open_patiently(address);
  const bool no_ipv6 = first.error == EAFNOSUPPORT || first.error == EADDRNOTAVAIL;
  if (!no_ipv6 || !address.is_ipv6_any()) return first;
  const std::string v4 = fmt::format("0.0.0.0:{}", address.port());
  log::info("IPv6 is off here: listening on {} instead of {}", v4, where);
  (void)Address::parse(v4, address);
  return open_patiently(address);
}

}  // namespace lastcall
