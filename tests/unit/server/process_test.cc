#include "server/process.h"

#include <doctest/doctest.h>

#include <csignal>
#include <vector>

using namespace lastcall;

TEST_CASE("the first signal sets T0; only a second interrupt forces") {
  using Heard = Process::Heard;
  Process process(1, {.window = 100, .timeout = 100, .lead = 0});
  CHECK_FALSE(process.signaled());
  CHECK(process.on_signal(SIGTERM, 5) == Heard::first);
  CHECK(process.on_signal(SIGTERM, 6) == Heard::repeated);
  CHECK(process.on_signal(SIGHUP, 7) == Heard::repeated);
  CHECK(process.on_signal(SIGINT, 8) == Heard::repeated);
  CHECK_FALSE(process.forced());
  CHECK(process.on_signal(SIGQUIT, 9) == Heard::forced);
  CHECK(process.forced());
  CHECK(process.deadlines().signaled_at == 5);
  CHECK(process.signal() == SIGTERM);
}

TEST_CASE("no interrupt puts the watchdog off") {
  static std::vector<Ms> armed;
  armed.clear();
  Process process(1, {.window = 1000, .timeout = 4000, .lead = 0});
  ++process.workers_ready;
  process.arm_watchdog = [](Ms at, int) { armed.push_back(at); };
  for (const Ms now : {100, 200, 5000, 5900, 6800}) (void)process.on_signal(SIGINT, now);
  CHECK(armed == std::vector<Ms>{5100 + limits::watchdog_ms, 200 + limits::watchdog_ms});
  armed.clear();
  Process late(1, {.window = 1000, .timeout = 4000, .lead = 0});
  ++late.workers_ready;
  late.arm_watchdog = process.arm_watchdog;
  for (const Ms now : {100, 5500}) (void)late.on_signal(SIGINT, now);
  CHECK(armed == std::vector<Ms>(2, 5100 + limits::watchdog_ms));
}

TEST_CASE("where nobody had been told to come the watchdog waits for no window either") {
  static Ms armed = 0;
  Process process(1, {.window = 1000, .timeout = 4000, .lead = 0});
  process.arm_watchdog = [](Ms at, int) { armed = at; };
  (void)process.on_signal(SIGTERM, 100);
  CHECK(armed == 4100 + limits::watchdog_ms);
}

TEST_CASE("a signal before all are ready finds no window, the same for those that start after it") {
  Process process(2, {.window = 1000, .timeout = 4000, .lead = 0});
  ++process.workers_ready;
  (void)process.on_signal(SIGTERM, 100);
  ++process.workers_ready;
  CHECK_FALSE(process.all_ready());
  CHECK_FALSE(process.servable(101));
  CHECK(process.deadlines().window_end == 100);
  Process ready(1, {.window = 1000, .timeout = 4000, .lead = 0});
  ++ready.workers_ready;
  (void)ready.on_signal(SIGTERM, 100);
  CHECK(ready.servable(101));
  CHECK(ready.deadlines().window_end == 1100);
}

TEST_CASE("a program that has nothing to serve with ends the window, and can do so in it") {
  Process never_told(1, {.window = 10'000, .timeout = 15'000});
  never_told.workers_ready = 1;
  never_told.on_stop(1000, true);
  CHECK(never_told.deadlines() == Deadlines{1000, 1000, 16'000, 0});
  Process draining(1, {.window = 10'000, .timeout = 15'000});
  draining.workers_ready = 1;
  draining.on_signal(SIGTERM, 1000);
  draining.on_stop(3000, true);
  CHECK(draining.deadlines() == Deadlines{1000, 3000, 18'000, 0});
  draining.on_stop(4000, true);
  CHECK(draining.deadlines().window_end == 3000);
}

TEST_CASE("liveness fails when one worker's loop stands still") {
  Process process(2, {});
  process.slots[0].heartbeat = 100'000;
  process.slots[1].heartbeat = 100'000;
  CHECK(process.alive(100'000 + limits::heartbeat_stale_ms - 1));
  process.slots[0].heartbeat = 100'000 + limits::heartbeat_stale_ms;
  CHECK_FALSE(process.alive(100'000 + limits::heartbeat_stale_ms));
}

TEST_CASE("when all were stopped those that have not turned since have a moment to do so") {
  Process process(2, {});
  process.slots[0].heartbeat = process.slots[1].heartbeat = 100'000;
  const Ms thawed = 100'000 + 60'000;
  process.note_turn(100'000, thawed);
  process.slots[0].heartbeat = thawed;
  CHECK(process.alive(thawed));
  CHECK(process.alive(thawed + limits::thaw_ms - 1));
  CHECK_FALSE(process.alive(thawed + limits::thaw_ms));      // that one is stuck
  process.note_turn(thawed, thawed + limits::heartbeat_ms);  // an ordinary turn excuses nobody
  CHECK_FALSE(process.alive(thawed + limits::thaw_ms));
}

TEST_CASE("a worker that was late while another turned excuses nobody") {
  Process process(3, {});
  process.slots[0].heartbeat = process.slots[1].heartbeat = 100'000;  // the second one is stuck
  const Ms now = 100'000 + limits::heartbeat_stale_ms;
  process.slots[2].heartbeat = now - limits::heartbeat_ms;
  process.note_turn(100'000, now);
  process.slots[0].heartbeat = now;
  CHECK_FALSE(process.alive(now));
}
