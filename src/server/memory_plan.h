// How the memory that a process may use is divided: what its clients may make it hold, by worker;
// how many of them there may be at once; and what is left for the kernel's buffers of their
// sockets, which a pod is charged for as well (cgroup v2).
#pragma once

#include <cstddef>

#include <lastcall/options.h>

#include "base/memory.h"

namespace lastcall {

struct MemoryPlan {
  // `usable` bytes; places for `connections`, if there is memory for so many.
  [[nodiscard]] static MemoryPlan of(const Options& options, unsigned workers, std::size_t usable,
                                     std::size_t connections);

  Memory::Bounds each;          // of a worker
  std::size_t connections = 0;  // of all workers
  // There is little for each socket: what the kernel may hold for it is bounded (open_listener),
  // but for some of a worker's that have received a large body.
  bool narrow = false;
  std::size_t wide_sockets = 0;
};

}  // namespace lastcall
