// What all bodies of a worker may hold together: those of requests while they are received and
// handled, and those of answers until their clients have taken them. Beyond it: 503.
#pragma once

#include <cstddef>

#include "bounds.h"

namespace lastcall {

struct BodyBudget {
  [[nodiscard]] bool has_room(std::size_t bytes) const {
    return used <= limit && bytes <= limit - used;
  }

  std::size_t limit = limits::body_memory_default;
  std::size_t used = 0;
};

}  // namespace lastcall
