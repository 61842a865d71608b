// How a server gets its listeners: patiently, where whoever has its port is about to end.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "io/sockets.h"

namespace lastcall {

class Opening {
 public:
  // Of what is opened: as `open_listener`. `given_up` is asked while the port is waited for.
  Opening(const ListenerOptions& how, std::function<bool()> given_up)
      : how_(how), given_up_(std::move(given_up)) {}

  // The first listener at `where`, which `Address::parse` takes. `address` is then the one that it
  // has: IPv4's where there is no IPv6.
  Descriptor open(const std::string& where, Address& address) const;

 private:
  [[nodiscard]] Descriptor open_patiently(const Address& address) const;
  [[nodiscard]] Descriptor open_if_free(const Address& address, bool claims) const;

  const ListenerOptions how_;
  const std::function<bool()> given_up_;
};

// A line that says what to do.
[[nodiscard]] std::string why_not_listening(std::string_view option, const std::string& address,
                                            int error);

}  // namespace lastcall
