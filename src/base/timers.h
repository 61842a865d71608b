// A hierarchical timer wheel: four levels of 64 slots, 4 ms a tick, 18 hours ahead; what is farther
// is placed again.
//
// One per worker. Timers are intrusive and owned by whoever arms them; `disarm` before they die.
// Arming, disarming and moving cost O(1) and allocate nothing. A timer never fires early, and at
// most one tick late. The wheel has no clock of its own: `advance(now)` moves it.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "base/limits.h"

namespace lastcall {

struct Timer {
  using Fire = void (*)(void* owner) noexcept;

  Timer() = default;  // a sentinel
  Timer(Fire on_fire, void* whose) : fire(on_fire), owner(whose) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  [[nodiscard]] bool armed() const { return next != nullptr; }

  Fire fire = nullptr;
  void* owner = nullptr;
  Timer* next = nullptr;  // in a slot's ring; null while not armed
  Timer* previous = nullptr;
  std::int64_t tick = 0;
  std::uint8_t level = 0;
  std::uint8_t slot = 0;
};

class TimerWheel {
 public:
  explicit TimerWheel(Ms now);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Fires at `at`, or at the next tick if that is past. An armed timer moves.
  void arm(Timer& timer, Ms at);
  void disarm(Timer& timer);
  // Fires everything due at `now`. A callback may arm and disarm any timer, itself included.
  void advance(Ms now);
  // The instant at which `advance` next has something to do; `never` when nothing is armed.
  [[nodiscard]] Ms next() const;
  [[nodiscard]] std::size_t armed() const { return armed_; }

 private:
  static constexpr int levels = 4;
  static constexpr int slot_bits = 6;
  static constexpr int slots = 1 << slot_bits;

  void insert(Timer& timer);
  void unlink(Timer& timer);
  void cascade(int level);
  [[nodiscard]] std::int64_t next_tick() const;

  std::array<std::array<Timer, slots>, levels> rings_;  // sentinels
  std::array<std::uint64_t, levels> occupied_{};        // a bit per slot
  std::int64_t tick_;                                   // everything up to it has fired
  std::size_t armed_ = 0;
};

}  // namespace lastcall
