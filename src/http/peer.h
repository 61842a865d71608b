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
    io = nullptr;
    if (!known.empty()) known.clear();
  }

  Io* io = nullptr;
  int socket = -1;
  const TrustedProxies* trusted = nullptr;  // null: none is
  std::string known{};
};

}  // namespace lastcall
