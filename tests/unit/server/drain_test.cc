// The phase machine: every phase x event is a row.
#include "server/drain.h"

#include <doctest/doctest.h>

#include <string>

using namespace lastcall;

namespace {

constexpr Budget budget{.window = 10'000, .timeout = 15'000, .lead = 5'000, .behind = 6'000};
constexpr Ms t0 = 1'000'000;

Remaining everything() {
  return {.connections = 3,
          .handlers = 1,
          .jobs = 0,
          .others = 0,
          .listener = true,
          .last_work = true,
          .admin = true,
          .operations = 9};
}
Remaining listening() { return {.listener = true, .operations = 3}; }
Remaining nothing() { return {}; }

// A machine and the deadlines that a process would give it.
struct Machine {
  Actions on(Event event, const Remaining& remaining, Ms now) {
    if (event == Event::signal && !deadlines.set())
      deadlines = Deadlines::from(now, budget, drain.phase() == Phase::serving);
    if (event == Event::force) {
      if (!deadlines.set()) deadlines = Deadlines::from(now, budget, false);
      deadlines = deadlines.forced(now);
    }
    return drain.on(event, deadlines, remaining, now);
  }
  [[nodiscard]] Phase phase() const { return drain.phase(); }

  Drain drain;
  Deadlines deadlines;
};

// Brought to `phase`, with the listener still open.
Machine machine_in(Phase phase) {
  Machine machine;
  if (phase >= Phase::serving) (void)machine.on(Event::ready, everything(), t0 - 100);
  if (phase >= Phase::draining) (void)machine.on(Event::signal, everything(), t0);
  if (phase >= Phase::closing) (void)machine.on(Event::tick, everything(), t0 + budget.window);
  if (phase == Phase::stopped) (void)machine.on(Event::tick, nothing(), t0 + budget.window + 1);
  REQUIRE(machine.phase() == phase);
  return machine;
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
      {Phase::starting, Event::signal, nothing(), 0, Phase::stopped, {.begin_drain = true}},
      {Phase::starting,
       Event::signal,
       listening(),
       0,
       Phase::closing,
       {.begin_drain = true, .begin_closing = true}},
      {Phase::starting,
       Event::force,
       nothing(),
       0,
       Phase::stopped,
       {.begin_drain = true, .cut = true}},
      // serving
      {Phase::serving, Event::ready, listening(), 0, Phase::serving, {}},
      {Phase::serving, Event::tick, everything(), 0, Phase::serving, {}},
      {Phase::serving, Event::signal, everything(), 0, Phase::draining, {.begin_drain = true}},
      {Phase::serving,
       Event::force,
       everything(),
       0,
       Phase::closing,
       {.begin_drain = true, .begin_closing = true, .cut = true}},
      // draining
      {Phase::draining, Event::ready, everything(), 1, Phase::draining, {}},
      {Phase::draining, Event::signal, everything(), 1, Phase::draining, {}},
      {Phase::draining, Event::tick, everything(), window - 1, Phase::draining, {}},
      // Idle or not, the window is held: routers may still send.
      {Phase::draining, Event::tick, listening(), window - 1, Phase::draining, {}},
      {Phase::draining, Event::tick, everything(), window, Phase::closing, {.begin_closing = true}},
      {Phase::draining,
       Event::force,
       everything(),
       1,
       Phase::closing,
       {.begin_closing = true, .cut = true}},
      // closing
      {Phase::closing, Event::ready, everything(), window + 1, Phase::closing, {}},
      {Phase::closing, Event::signal, everything(), window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, everything(), window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, everything(), deadline - 1, Phase::closing, {}},
      {Phase::closing, Event::tick, everything(), deadline, Phase::closing, {.cut = true}},
      {Phase::closing, Event::force, everything(), window + 1, Phase::closing, {.cut = true}},
      {Phase::closing, Event::tick, {.connections = 1}, window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, {.handlers = 1}, window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, {.jobs = 1}, window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, {.others = 1}, window + 1, Phase::closing, {}},
      {Phase::closing, Event::tick, {.listener = true}, window + 1, Phase::closing, {}},
      {Phase::closing,
       Event::tick,
       {.last_work = true, .admin = true},
       window + 1,
       Phase::closing,
       {.begin_last_work = true}},
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
    Machine drain = machine_in(row.phase);
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
  Machine drain = machine_in(Phase::closing);
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
  Drain drain;
  const Deadlines deadlines = Deadlines::from(t0, budget, true);
  (void)drain.on(Event::ready, {}, everything(), t0 - 100);
  (void)drain.on(Event::signal, deadlines, everything(), t0 + 300);
  CHECK(deadlines == Deadlines{t0, t0 + 10'000, t0 + 25'000, 6'000});
  CHECK(drain.next(deadlines, t0 + 301) == t0 + 10'000);
}

TEST_CASE("before anybody was told to come there is no window") {
  CHECK(Deadlines::from(t0, budget, false) == Deadlines{t0, t0, t0 + 15'000, 6'000});
}

TEST_CASE("a second interrupt makes the deadline now, and once only") {
  Machine machine = machine_in(Phase::draining);
  CHECK(machine.on(Event::force, everything(), t0 + 5).cut);
  CHECK(machine.deadlines == Deadlines{t0, t0 + 5, t0 + 5, 0});
  CHECK_FALSE(machine.on(Event::force, everything(), t0 + 6).cut);
  CHECK(machine.deadlines.deadline == t0 + 5);
}

TEST_CASE("a second interrupt while it closes moves no window that is over") {
  const Deadlines late = Deadlines::from(t0, budget, true).forced(t0 + 12'000);
  CHECK(late == Deadlines{t0, t0 + 10'000, t0 + 12'000, 0});
}

TEST_CASE("a window that the program ends brings the deadline forward by as much") {
  const Deadlines all = Deadlines::from(t0, budget, true);
  CHECK(all.closed(t0 + 4'000) == Deadlines{t0, t0 + 4'000, t0 + 19'000, 6'000});
  CHECK(all.closed(t0 + 11'000) == all);
}

TEST_CASE("what the program does last has time of its own, whenever it begins") {
  const Remaining last{.last_work = true, .admin = true};
  for (const Ms begun : {budget.window + 1, budget.window + budget.timeout + 500}) {
    Machine machine = machine_in(Phase::closing);
    if (begun > budget.window + budget.timeout)
      CHECK(machine.on(Event::tick, everything(), t0 + budget.window + budget.timeout).cut);
    CHECK(machine.on(Event::tick, last, t0 + begun) == Actions{.begin_last_work = true});
    // Nothing is left that the deadline could cut.
    CHECK(machine.on(Event::tick, last, t0 + begun + budget.behind - 1) == Actions{});
    CHECK(machine.on(Event::tick, last, t0 + begun + budget.behind) ==
          Actions{.cut_last_work = true});
    CHECK(machine.on(Event::tick, last, t0 + begun + budget.behind + 1) == Actions{});
    CHECK(machine.on(Event::tick, {.admin = true}, t0 + begun + 7'000).close_admin);
  }
}

TEST_CASE("a second interrupt cuts what the program does last") {
  const Remaining last{.last_work = true};
  Machine machine = machine_in(Phase::closing);
  (void)machine.on(Event::tick, last, t0 + budget.window + 1);
  CHECK(machine.on(Event::force, last, t0 + budget.window + 2) == Actions{.cut_last_work = true});
  Machine forced = machine_in(Phase::closing);
  (void)forced.on(Event::force, everything(), t0 + budget.window + 1);
  CHECK(forced.on(Event::tick, last, t0 + budget.window + 2) == Actions{.begin_last_work = true});
  CHECK(forced.on(Event::tick, last, t0 + budget.window + 3) == Actions{.cut_last_work = true});
}

TEST_CASE("readiness ends with the signal, servability its lead before the listener's end") {
  CHECK_FALSE(machine_in(Phase::serving).deadlines.set());
  const Machine machine = machine_in(Phase::draining);
  CHECK(machine.deadlines.set());
  CHECK(machine.deadlines.servable(t0 + 4'999, budget.lead));
  CHECK_FALSE(machine.deadlines.servable(t0 + 5'000, budget.lead));
  CHECK_FALSE(machine_in(Phase::closing).deadlines.servable(t0 + budget.window, budget.lead));
}

TEST_CASE("a window of nothing closes in the turn of the signal") {
  Drain drain;
  const Deadlines deadlines = Deadlines::from(t0, {.window = 0, .timeout = 100, .lead = 0}, true);
  (void)drain.on(Event::ready, {}, listening(), t0);
  const Actions actions = drain.on(Event::signal, deadlines, listening(), t0);
  CHECK(actions == Actions{.begin_drain = true, .begin_closing = true});
  CHECK(drain.phase() == Phase::closing);
}
