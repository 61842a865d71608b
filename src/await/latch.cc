#include <lastcall/latch.h>

#include <stdexcept>

#include "await/context.h"
#include "await/ready.h"
#include "base/check.h"

namespace lastcall {

void Latch::set() {
  if (set_) return;
  set_ = true;
  if (woken_.waiter) context().ready.add(woken_);
}

void Latch::await_suspend(std::coroutine_handle<> waiter) {
  if (woken_.waiter) throw std::logic_error("a latch has one waiter: a second one awaits it");
  woken_.waiter = waiter;
}

void Mutex::unlock() {
  CHECK(locked_);
  if (waiting_.empty()) {
    locked_ = false;
    return;
  }
  Latch* next = waiting_.front();
  waiting_.pop_front();
  next->set();
}

void TurnEnd::await_suspend(std::coroutine_handle<> waiter) {
  woken.waiter = waiter;
  context().ready.add(woken);
}

}  // namespace lastcall
