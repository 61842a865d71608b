#include "base/timers.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace lastcall {

TimerWheel::TimerWheel(Ms now) : tick_(now / limits::tick_ms) {
  for (auto& ring : rings_) {
    for (auto& sentinel : ring) sentinel.next = sentinel.previous = &sentinel;
  }
}

void TimerWheel::arm(Timer& timer, Ms at) {
  CHECK(timer.fire != nullptr);
  if (timer.armed()) disarm(timer);
  // Rounded up: a timer never fires early.
  timer.tick = std::max((at + limits::tick_ms - 1) / limits::tick_ms, tick_ + 1);
  insert(timer);
  ++armed_;
}

void TimerWheel::disarm(Timer& timer) {
  if (!timer.armed()) return;
  DCHECK(armed_ > 0);
  unlink(timer);
  --armed_;
}

void TimerWheel::insert(Timer& timer) {
  const std::int64_t ahead = timer.tick - tick_;
  int level = 0;
  while (level < levels - 1 && ahead >= std::int64_t{1} << (slot_bits * (level + 1))) ++level;
  // Farther than the wheel reaches: wait in its last slot, and be placed again from there.
  const std::int64_t reach = tick_ + (std::int64_t{1} << (slot_bits * levels)) - 1;
  const auto slot = std::min(timer.tick, reach) >> (slot_bits * level) & (slots - 1);
  timer.level = static_cast<std::uint8_t>(level);
  timer.slot = static_cast<std::uint8_t>(slot);
  Timer& sentinel = rings_[level][slot];
  timer.previous = sentinel.previous;
  timer.next = &sentinel;
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a sentinel is always in its own ring.
  sentinel.previous->next = &timer;
  sentinel.previous = &timer;
  occupied_[level] |= std::uint64_t{1} << slot;
}

void TimerWheel::unlink(Timer& timer) {
  DCHECK(timer.armed());
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): what is armed is linked on both sides.
  timer.previous->next = timer.next;
  timer.next->previous = timer.previous;
  timer.next = timer.previous = nullptr;
  const Timer& sentinel = rings_[timer.level][timer.slot];
  if (sentinel.next == &sentinel) occupied_[timer.level] &= ~(std::uint64_t{1} << timer.slot);
}

void TimerWheel::cascade(int level) {
  const auto slot = tick_ >> (slot_bits * level) & (slots - 1);
  Timer& sentinel = rings_[level][slot];
  while (sentinel.next != &sentinel) {
    Timer& timer = *sentinel.next;
    unlink(timer);
    timer.tick = std::max(timer.tick, tick_);
    insert(timer);
  }
}

void TimerWheel::advance(Ms now) {
  const std::int64_t target = now / limits::tick_ms;
  while (tick_ < target) {
    const std::int64_t next = armed_ == 0 ? target + 1 : next_tick();
    if (next > target) {
      tick_ = target;
      return;
    }
    tick_ = next;
    for (int level = levels - 1; level > 0; --level) {
      if ((tick_ & ((std::int64_t{1} << (slot_bits * level)) - 1)) == 0) cascade(level);
    }
    Timer& sentinel = rings_[0][tick_ & (slots - 1)];
    while (sentinel.next != &sentinel) {
      Timer& timer = *sentinel.next;
      DCHECK(timer.tick == tick_ && armed_ > 0);
      unlink(timer);
      --armed_;
      timer.fire(timer.owner);
    }
  }
}

std::int64_t TimerWheel::next_tick() const {
  std::int64_t earliest = std::numeric_limits<std::int64_t>::max();
  for (int level = 0; level < levels; ++level) {
    if (occupied_[level] == 0) continue;
    const std::int64_t first = (tick_ >> (slot_bits * level)) + 1;
    const auto ahead =
        std::countr_zero(std::rotr(occupied_[level], static_cast<int>(first & (slots - 1))));
    earliest = std::min(earliest, (first + ahead) << (slot_bits * level));
  }
  DCHECK(armed_ == 0 || earliest > tick_);
  return earliest;
}

Ms TimerWheel::next() const { return armed_ == 0 ? never : next_tick() * limits::tick_ms; }

}  // namespace lastcall
