// Who is at the other end of a connection: asked for when somebody wants to know, and then kept.
#pragma once

#include <string>

#include "io/io.h"

namespace lastcall {

class TrustedProxies;

struct Peer {
  // Without the port; an IPv4 address in its own form where it came by IPv6. Empty: it has gone.
  [[nodiscard]] const std::string& address();
  void remember() noexcept;  // before the socket is closed
  void forget() {
    socket = -1;
    if (!known.empty()) known.clear();
  }

  Io* io = nullptr;                         // this and the next: of the worker, for good
  const TrustedProxies* trusted = nullptr;  // null: none is
  int socket = -1;
  std::string known{};
};

}  // namespace lastcall
