#include "await/operations.h"

#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/reserve.h"

namespace lastcall {

Ticket Operations::begin(int fd, Done done, void* owner, Ms deadline, std::shared_ptr<void> keep) {
  CHECK(!canceled_ && fd >= 0);
  if (free_.empty()) {
    const auto index = static_cast<std::uint32_t>(slots_.size());
    CHECK(index < Ticket::indices);
    reserve_for(slots_, index + 1);
    reserve_for(free_, index + 1);  // a completion takes no memory
    auto slot = std::make_unique<Slot>(*this, index);
    io_.reserve(2);  // it, and its cancel; last, since it is not taken back
    slots_.push_back(std::move(slot));
    free_.push_back(index);
  }
  Slot& slot = *slots_[free_.back()];
  free_.pop_back();
  ++slot.generation;
  slot.in_use = true;
  slot.timed_out = slot.canceling = false;
  slot.fd = fd;
  slot.done = done;
  slot.owner = owner;
  slot.keep = std::move(keep);
  if (deadline != never) timers_.arm(slot.deadline, deadline);
  return slot.ticket();
}

Operations::Slot& Operations::slot_of(Ticket ticket) {
  CHECK(ticket.index < slots_.size());
  Slot& slot = *slots_[ticket.index];
  CHECK(slot.in_use && slot.generation == ticket.generation);
  return slot;
}

// A cancel may miss what it was for: it is sent again until that has ended.
void Operations::cancel(Slot& slot) {
  DCHECK(slot.in_use);
  slot.canceling = true;
  io_.submit_cancel(slot.fd, slot.ticket());
  timers_.arm(slot.deadline, io_.now() + limits::cancel_again_ms);
}

void Operations::forget(Ticket ticket) {
  Slot& slot = slot_of(ticket);
  CHECK(slot.done != nullptr);
  slot.done = nullptr;
  cancel(slot);
}

void Operations::cancel_all() {
  canceled_ = true;
  for (const auto& slot : slots_) {
    if (slot->in_use) cancel(*slot);
  }
}

void Operations::on_deadline(void* self) noexcept {
  DCHECK(static_cast<Slot*>(self)->in_use);
  auto& slot = *static_cast<Slot*>(self);
  if (!slot.canceling) slot.timed_out = true;
  slot.all.cancel(slot);
}

void Operations::on_awaited(const Completion& completion) {
  CHECK(!completion.more && !completion.has_buffer);
  Slot& slot = slot_of(completion.ticket);
  timers_.disarm(slot.deadline);
  int result = completion.result;
  // A connect that is cancelled may say EINTR: its thread of the kernel was interrupted.
  if ((result == -ECANCELED || result == -EINTR) && slot.timed_out) result = -ETIMEDOUT;
  const Done done = std::exchange(slot.done, nullptr);
  slot.keep.reset();  // whoever still waits holds the memory, too
  slot.in_use = false;
  free_.push_back(slot.index);
  if (done != nullptr) done(slot.owner, result);
}

}  // namespace lastcall
