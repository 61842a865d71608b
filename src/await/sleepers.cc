#include "await/sleepers.h"

#include <new>

#include <lastcall/task.h>

#include "await/context.h"
#include "base/check.h"

namespace lastcall {

// Stands in the memory of its Sleep.
struct Sleep::Place {
  Place(Sleep& whose, Sleepers& in, std::coroutine_handle<> waiting)
      : timer(&Place::on_timer, this), sleep(whose), sleepers(in), waiter(waiting) {}
  static void on_timer(void* place) noexcept;

  Timer timer;
  Sleep& sleep;
  Sleepers& sleepers;
  std::coroutine_handle<> waiter;
  Place* next = nullptr;
  Place** link = nullptr;
};

void Sleepers::cancel() {
  canceled_ = true;
  while (first_ != nullptr) {
    Sleep& sleep = first_->sleep;
    sleep.canceled_ = true;
    sleep.leave().resume();  // may destroy `sleep`, and others
  }
  DCHECK(waiting_ == 0);
}

Sleep::~Sleep() {
  if (place_ != nullptr) (void)leave();
}

bool Sleep::await_ready() const noexcept { return context().sleepers.canceled(); }

void Sleep::await_suspend(std::coroutine_handle<> waiter) {
  static_assert(sizeof(Place) <= sizeof memory_ && alignof(Place) <= alignof(void*));
  Sleepers& sleepers = context().sleepers;
  DCHECK(place_ == nullptr && !sleepers.canceled());
  place_ = new (memory_) Place(*this, sleepers, waiter);
  place_->next = sleepers.first_;
  place_->link = &sleepers.first_;
  if (place_->next != nullptr) place_->next->link = &place_->next;
  sleepers.first_ = place_;
  ++sleepers.waiting_;
  sleepers.timers_.arm(place_->timer, context().after(duration_.count()));
}

void Sleep::await_resume() {
  if (canceled_ || context().sleepers.canceled()) throw Canceled();
}

void Sleep::Place::on_timer(void* self) noexcept {
  static_cast<Place*>(self)->sleep.leave().resume();  // may destroy it
}

// Out of the list. Returns who waited.
std::coroutine_handle<> Sleep::leave() {
  CHECK(place_ != nullptr);
  Sleepers& sleepers = place_->sleepers;
  DCHECK(sleepers.waiting_ > 0);
  --sleepers.waiting_;
  sleepers.timers_.disarm(place_->timer);
  *place_->link = place_->next;
  if (place_->next != nullptr) place_->next->link = place_->link;
  const std::coroutine_handle<> waiter = place_->waiter;
  place_->~Place();
  place_ = nullptr;
  return waiter;
}

}  // namespace lastcall
