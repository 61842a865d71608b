// The coroutines that a worker resumes at the end of its turn: those that somebody has woken
// (lastcall/latch.h), and those that waited for just that.
#pragma once

#include <coroutine>
#include <deque>

namespace lastcall {

class Ready {
 public:
  void add(std::coroutine_handle<> waiter) { waiters_.push_back(waiter); }
  void remove(std::coroutine_handle<> waiter);
  void run();  // those there are now; whom they wake comes with the next turn
  [[nodiscard]] bool empty() const { return waiters_.empty(); }

 private:
  std::deque<std::coroutine_handle<>> waiters_;
};

}  // namespace lastcall
