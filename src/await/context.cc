#include "await/context.h"

#include <atomic>

#include <lastcall/context.h>
#include <lastcall/task.h>

#include "await/operations.h"
#include "await/ready.h"

#include "base/check.h"
#include "io/sockets.h"

namespace lastcall {
namespace {

thread_local Context* current = nullptr;
std::atomic<bool> drain_has_begun{false};

}  // namespace

void Context::enter(Context* entered) { current = entered; }

void Context::begin_drain() {
  draining = true;
  drain_has_begun.store(true, std::memory_order_relaxed);
}

Context& context() {
  CHECK(current != nullptr && "belongs in a handler's or a job's coroutine, on its worker");
  return *current;
}

bool on_a_worker() noexcept { return current != nullptr; }

Instant now() {
  const Ms instant = current != nullptr ? current->now : monotonic_ms();
  return Instant(std::chrono::milliseconds(instant));
}

bool draining() {
  return current != nullptr ? current->draining : drain_has_begun.load(std::memory_order_relaxed);
}

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
