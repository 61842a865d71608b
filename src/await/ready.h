// The coroutines that a worker resumes at the end of its turn: those that somebody has woken
// (lastcall/latch.h), and those that waited for just that. A ring of `Woken`, which stand in what
// waits: to wake somebody takes no memory.
#pragma once

#include <lastcall/woken.h>

namespace lastcall {

class Ready {
 public:
  Ready() { ring_.next = ring_.previous = &ring_; }
  Ready(const Ready&) = delete;
  Ready& operator=(const Ready&) = delete;
  ~Ready();

  void add(detail::Woken& woken);
  void take(Ready& others);  // all of them
  void run();                // those there are now; whom they wake comes with the next turn
  [[nodiscard]] bool empty() const { return ring_.next == &ring_; }

 private:
  detail::Woken ring_;
};

}  // namespace lastcall
