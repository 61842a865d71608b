// co_await await_operation(…): one operation of `Io`, its result as the system call's or
// -errno.
#pragma once

#include <cerrno>
#include <coroutine>
#include <memory>
#include <utility>

#include <lastcall/task.h>

#include "await/context.h"
#include "await/operations.h"

namespace lastcall {

// `submit(Io&, Ticket)` submits it, on `fd`. Throws Canceled when the drain's deadline has cut it.
template <class Submit>
class [[nodiscard]] Awaited {
 public:
  Awaited(int fd, Submit submit, Ms deadline, std::shared_ptr<void> keep)
      : fd_(fd), submit_(std::move(submit)), deadline_(deadline), keep_(std::move(keep)) {}
  Awaited(const Awaited&) = delete;
  Awaited& operator=(const Awaited&) = delete;
  ~Awaited() {
    if (waiter_) context().operations.forget(ticket_);
  }

  [[nodiscard]] bool await_ready() const { return context().operations.canceled(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    Context& here = context();
    ticket_ = here.operations.begin(fd_, &Awaited::on_done, this, deadline_, std::move(keep_));
    waiter_ = waiter;  // last: `begin` may throw for want of memory
    submit_(here.io, ticket_);
  }
  int await_resume() const {
    const bool cut = result_ == -ECANCELED || result_ == -EINTR;
    if (cut && context().operations.canceled()) throw Canceled();
    return result_;
  }

 private:
  static void on_done(void* self, int result) noexcept {
    auto& awaited = *static_cast<Awaited*>(self);
    awaited.result_ = result;
    std::exchange(awaited.waiter_, nullptr).resume();  // may destroy it
  }

  int fd_;
  Submit submit_;
  Ms deadline_;
  std::shared_ptr<void> keep_;
  Ticket ticket_;
  std::coroutine_handle<> waiter_;  // set exactly while the operation is outstanding
  int result_ = -ECANCELED;
};

template <class Submit>
Awaited<Submit> await_operation(int fd, Submit submit, Ms deadline, std::shared_ptr<void> keep) {
  return Awaited<Submit>(fd, std::move(submit), deadline, std::move(keep));
}

}  // namespace lastcall
