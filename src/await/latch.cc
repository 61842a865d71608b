#include <lastcall/latch.h>

#include <stdexcept>

#include "await/context.h"
#include "await/ready.h"
#include "base/check.h"

namespace lastcall {

Latch::~Latch() {
  if (set_ && waiter_) context().ready.remove(waiter_);
}

void Latch::set() {
  if (set_) return;
  set_ = true;
  if (waiter_) context().ready.add(waiter_);
}

void Latch::await_suspend(std::coroutine_handle<> waiter) {
  if (waiter_) throw std::logic_error("a latch has one waiter: a second one awaits it");
  waiter_ = waiter;
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

void TurnEnd::await_suspend(std::coroutine_handle<> waiter) { context().ready.add(waiter); }

}  // namespace lastcall
