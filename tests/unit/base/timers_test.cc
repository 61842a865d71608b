#include "base/timers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

using namespace lastcall;

namespace {

struct Fired {
  static void on(void* self) noexcept { ++static_cast<Fired*>(self)->times; }
  Timer timer{&Fired::on, this};
  int times = 0;
};

}  // namespace

TEST_CASE("a timer fires once, never early and at most one tick late") {
  TimerWheel wheel(1000);
  for (const Ms in : {0, 1, 4, 5, 63, 255, 256, 257, 5000, 16'384, 100'000, 5'000'000}) {
    TimerWheel fresh(1000);
    Fired fired;
    fresh.arm(fired.timer, 1000 + in);
    fresh.advance(1000 + in - 1);
    CHECK(fired.times == 0);
    fresh.advance(1000 + in + limits::tick_ms);
    CHECK(fired.times == 1);
    CHECK(fresh.armed() == 0);
  }
}

TEST_CASE("a disarmed timer does not fire, and an armed one can move") {
  TimerWheel wheel(0);
  Fired gone;
  Fired moved;
  wheel.arm(gone.timer, 100);
  wheel.arm(moved.timer, 100);
  wheel.disarm(gone.timer);
  wheel.arm(moved.timer, 10'000);
  wheel.advance(9'999);
  CHECK(gone.times == 0);
  CHECK(moved.times == 0);
  wheel.advance(10'004);
  CHECK(moved.times == 1);
}

TEST_CASE("next() is never later than the first timer, and never when nothing is armed") {
  TimerWheel wheel(0);
  CHECK(wheel.next() == never);
  Fired fired;
  wheel.arm(fired.timer, 70'000);
  while (fired.times == 0) {
    const Ms next = wheel.next();
    REQUIRE(next <= 70'000 + limits::tick_ms);
    wheel.advance(next);
  }
  CHECK(wheel.next() == never);
}

TEST_CASE("a timer beyond the wheel's reach still fires on time") {
  TimerWheel wheel(0);
  Fired fired;
  const Ms far = Ms{30} * 24 * 3600 * 1000;
  wheel.arm(fired.timer, far);
  wheel.advance(far - 1);
  CHECK(fired.times == 0);
  wheel.advance(far + limits::tick_ms);
  CHECK(fired.times == 1);
}

TEST_CASE("ten thousand random timers fire in their own tick, however time jumps") {
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<Ms>(random() % static_cast<unsigned>(n)); };
  struct Tracked {
    static void on(void* self) noexcept {
      auto* t = static_cast<Tracked*>(self);
      t->fired_at = *t->now;
    }
    explicit Tracked(const Ms* clock) : now(clock) {}
    Timer timer{&Tracked::on, this};
    const Ms* now;
    Ms due = 0;
    Ms fired_at = -1;
  };
  Ms now = 12'345;
  Ms previous = now;
  TimerWheel wheel(now);
  std::vector<std::unique_ptr<Tracked>> timers;
  for (int i = 0; i < 10'000; ++i) {
    timers.push_back(std::make_unique<Tracked>(&now));
    timers.back()->due = now + below(200'000);
    wheel.arm(timers.back()->timer, timers.back()->due);
  }
  bool late = false;
  while (wheel.armed() > 0) {
    previous = now;
    now += below(700);
    wheel.advance(now);
    for (const auto& t : timers) {
      if (t->fired_at == now) late |= t->due > now || t->due + limits::tick_ms < previous;
    }
  }
  CHECK_FALSE(late);
  CHECK(std::all_of(timers.begin(), timers.end(), [](const auto& t) { return t->fired_at >= 0; }));
}

TEST_CASE("a callback may arm its own timer again and disarm others") {
  TimerWheel wheel(0);
  struct Loop {
    static void on(void* self) noexcept {
      auto* loop = static_cast<Loop*>(self);
      ++loop->times;
      loop->wheel.disarm(loop->other.timer);
      if (loop->times < 5) loop->wheel.arm(loop->timer, loop->times * 8);
    }
    explicit Loop(TimerWheel& w) : wheel(w) {}
    TimerWheel& wheel;
    Timer timer{&Loop::on, this};
    Fired other;
    int times = 0;
  } loop(wheel);
  wheel.arm(loop.timer, 4);
  wheel.arm(loop.other.timer, 4);
  wheel.advance(1000);
  CHECK(loop.times == 5);
  CHECK(loop.other.times == 0);
}
