#include "server/memory_plan.h"

#include <algorithm>

namespace lastcall {

MemoryPlan MemoryPlan::of(const Options& options, unsigned workers, std::size_t usable,
                          std::size_t connections) {
  const std::size_t ours = options.memory != 0 ? options.memory : usable / 2;
  const std::size_t kernels = std::max(usable - std::min(ours, usable), usable / 4);
  // Who asks for many connections gets them, with small buffers.
  const std::size_t of_socket =
      options.max_connections == 0 ? limits::roomy_socket_bytes : limits::narrow_socket_bytes;
  const std::size_t of_wide = kernels / 4;
  const std::size_t of_all = kernels - of_wide;
  const std::size_t places = std::min(ours / limits::place_bytes, of_all / of_socket);
  MemoryPlan plan;
  plan.each.all = ours / workers;
  plan.each.bodies = std::min(options.body_memory / workers, plan.each.all / 2);
  plan.connections = std::max<std::size_t>(workers, std::min(connections, places));
  plan.narrow = of_all / plan.connections < limits::roomy_socket_bytes;
  plan.wide_sockets = of_wide / limits::wide_socket_bytes / workers;
  return plan;
}

}  // namespace lastcall
