#include "server/blocked_loops.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <string>

#include <lastcall/duration.h>
#include <lastcall/log.h>

#include "server/process.h"

namespace lastcall {
namespace {

// The handlers that it may be: coroutines that have not ended.
std::string under_way(const Process& process, const WorkerSlot& slot) {
  std::string names;
  std::size_t told = 0;
  for (const Route& route : process.router->all()) {
    if (route.number >= limits::routes_told || slot.under_way.at(route.number) == 0) continue;
    if (told++ == 3) break;
    fmt::format_to(std::back_inserter(names), "{}{} {}", names.empty() ? "" : ", ",
                   route.method_text(), route.path);
  }
  if (!names.empty()) return "a coroutine, perhaps of " + names;
  return "a coroutine of a job, a hook, or what was posted";
}

std::string what_it_does(const Process& process, const WorkerSlot& slot) {
  if (process.workers_ready < process.slots.size()) return "what runs before serving";
  if (const Route* const route = slot.handling.load(std::memory_order_relaxed))
    return fmt::format("the handler of {} {}", route->method_text(), route->path);
  return process.router == nullptr ? "a coroutine" : under_way(process, slot);
}

}  // namespace

BlockedLoops::BlockedLoops(const Process& process)
    : process_(process), loops_(process.slots.size()) {}

Ms BlockedLoops::pause() const {
  const bool some =
      std::any_of(loops_.begin(), loops_.end(), [](const Loop& loop) { return loop.since != 0; });
  return some ? limits::blocked_poll_ms : limits::blocked_ms;
}

void BlockedLoops::look(Ms now) {
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    Loop& loop = loops_[i];
    const WorkerSlot& slot = process_.slots[i];
    const Ms since = slot.busy_since.load(std::memory_order_relaxed);
    if (loop.told && since != loop.since)
      log::warning("worker {} goes on, after about {}", i, format_duration(now - loop.since));
    if (since == 0 || now - since < limits::blocked_ms) {
      loop = {};
    } else if (since != loop.since) {
      // Perhaps the whole process was stopped, and this loop goes on now as we do: the next look
      // tells.
      loop = {.since = since};
    } else if (!loop.told) {
      loop.told = true;
      log::warning(
          "worker {} has stood still for {}, in {}: its other clients wait. What blocks "
          "belongs in run_blocking",
          i, format_duration(now - since), what_it_does(process_, slot));
    }
  }
}

}  // namespace lastcall
