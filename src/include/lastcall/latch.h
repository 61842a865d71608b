// How coroutines of one worker wait for each other: `Latch`, once; `Mutex`, in turn; `turn_end`,
// until all that is due in this turn has run.
//
// Whoever is woken resumes at the end of a turn, never from within the waker. None of these is cut
// by the deadline: the one they wait for is, and must wake them whatever became of it.
#pragma once

#include <coroutine>
#include <cstddef>
#include <deque>

#include <lastcall/woken.h>

namespace lastcall {

class [[nodiscard]] Latch {
 public:
  Latch() = default;
  Latch(const Latch&) = delete;
  Latch& operator=(const Latch&) = delete;

  void set();
  [[nodiscard]] bool is_set() const { return set_; }

  // `co_await latch`. One waiter at most: for a second one it throws std::logic_error.
  [[nodiscard]] bool await_ready() const noexcept { return set_; }
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() noexcept { woken_.waiter = nullptr; }

 private:
  detail::Woken woken_;
  bool set_ = false;
};

// First come, first served. `co_await mutex.lock()`; the guard that it gives unlocks.
class Mutex {
 public:
  class [[nodiscard]] Guard {
   public:
    explicit Guard(Mutex& mutex) : mutex_(&mutex) {}
    Guard(Guard&& other) noexcept : mutex_(other.mutex_) { other.mutex_ = nullptr; }
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (mutex_ != nullptr) mutex_->unlock();
    }

   private:
    Mutex* mutex_;
  };

  [[nodiscard]] auto lock() {
    struct Awaiter {
      Mutex& mutex;
      Latch latch{};
      [[nodiscard]] bool await_ready() const noexcept { return !mutex.locked_; }
      void await_suspend(std::coroutine_handle<> waiter) {
        latch.await_suspend(waiter);
        mutex.waiting_.push_back(&latch);
      }
      Guard await_resume() {
        latch.await_resume();
        mutex.locked_ = true;  // whoever unlocked left it locked for us
        return Guard(mutex);
      }
    };
    return Awaiter{*this};
  }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  void unlock();

  bool locked_ = false;
  std::deque<Latch*> waiting_;
};

// Resumes the caller when this turn's completions and timers have all been seen.
struct [[nodiscard]] TurnEnd {
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() const noexcept {}

  detail::Woken woken{};
};
[[nodiscard]] inline TurnEnd turn_end() { return {}; }

}  // namespace lastcall
