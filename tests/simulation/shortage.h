// Memory that runs out: within a turn of a worker each allocation of the program fails now and
// then, those of `new` and those of malloc(3) and realloc(3). The simulated kernel and the clients
// have memory enough.
#pragma once

#include <cstdint>

namespace lastcall::sim {

class Shortage {
 public:
  // From here on, with that probability; what follows depends on the seed alone.
  static void begin(std::uint64_t seed, double probability);
  static void end() { begin(0, 0); }
  [[nodiscard]] static std::uint64_t failures();  // since `begin`
};

}  // namespace lastcall::sim
