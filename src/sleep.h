// co_await sleep(5s): wait without blocking the worker.
//
// Used from a coroutine of a handler, on its worker's thread. Throws `Canceled` when the drain's
// deadline cuts it, and at once when it has already passed. Rounded up to the tick of 4 ms.
#pragma once

#include <chrono>
#include <coroutine>

#include "timers.h"

namespace lastcall {

// What waits on one worker: its timers, and the sleepers that the deadline has to wake.
class Sleepers {
 public:
  explicit Sleepers(TimerWheel& timers) : timers_(timers) {}
  // All that wait throw Canceled, and all later ones at once.
  void cancel();
  [[nodiscard]] std::size_t waiting() const { return waiting_; }

 private:
  friend class Sleep;
  TimerWheel& timers_;
  class Sleep* first_ = nullptr;
  std::size_t waiting_ = 0;
  bool canceled_ = false;
};

class [[nodiscard]] Sleep {
 public:
  explicit Sleep(Ms duration) : timer_(&Sleep::on_timer, this), duration_(duration) {}
  Sleep(const Sleep&) = delete;
  Sleep& operator=(const Sleep&) = delete;
  ~Sleep();

  [[nodiscard]] bool await_ready() const noexcept;
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume();

 private:
  friend class Sleepers;
  static void on_timer(void* sleep) noexcept;
  void unlink();

  Timer timer_;
  Ms duration_;
  std::coroutine_handle<> waiter_;
  Sleepers* sleepers_ = nullptr;  // null unless linked
  Sleep* next_ = nullptr;
  Sleep** link_ = nullptr;
  bool canceled_ = false;
};

[[nodiscard]] Sleep sleep(std::chrono::milliseconds duration);

}  // namespace lastcall
