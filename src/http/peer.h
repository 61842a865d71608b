// Who is at the other end of a connection: asked for when somebody wants to know, and then kept by
// the connection, whose exchanges may be many.
#pragma once

#include <string>
#include <string_view>

#include "io/io.h"

namespace lastcall {

class TrustedProxies;

struct Peer {
  // Without the port; an IPv4 address in its own form where it came by IPv6. Empty: it has gone.
  [[nodiscard]] std::string_view address();
  // `text`: the connection's, "192.0.2.1:80" once it is known.
  void of(int its_socket, std::string& text) {
    socket = its_socket;
    known = &text;
  }
  void remember() noexcept;  // before the socket is closed
  void forget() { known = nullptr; }

  Io* io = nullptr;                         // this and the next: of the worker, for good
  const TrustedProxies* trusted = nullptr;  // null: none is
  int socket = -1;
  std::string* known = nullptr;
  std::string of_who_has_gone{};
};

}  // namespace lastcall
