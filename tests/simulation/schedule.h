// One schedule: a server of one or two workers over the simulated kernel, a crowd of clients, a
// SIGTERM at a random step, all from one seed. And the oracle.
#pragma once

#include <cstdint>
#include <string>

#include "io/simulated.h"

namespace lastcall::sim {

struct Verdict {
  std::string failure;  // empty: all is well
  int exit_code = 0;
  unsigned answered = 0;
  unsigned refused = 0;
  unsigned lost = 0;             // as the clients saw it
  std::uint64_t cut = 0;         // as the server counted it
  std::uint64_t late = 0;        // connections lost after a FIN that nothing had announced
  std::uint64_t counted = 0;     // increments, by Redis
  std::uint64_t unfinished = 0;  // background jobs, as the server counted them
  std::uint64_t swept = 0;
  std::uint64_t after_unlisten = 0;
};

// `no_memory`: the probability that an allocation fails (shortage.h).
[[nodiscard]] Verdict run_schedule(std::uint64_t seed, Canary canary = Canary::none,
                                   double no_memory = 0);

}  // namespace lastcall::sim
