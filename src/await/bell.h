// One coroutine waits, and whoever has something for it rings: it resumes at the end of the turn.
#pragma once

#include <coroutine>

#include <lastcall/woken.h>

namespace lastcall {

class Bell {
 public:
  Bell() = default;
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  // `co_await bell.wait()`: until the next ring. Unlinks itself when it is destroyed before. For a
  // second waiter it throws std::logic_error.
  class [[nodiscard]] Wait {
   public:
    explicit Wait(Bell& bell) : bell_(bell) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait() {
      if (bell_.waiting_ == &woken_) bell_.waiting_ = nullptr;
    }
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const noexcept {}

   private:
    Bell& bell_;
    detail::Woken woken_;
  };
  [[nodiscard]] Wait wait() { return Wait(*this); }
  void ring();  // nobody may be waiting
  [[nodiscard]] bool is_awaited() const { return waiting_ != nullptr; }

 private:
  detail::Woken* waiting_ = nullptr;
};

}  // namespace lastcall
