// A way into a worker: a listening socket, and what the connections that come by it have in common.
// A worker has two: one for clients; the second, opened by the leader alone under --admin-listen,
// for health paths and metrics only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "server/listener.h"

namespace lastcall {

class Router;

struct Door {
  Door(Io& io, Metrics& metrics, std::uint32_t index, const Router* routes, std::size_t most,
       bool for_probes, bool evicts_silent)
      : listener(io, metrics, index, for_probes),
        router(routes),
        max(most),
        admin(for_probes),
        evicts(evicts_silent) {}

  Listener listener;
  const Router* const router;
  const std::size_t max;      // connections at once
  const bool admin;           // all that comes by it are probes: none of them is work, or a loss
  const bool evicts;          // when full, who has been silent longest
  std::size_t open = 0;       // connections
  std::size_t lingering = 0;  // of them: those that only wait for the client's FIN,
  std::size_t shut = 0;       // and those that only wait for the end of their operations
  Ms evicts_next = 0;
  // The listener goes, and answers say close unless a further request is here.
  bool closing = false;
};

}  // namespace lastcall
