#include "await/ready.h"

#include "base/check.h"

namespace lastcall {

void detail::Woken::leave() {
  if (next == nullptr) return;
  previous->next = next;
  next->previous = previous;
  next = previous = nullptr;
}

Ready::~Ready() {
  while (!empty()) ring_.next->leave();
  ring_.next = ring_.previous = nullptr;
}

void Ready::add(detail::Woken& woken) {
  DCHECK(woken.next == nullptr);
  woken.previous = ring_.previous;
  woken.next = &ring_;
  woken.previous->next = &woken;
  ring_.previous = &woken;
}

void Ready::take(Ready& others) {
  while (!others.empty()) {
    detail::Woken& first = *others.ring_.next;
    first.leave();
    add(first);
  }
}

void Ready::run() {
  if (empty()) return;
  detail::Woken end;
  add(end);
  while (ring_.next != &end) {
    detail::Woken& first = *ring_.next;
    first.leave();
    DCHECK(first.waiter && !first.waiter.done());
    first.waiter.resume();  // may destroy it, and others
  }
}

}  // namespace lastcall
