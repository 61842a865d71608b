// What coroutines stand on, without a worker: for tests of tasks, jobs, streams and metrics.
#pragma once

#include <lastcall/latch.h>

#include "await/context.h"
#include "await/jobs.h"
#include "await/open_streams.h"
#include "await/operations.h"
#include "await/ready.h"
#include "await/resolver.h"
#include "await/sleepers.h"
#include "base/metrics.h"
#include "io/simulated.h"

namespace lastcall {

// Owns a coroutine, and counts that it has ended.
struct Root {
  static void on_done(void* self) noexcept { ++static_cast<Root*>(self)->done; }
  void start(Task<> given) {
    task = std::move(given);
    task.start(&Root::on_done, this);
  }
  Task<> task;
  int done = 0;
};

struct Stage {
  explicit Stage(const sim::Faults& faults = sim::Faults::none(), std::uint64_t seed = 1,
                 std::size_t jobs_max = 3)
      : kernel(seed, faults), jobs(wheel, metrics, table, jobs_max) {
    Context::enter(&context);
  }
  ~Stage() {
    resolver.close();
    open_streams.let_go();
    for (int turns = 0; operations.outstanding() > 0 && turns < 1000; ++turns) turn();
    open_streams.close_all();
    while (io.operations() > 0) (void)io.harvest(now);  // cancels
    Context::enter(nullptr);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  void turn() {
    for (const Completion& completion : io.harvest(now)) {
      if (completion.ticket.kind == Kind::awaited) operations.on_awaited(completion);
    }
    wheel.advance(now);
    ready.run();
    jobs.run_new();
    jobs.finish(now);
  }
  void pass(Ms ms) {
    now += ms;
    kernel.now = context.now = now;
    turn();
  }
  // As Worker::cut does.
  void cut() {
    jobs.on_deadline(now);
    operations.cancel_all();
    resolver.cancel();
    sleepers.cancel();
  }

  Ms now = 1'000'000;
  sim::Kernel kernel;
  sim::SimIo io{kernel};
  TimerWheel wheel{now};
  Sleepers sleepers{wheel};
  Ready ready;
  Ready drain_waiters;
  Operations operations{io, wheel};
  OpenStreams open_streams;
  Resolver resolver{operations, wheel};
  Metrics metrics;
  JobTable table{};
  Jobs jobs;
  Context context{.io = io,
                  .timers = wheel,
                  .metrics = metrics,
                  .sleepers = sleepers,
                  .ready = ready,
                  .drain_begun = drain_waiters,
                  .operations = operations,
                  .resolver = resolver,
                  .open_streams = open_streams,
                  .jobs = jobs,
                  .worker = 0,
                  .now = now};
};

}  // namespace lastcall
