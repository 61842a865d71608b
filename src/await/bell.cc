#include "await/bell.h"

#include <stdexcept>
#include <utility>

#include "await/context.h"
#include "await/ready.h"

namespace lastcall {

void Bell::Wait::await_suspend(std::coroutine_handle<> waiter) {
  if (bell_.waiting_ != nullptr)
    throw std::logic_error("one coroutine at a time reads a request, or writes an answer");
  woken_.waiter = waiter;
  bell_.waiting_ = &woken_;
}

void Bell::ring() {
  if (waiting_ != nullptr) context().ready.add(*std::exchange(waiting_, nullptr));
}

}  // namespace lastcall
