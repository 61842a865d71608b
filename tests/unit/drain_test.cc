// The phase machine: every phase x event is a row.
#include "drain.h"

#include <doctest/doctest.h>

#include <string>

using namespace lastcall;

namespace {

constexpr Budget budget{.window = 10'000, .timeout = 15'000, .lead = 5'000};
constexpr Ms t0 = 1'000'000;

Remaining everything() {
  return {.connections = 3,
          .requests = 1,
          .jobs = 0,
          .others = 0,
          .listener = true,
          .admin = true,
          .operations = 9};
}
Remaining listening() { return {.listener = true, .operations = 3}; }
Remaining nothing() { return {}; }

// A machine brought to `phase`, with the listener still open.
Drain machine_in(Phase phase) {
  Drain drain(budget);
  if (phase >= Phase::serving) (void)drain.on(Event::ready, everything(), t0 - 100);
  if (phase >= Phase::draining) (void)drain.on(Event::signal, everything(), t0);
  if (phase >= Phase::closing) (void)drain.on(Event::tick, everything(), t0 + budget.window);
  if (phase == Phase::stopped) (void)drain.on(Event::tick, nothing(), t0 + budget.window + 1);
  REQUIRE(drain.phase() == phase);
  return drain;
}

struct Row {
  Phase phase;
  Event event;
  Remaining remaining;
  Ms at;
  Phase next;
  Actions actions;
};

}  // namespace

TEST_CASE("every phase x event leads where the table says") {
  const Ms window = budget.window;
  const Ms deadline = budget.window + budget.timeout;
  const Row rows[] = {
      // starting
      {Phase::starting, Event::ready, listening(), 0, Phase::serving, {}},
      {Phase::starting, Event::tick, listening(), 0, Phase::starting, {}},
      {Phase::starting, Event::signal, nothing(), 0, Phase::stopped, {.announce = true}},
      {Phase::starting,
       Event::signal,
       listening(),
       0,
       Phase::closing,
       {.announce = true, .close_listener = true}},
      {Phase::starting,
       Event::force,
       nothing(),
       0,
       Phase::stopped,
       {.announce = true, .cut = true}},
      // serving
      {Phase::serving, Event::ready, listening(), 0, Phase::serving, {}},
      {Phase::serving, Event::tick, everything(), 0, Phase::serving, {}},
      {Phase::serving, Event::signal, everything(), 0, Phase::draining, {.announce = true}},
      {Phase::serving,
       Event::force,
       everything(),
       0,
       Phase::closing,
       {.announce = true, .close_listener = true, .cut = true}},
      // draining
      {Phase::draining, Event::ready, everything(), 1, Phase::draining, {}},
      {Phase::draining, Event::signal, everything(), 1, Phase::draining, {}},
      {Phase::draining, Event::tick, everything(), window - 1, Phase::draining, {}},
      // Idle or not, the window is held: routers may still send.
      {Phase::draining, Event::tick, listening(), window - 1, Phase::draining, {}},
      {Phase::draining,
       Event::tick,
       everything(),
       window,
       Phase::closing,
       {.close_listener = true}},
      {Phase::draining,
       Event::force,
       everything(),
       1,
       Phase::closing,
       {.close_listener = true, .cut = true}},
      // closing
      {Phase::closing, Event::ready, everything(), window + 1, Phase::closing, {}},
      {Phase::closing, Event::signal, everything(), window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, everything(), window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, everything(), deadline - 1, Phase::closing, {}},
      {Phase::closing, Event::tick, everything(), deadline, Phase::closing, {.cut = true}},
      {Phase::closing, Event::force, everything(), window + 1, Phase::closing, {.cut = true}},
      {Phase::closing, Event::tick, {.connections = 1}, window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, {.requests = 1}, window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, {.jobs = 1}, window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, {.others = 1}, window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, {.listener = true}, window + 1, Phase::closing, {}},
      {Phase::closing,
       Event::tick,
       {.admin = true},
       window + 1,
       Phase::closing,
       {.close_admin = true}},
      {Phase::closing,
       Event::tick,
       {.operations = 2},
       window + 1,
       Phase::closing,
       {.release = true}},
      {Phase::closing, Event::tick, nothing(), window + 1, Phase::stopped, {}},
      // stopped
      {Phase::stopped, Event::ready, nothing(), deadline, Phase::stopped, {}},
      {Phase::stopped, Event::signal, nothing(), deadline, Phase::stopped, {}},
      {Phase::stopped, Event::force, nothing(), deadline, Phase::stopped, {}},
      {Phase::stopped, Event::tick, nothing(), deadline, Phase::stopped, {}},
  };
  bool seen[5][4] = {};
  for (const Row& row : rows) {
    CAPTURE(name(row.phase));
    CAPTURE(name(row.event));
    CAPTURE(row.at);
    Drain drain = machine_in(row.phase);
    const Actions actions = drain.on(row.event, row.remaining, t0 + row.at);
    CHECK(drain.phase() == row.next);
    CHECK(actions == row.actions);
    seen[static_cast<int>(row.phase)][static_cast<int>(row.event)] = true;
  }
  for (const auto& phase : seen) {
    for (const bool covered : phase) CHECK(covered);
  }
}

TEST_CASE("each action is asked for once") {
  Drain drain = machine_in(Phase::closing);
  const Ms late = t0 + budget.window + budget.timeout;
  CHECK(drain.on(Event::tick, everything(), late).cut);
  CHECK_FALSE(drain.on(Event::tick, everything(), late + 1).cut);
  CHECK(drain.on(Event::tick, {.admin = true}, late + 2).close_admin);
  CHECK_FALSE(drain.on(Event::tick, {.admin = true}, late + 3).close_admin);
  CHECK(drain.on(Event::tick, {.operations = 2}, late + 4).release);
  CHECK_FALSE(drain.on(Event::tick, {.operations = 2}, late + 5).release);
  CHECK(drain.phase() == Phase::closing);
  (void)drain.on(Event::tick, nothing(), late + 6);
  CHECK(drain.phase() == Phase::stopped);
}

TEST_CASE("all deadlines count from the signal, not from when it was noticed") {
  Drain drain = machine_in(Phase::serving);
  (void)drain.on(Event::signal, everything(), t0);
  CHECK(drain.window_end() == t0 + 10'000);
  CHECK(drain.deadline() == t0 + 25'000);
  CHECK(drain.next(t0 + 1) == t0 + 10'000);
}

TEST_CASE("a second interrupt makes the deadline now, and once only") {
  Drain drain = machine_in(Phase::draining);
  CHECK(drain.on(Event::force, everything(), t0 + 5).cut);
  CHECK(drain.forced());
  CHECK(drain.deadline() == t0 + 5);
  CHECK_FALSE(drain.on(Event::force, everything(), t0 + 6).cut);
}

TEST_CASE("readiness ends with the signal, servability its lead before the listener's end") {
  CHECK_FALSE(machine_in(Phase::starting).ready());
  CHECK(machine_in(Phase::serving).ready());
  Drain drain = machine_in(Phase::draining);
  CHECK_FALSE(drain.ready());
  CHECK(drain.servable(t0 + 4'999));
  CHECK_FALSE(drain.servable(t0 + 5'000));
  CHECK_FALSE(machine_in(Phase::closing).servable(t0 + budget.window));
}

TEST_CASE("a window of nothing closes in the turn of the signal") {
  Drain drain({.window = 0, .timeout = 100, .lead = 0});
  (void)drain.on(Event::ready, listening(), t0);
  const Actions actions = drain.on(Event::signal, listening(), t0);
  CHECK(actions == Actions{.announce = true, .close_listener = true});
  CHECK(drain.phase() == Phase::closing);
}
