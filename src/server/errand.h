// A coroutine of the program's that the worker itself runs, once: before it serves (`on_start`), or
// behind the drain (`on_drained`). Not destroyed from within its last step: the worker looks at the
// end of each turn whether it has ended.
#pragma once

#include <new>
#include <utility>

#include <lastcall/callable.h>
#include <lastcall/task.h>

namespace lastcall {

class Errand {
 public:
  // Runs it until it first waits. Throws what a function does that only returns another's
  // coroutine, and std::bad_alloc.
  void begin(const detail::Callable<Task<>()>& work) {
    task_ = work();
    if (!task_) throw std::bad_alloc();
    runs_ = true;
    task_.start([](void* self) noexcept { static_cast<Errand*>(self)->runs_ = false; }, this);
  }
  [[nodiscard]] bool under_way() const { return static_cast<bool>(task_); }
  [[nodiscard]] bool has_ended() const { return under_way() && !runs_; }
  // Rethrows what it has ended by.
  void end() {
    const Task<> ended = std::move(task_);
    ended.result();
  }

 private:
  Task<> task_;
  bool runs_ = false;
};

}  // namespace lastcall
