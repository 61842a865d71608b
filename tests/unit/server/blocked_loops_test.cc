#include "server/blocked_loops.h"

#include <doctest/doctest.h>

#include "captured.h"
#include "server/process.h"

using namespace lastcall;

namespace {

struct Watched {
  Watched() {
    process.router = &router;
    process.workers_ready = 2;
  }
  // Looked at each second, as the watch does.
  void pass(Ms until) {
    while (now < until) loops.look(now += loops.pause());
  }
  Process process{2, {}};
  Router router;
  Ms now = 100'000;
  BlockedLoops loops{process};
};

Handler nothing() {
  return [](Request&, Response&) {};
}

}  // namespace

TEST_CASE("a loop that stands still is told once, with its handler, and that it goes on") {
  Watched watched;
  const Route& route =
      watched.router.add({.method = Method::get, .path = "/slow", .handler = nothing()});
  const Captured captured;
  WorkerSlot& slot = watched.process.slots[1];
  slot.busy_since = watched.now + 500;
  slot.handling = &route;
  watched.pass(105'000);
  CHECK(captured.count("worker 1 has stood still for") == 1);
  CHECK(captured.count("in the handler of GET /slow: ") == 1);
  CHECK(captured.count("goes on") == 0);
  slot.busy_since = 0;
  watched.pass(110'000);
  CHECK(captured.count("worker 1 goes on, after about 4") == 1);
  CHECK(captured.count("stood still") == 1);
}

TEST_CASE("turns that end in time, and loops that wait, are nobody's fault") {
  Watched watched;
  const Captured captured;
  for (int i = 0; i < 10; ++i) {
    watched.process.slots[0].busy_since = watched.now + 500;  // another turn, at each look
    watched.process.slots[1].busy_since = 0;
    watched.pass(watched.now + 100);
  }
  CHECK(captured.count("worker") == 0);
  CHECK(watched.loops.pause() == limits::blocked_ms);
}

TEST_CASE("where no handler was called last, those under way are named") {
  Watched watched;
  const Route& waits =
      watched.router.add({.method = Method::get, .path = "/waits", .handler = nothing()});
  watched.router.add({.method = Method::get, .path = "/other", .handler = nothing()});
  const Captured captured;
  watched.process.slots[0].under_way.begin(waits);
  watched.process.slots[0].busy_since = watched.now;
  watched.process.slots[1].busy_since = watched.now;
  watched.pass(102'000);
  CHECK(captured.count(
            "worker 0 has stood still for 1100ms, in a coroutine, perhaps of GET /waits") == 1);
  CHECK(captured.count("worker 1 has stood still for 1100ms, in a coroutine of a job") == 1);
  CHECK(captured.count("/other") == 0);
}

TEST_CASE("after all of the process was stopped nobody is blamed") {
  Watched watched;
  const Captured captured;
  watched.process.slots[0].busy_since = watched.now;
  watched.loops.look(watched.now);
  watched.loops.look(watched.now + 60'000);
  watched.process.slots[0].busy_since = watched.now + 60'050;  // it goes on, as whoever looks does
  watched.loops.look(watched.now + 60'100);
  watched.loops.look(watched.now + 61'200);  // a stop so short that a look is hardly late
  watched.process.slots[0].busy_since = 0;
  watched.loops.look(watched.now + 61'300);
  CHECK(captured.count("worker") == 0);
  CHECK(watched.loops.pause() == limits::blocked_ms);
}

TEST_CASE("nor where the stop came before the first look") {
  Watched watched;
  const Captured captured;
  watched.process.slots[0].busy_since = watched.now - 2500;
  watched.loops.look(watched.now);
  watched.process.slots[0].busy_since = 0;
  watched.loops.look(watched.now + 100);
  CHECK(captured.count("worker") == 0);
}

TEST_CASE("what runs before serving is named as that") {
  Watched watched;
  const Captured captured;
  watched.process.workers_ready = 1;
  watched.process.slots[0].busy_since = watched.now;
  watched.pass(102'000);
  CHECK(captured.count("worker 0 has stood still for 1100ms, in what runs before serving: ") == 1);
}
