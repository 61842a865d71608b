#include "http/places.h"

#include "await/context.h"
#include "await/ready.h"
#include "base/check.h"

namespace lastcall {

void Places::give_back() {
  CHECK(taken_ > 0);
  if (first_ == nullptr) {
    --taken_;
    return;
  }
  Take& next = *first_;  // which takes it over
  next.leave();
  next.has_ = true;
  context().ready.add(next.woken_);
}

Places::Take::~Take() {
  if (waits_) leave();
  if (has_) places_.give_back();
}

bool Places::Take::await_ready() {
  if (places_.most_ != 0 && (places_.taken_ >= places_.most_ || places_.first_ != nullptr))
    return false;
  ++places_.taken_;
  has_ = true;
  return true;
}

void Places::Take::await_suspend(std::coroutine_handle<> waiter) {
  woken_.waiter = waiter;
  previous_ = places_.last_;
  (previous_ == nullptr ? places_.first_ : previous_->next_) = this;
  places_.last_ = this;
  ++places_.waiting_;
  waits_ = true;
  context().timers.arm(timer_, context().after(limit_));
}

Places::Held Places::Take::await_resume() {
  if (!std::exchange(has_, false)) return {};
  return Held(places_);
}

void Places::Take::on_timer(void* self) noexcept {
  auto& take = *static_cast<Take*>(self);
  take.leave();
  context().ready.add(take.woken_);
}

void Places::Take::leave() {
  DCHECK(waits_);
  waits_ = false;
  context().timers.disarm(timer_);
  (previous_ == nullptr ? places_.first_ : previous_->next_) = next_;
  (next_ == nullptr ? places_.last_ : next_->previous_) = previous_;
  next_ = previous_ = nullptr;
  --places_.waiting_;
}

}  // namespace lastcall
