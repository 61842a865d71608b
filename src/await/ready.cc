#include "await/ready.h"

#include <algorithm>
#include <cstddef>

#include "base/check.h"

namespace lastcall {

void Ready::remove(std::coroutine_handle<> waiter) {
  waiters_.erase(std::remove(waiters_.begin(), waiters_.end(), waiter), waiters_.end());
}

void Ready::run() {
  for (std::size_t left = waiters_.size(); left > 0 && !waiters_.empty(); --left) {
    const std::coroutine_handle<> waiter = waiters_.front();
    waiters_.pop_front();
    DCHECK(waiter && !waiter.done());
    waiter.resume();
  }
}

}  // namespace lastcall
