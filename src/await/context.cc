#include "await/context.h"

#include <lastcall/context.h>

#include "base/check.h"

namespace lastcall {
namespace {

thread_local Context* current = nullptr;

}  // namespace

void Context::enter(Context* entered) { current = entered; }

Context& context() {
  CHECK(current != nullptr && "belongs in a handler's or a job's coroutine, on its worker");
  return *current;
}

Instant now() { return Instant(std::chrono::milliseconds(context().now)); }
bool draining() { return context().draining; }
unsigned this_worker() { return context().worker; }

}  // namespace lastcall
