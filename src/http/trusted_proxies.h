// The networks of the proxies that are believed: who in front of them is the client
// (Options::trusted_proxies).
//
// X-Forwarded-For is a list to which each proxy appends whom it has got the request from. Whatever
// stands left of an entry was told by whoever that entry names, so it is read from the right, as
// long as it names one of ours.
#pragma once

#include <netinet/in.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lastcall/request.h>

namespace lastcall {

class TrustedProxies {
 public:
  // `networks`: addresses, with the length of a prefix or alone, separated by commas: "10.0.0.0/8,
  // fd00::/8, 192.0.2.7". Empty, or what is wrong with it.
  [[nodiscard]] std::string parse(std::string_view networks);
  [[nodiscard]] bool empty() const { return networks_.empty(); }
  // `address`: without a port.
  [[nodiscard]] bool trusts(std::string_view address) const;
  // The last in front of those that are trusted, where `peer` is one; else `peer`. An entry that is
  // no address ends the search: whoever told it is the client then.
  [[nodiscard]] std::string client(std::string_view peer, std::span<const Field> fields) const;

 private:
  struct Network {
    in6_addr address;
    unsigned bits;
  };
  std::vector<Network> networks_;
};

}  // namespace lastcall
