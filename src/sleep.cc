#include "sleep.h"

#include <algorithm>
#include <utility>

#include "local.h"
#include "task.h"

namespace lastcall {

void Sleepers::cancel() {
  canceled_ = true;
  while (first_ != nullptr) {
    Sleep& sleep = *first_;
    sleep.canceled_ = true;
    sleep.unlink();
    sleep.waiter_.resume();  // may destroy `sleep`, and others
  }
}

Sleep::~Sleep() { unlink(); }

bool Sleep::await_ready() const noexcept { return local().sleepers.canceled_; }

void Sleep::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  sleepers_ = &local().sleepers;
  next_ = sleepers_->first_;
  link_ = &sleepers_->first_;
  if (next_ != nullptr) next_->link_ = &next_;
  sleepers_->first_ = this;
  ++sleepers_->waiting_;
  sleepers_->timers_.arm(timer_, local().now + std::max<Ms>(duration_, 0));
}

void Sleep::await_resume() {
  if (canceled_ || local().sleepers.canceled_) throw Canceled();
}

void Sleep::on_timer(void* self) noexcept {
  auto* sleep = static_cast<Sleep*>(self);
  sleep->unlink();
  sleep->waiter_.resume();  // may destroy it
}

void Sleep::unlink() {
  if (sleepers_ == nullptr) return;
  --sleepers_->waiting_;
  sleepers_->timers_.disarm(timer_);
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  sleepers_ = nullptr;
}

Sleep sleep(std::chrono::milliseconds duration) { return Sleep(duration.count()); }

}  // namespace lastcall
