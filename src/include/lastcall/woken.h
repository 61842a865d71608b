// What an awaitable is made of that somebody wakes: the coroutine is resumed at the end of a turn,
// never from within the waker.
#pragma once

#include <coroutine>

namespace lastcall::detail {

// A coroutine that its worker is to resume at the end of the turn; in a ring of the worker's
// meanwhile.
struct Woken {
  Woken() = default;
  Woken(const Woken&) = delete;
  Woken& operator=(const Woken&) = delete;
  ~Woken() { leave(); }
  void leave();

  std::coroutine_handle<> waiter;
  Woken* next = nullptr;  // null: in no ring
  Woken* previous = nullptr;
};

}  // namespace lastcall::detail
