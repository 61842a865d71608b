// co_await sleep(5s): wait without blocking the worker.
//
// Used from a coroutine of a handler or a job, on its worker's thread. Throws `Canceled` when the
// drain's deadline cuts it, and at once when it has already passed. Rounded up to the tick of 4 ms.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>

namespace lastcall {

class [[nodiscard]] Sleep {
 public:
  explicit Sleep(std::chrono::milliseconds duration) : duration_(duration) {}
  Sleep(const Sleep&) = delete;
  Sleep& operator=(const Sleep&) = delete;
  ~Sleep();

  [[nodiscard]] bool await_ready() const noexcept;
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume();

 private:
  struct Place;  // in the worker's list of what sleeps, while this does (await/sleepers.h)
  friend class Sleepers;
  std::coroutine_handle<> leave();

  std::chrono::milliseconds duration_;
  Place* place_ = nullptr;  // in `memory_`; null unless it sleeps
  bool canceled_ = false;
  alignas(
      void*) std::byte memory_[88];  // of a Place (await/sleepers.cc): a sleep allocates nothing
};

[[nodiscard]] inline Sleep sleep(std::chrono::milliseconds duration) { return Sleep(duration); }

}  // namespace lastcall
