#include "latch.h"

#include <algorithm>

#include "local.h"

namespace lastcall {

Latch::~Latch() {
  if (set_ && waiter_) local().ready.remove(waiter_);
}

void Latch::set() {
  if (set_) return;
  set_ = true;
  if (waiter_) local().ready.add(waiter_);
}

void Mutex::unlock() {
  if (waiting_.empty()) {
    locked_ = false;
    return;
  }
  Latch* next = waiting_.front();
  waiting_.pop_front();
  next->set();
}

void TurnEnd::await_suspend(std::coroutine_handle<> waiter) { local().ready.add(waiter); }

void Ready::remove(std::coroutine_handle<> waiter) {
  waiters_.erase(std::remove(waiters_.begin(), waiters_.end(), waiter), waiters_.end());
}

void Ready::run() {
  for (std::size_t left = waiters_.size(); left > 0 && !waiters_.empty(); --left) {
    const std::coroutine_handle<> waiter = waiters_.front();
    waiters_.pop_front();
    waiter.resume();
  }
}

}  // namespace lastcall
