#include "sleep.h"

#include <algorithm>
#include <utility>

#include "check.h"
#include "task.h"

namespace lastcall {
namespace {

thread_local Sleepers* current = nullptr;
thread_local Ms current_now = 0;

}  // namespace

void Sleepers::enter(Sleepers* sleepers, Ms now) {
  current = sleepers;
  current_now = now;
}

Ms Sleepers::now() { return current_now; }

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

bool Sleep::await_ready() const noexcept {
  CHECK(current != nullptr && "sleep() belongs in a handler's coroutine, on its worker");
  return current->canceled_;
}

void Sleep::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  sleepers_ = current;
  next_ = sleepers_->first_;
  link_ = &sleepers_->first_;
  if (next_ != nullptr) next_->link_ = &next_;
  sleepers_->first_ = this;
  ++sleepers_->waiting_;
  sleepers_->timers_.arm(timer_, current_now + std::max<Ms>(duration_, 0));
}

void Sleep::await_resume() {
  if (canceled_ || current->canceled_) throw Canceled();
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
