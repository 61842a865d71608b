// Names to addresses by c-ares, without blocking: its sockets are polled through the ring, its
// time-outs are timers of the wheel. One per worker. Name servers and hosts come from
// /etc/resolv.conf and /etc/hosts; a static binary needs no NSS for it.
//
// Invariants
//  1. A poll is outstanding for each socket that c-ares watches, and for no other.
//  2. A query ends once: answered, out of time, or cut by `cancel`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <lastcall/task.h>

#include "io/sockets.h"

namespace lastcall {

class Operations;
class TimerWheel;

struct Resolved {
  std::vector<Address> addresses;  // to be tried in this order; not empty without an error
  std::error_code error;           // timed_out, or one of resolver_category()
};

// c-ares's own errors: ARES_ENOTFOUND and its like.
[[nodiscard]] const std::error_category& resolver_category();

class Resolver {
 public:
  Resolver(Operations& operations, TimerWheel& timers);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  // A literal address is its own answer, and localhost the loopback. Throws Canceled at the drain's
  // deadline.
  [[nodiscard]] Task<Resolved> resolve(std::string host, std::uint16_t port, Ms deadline);
  void cancel();  // the drain's deadline: what waits throws Canceled
  void close();   // nothing waits any more: gives its sockets back

 private:
  struct Channel;
  struct Query;
  [[nodiscard]] int open_channel();
  void ask(Query& query, const std::string& host, std::uint16_t port);
  Operations& operations_;
  TimerWheel& timers_;
  std::unique_ptr<Channel> channel_;                // made for the first name
  std::vector<std::unique_ptr<Channel>> outdated_;  // of an older resolv.conf, still being asked
};

}  // namespace lastcall
