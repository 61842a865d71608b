// What sleeps on one worker (lastcall/sleep.h): a list, so that the deadline can wake all of it.
//
// Invariants
//  1. A sleep is in the list exactly while it waits, and its timer is armed exactly as long.
//  2. Once the deadline has passed nothing sleeps any more, nor begins to.
#pragma once

#include <coroutine>
#include <cstddef>

#include <lastcall/sleep.h>

#include "base/timers.h"

namespace lastcall {

class Sleepers {
 public:
  explicit Sleepers(TimerWheel& timers) : timers_(timers) {}
  Sleepers(const Sleepers&) = delete;
  Sleepers& operator=(const Sleepers&) = delete;

  // The deadline: all that wait throw Canceled, and all later ones at once.
  void cancel();
  [[nodiscard]] bool canceled() const { return canceled_; }
  void go_on() { canceled_ = false; }  // as that of Operations
  [[nodiscard]] std::size_t waiting() const { return waiting_; }

 private:
  friend class Sleep;
  TimerWheel& timers_;
  Sleep::Place* first_ = nullptr;
  std::size_t waiting_ = 0;
  bool canceled_ = false;
};

}  // namespace lastcall
