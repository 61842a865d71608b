// co_await await_operation(…): one operation of the ring, its result as the system call's or
// -errno.
#pragma once

#include <cerrno>
#include <coroutine>
#include <memory>
#include <utility>

#include "local.h"
#include "operations.h"
#include "task.h"

namespace lastcall {

// `submit(Io&, Ticket)` submits it. Throws Canceled when the drain's deadline has cut it.
template <class Submit>
class [[nodiscard]] Awaited {
 public:
  Awaited(Submit submit, Ms deadline, std::shared_ptr<void> keep)
      : submit_(std::move(submit)), deadline_(deadline), keep_(std::move(keep)) {}
  Awaited(const Awaited&) = delete;
  Awaited& operator=(const Awaited&) = delete;
  ~Awaited() {
    if (waiter_) local().operations.forget(ticket_);
  }

  [[nodiscard]] bool await_ready() const { return local().operations.canceled(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    Local& here = local();
    ticket_ = here.operations.begin(&Awaited::on_done, this, deadline_, std::move(keep_));
    submit_(here.io, ticket_);
  }
  int await_resume() const {
    const bool cut = result_ == -ECANCELED || result_ == -EINTR;
    if (cut && local().operations.canceled()) throw Canceled();
    return result_;
  }

 private:
  static void on_done(void* self, int result) noexcept {
    auto& awaited = *static_cast<Awaited*>(self);
    awaited.result_ = result;
    std::exchange(awaited.waiter_, nullptr).resume();  // may destroy it
  }

  Submit submit_;
  Ms deadline_;
  std::shared_ptr<void> keep_;
  Ticket ticket_;
  std::coroutine_handle<> waiter_;  // set exactly while the operation is outstanding
  int result_ = -ECANCELED;
};

template <class Submit>
Awaited<Submit> await_operation(Submit submit, Ms deadline, std::shared_ptr<void> keep) {
  return Awaited<Submit>(std::move(submit), deadline, std::move(keep));
}

}  // namespace lastcall
