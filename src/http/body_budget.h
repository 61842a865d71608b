// What all bodies of a worker may hold together: those of requests while they are received and
// handled, and those of answers until their clients have taken them. Beyond it: 503.
#pragma once

#include <cstddef>

#include <lastcall/options.h>

#include "base/limits.h"

namespace lastcall {

struct BodyBudget {
  [[nodiscard]] bool has_room(std::size_t bytes) const { return fits(bytes, limit); }
  // Small answers always fit; larger ones leave a quarter to requests, so that clients that read
  // nothing do not keep out those who send.
  [[nodiscard]] bool has_room_for_answer(std::size_t bytes) const {
    return bytes <= limits::small_answer_bytes ||
           fits(bytes, limit - limit / limits::body_memory_kept_for_requests);
  }

  std::size_t limit = Options{}.body_memory;
  std::size_t used = 0;

 private:
  [[nodiscard]] bool fits(std::size_t bytes, std::size_t most) const {
    return used <= most && bytes <= most - used;
  }
};

}  // namespace lastcall
