#include "await/context.h"

#include <lastcall/context.h>
#include <lastcall/task.h>

#include "await/operations.h"
#include "await/ready.h"

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

bool DrainBegun::await_ready() const { return context().draining; }
void DrainBegun::await_suspend(std::coroutine_handle<> waiter) {
  woken_.waiter = waiter;
  context().drain_begun.add(woken_);
}
void DrainBegun::await_resume() const {
  if (context().operations.canceled()) throw Canceled();
}

unsigned this_worker() { return context().worker; }

}  // namespace lastcall
