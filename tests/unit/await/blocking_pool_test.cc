#include "await/blocking_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <lastcall/background.h>
#include <lastcall/blocking.h>

#include "await/inbox.h"
#include "captured.h"
#include "stage.h"

using namespace lastcall;
using namespace std::chrono_literals;

namespace {

constexpr unsigned number = 201;  // of a worker that no other test has

// A worker that stands on a stage, and turns until something has happened.
struct Worked {
  explicit Worked(std::size_t threads, std::size_t jobs_max = 100)
      : stage(sim::Faults::none(), 1, jobs_max), pool(std::make_unique<BlockingPool>(threads)) {
    stage.context.worker = number;
    stage.context.blocking = pool.get();
    inbox.open(number, stage.io, stage.kernel.make_event(), stage.metrics, jobs_max);
  }
  ~Worked() {
    pool.reset();
    REQUIRE(inbox.close_if_empty());
  }
  Worked(const Worked&) = delete;
  Worked& operator=(const Worked&) = delete;

  void turn() {
    inbox.run(stage.metrics);
    stage.turn();
  }
  template <class Condition>
  void until(Condition condition) {
    for (int i = 0; i < 5000 && !condition(); ++i) {
      turn();
      std::this_thread::sleep_for(1ms);
    }
    CHECK(condition());
  }
  // As Worker::cut does.
  void cut() {
    inbox.refuse_all();
    stage.jobs.on_deadline(stage.now);
    for (detail::BlockingCall* next = pool->take_back(number); next != nullptr;)
      std::exchange(next, next->behind)->cancel();
    stage.operations.cancel_all();
  }

  Stage stage;
  std::unique_ptr<BlockingPool> pool;
  Inbox& inbox = inbox_of(number);
};

Task<> adds(int& sum, int n) {
  sum += co_await run_blocking("adding", [&] { return n; });
}

}  // namespace

TEST_CASE("a call returns a value, nothing, or throws, and is a job meanwhile") {
  Worked worked(2);
  std::string told;
  const auto caller = std::this_thread::get_id();
  Root root;
  root.start([](std::string& to, std::thread::id worker) -> Task<> {
    to = co_await run_blocking("texts", [&] {
      return std::this_thread::get_id() == worker ? "here" : std::string("elsewhere");
    });
    co_await run_blocking("nothing", [&] { to += ", ended"; });
    try {
      co_await run_blocking("failing", [] { throw std::runtime_error("as it should"); });
    } catch (const std::runtime_error& error) {
      to.append(", ").append(error.what());
    }
  }(told, caller));
  CHECK(worked.stage.metrics.get("jobs_running") == 1);
  worked.until([&] { return root.done == 1; });
  CHECK(told == "elsewhere, ended, as it should");
  CHECK(worked.stage.metrics.get("jobs_started") == 3);
  CHECK(worked.stage.metrics.get("jobs_finished") == 3);
  CHECK(worked.stage.metrics.get("jobs_running") == 0);
}

TEST_CASE("more calls than threads all run, on no more threads than that") {
  Worked worked(3);
  std::atomic<int> at_once{0};
  std::atomic<int> most{0};
  std::vector<std::unique_ptr<Root>> roots;
  for (int i = 0; i < 60; ++i) {
    roots.push_back(std::make_unique<Root>());
    roots.back()->start([](std::atomic<int>& now, std::atomic<int>& peak) -> Task<> {
      co_await run_blocking("counting", [&] {
        const int here = ++now;
        for (int seen = peak; seen < here && !peak.compare_exchange_weak(seen, here);) {
        }
        std::this_thread::sleep_for(2ms);
        --now;
      });
    }(at_once, most));
  }
  worked.until([&] { return worked.stage.metrics.get("jobs_finished") == 60; });
  worked.until([&] { return roots.back()->done == 1; });
  CHECK(most <= 3);
  CHECK(most >= 2);
}

TEST_CASE("at the deadline what has not begun is canceled, and what runs goes on") {
  Worked worked(1);
  std::promise<void> gate;
  const std::shared_future<void> opened = gate.get_future();
  std::atomic<bool> begun{false};
  Root first;
  first.start([](std::shared_future<void> until, std::atomic<bool>& told) -> Task<> {
    co_await run_blocking("first", [&] {
      told = true;
      until.wait();
    });
  }(opened, begun));
  worked.until([&] { return begun.load(); });
  int sum = 0;
  Root second;
  second.start(adds(sum, 1));
  const Captured captured;
  worked.cut();
  worked.turn();
  CHECK(second.done == 1);
  CHECK_THROWS_AS(second.task.result(), Canceled);
  CHECK(worked.stage.metrics.get("jobs_unfinished") == 1);
  CHECK(captured.count("1 job unfinished at the deadline: adding") == 1);
  CHECK(first.done == 0);
  worked.stage.pass(limits::job_overdue_ms + 10);
  CHECK(captured.count("1 job still running, and cannot be cancelled: first") == 1);
  gate.set_value();
  worked.until([&] { return first.done == 1; });
  CHECK_NOTHROW(first.task.result());
  CHECK(sum == 0);
  Root late;
  late.start(adds(sum, 1));
  CHECK(late.done == 1);
  CHECK_THROWS_AS(late.task.result(), Canceled);
}

namespace {

Task<> nested(int* sum) { co_await adds(*sum, 1); }

}  // namespace

TEST_CASE("a call is a job, but takes no job's place") {
  Worked worked(1, 1);
  int sum = 0;
  CHECK(background("outer", nested, &sum));
  CHECK_FALSE(background("outer", nested, &sum));
  worked.until([&] { return worked.stage.metrics.get("blocking_calls") == 1; });
  CHECK(worked.stage.metrics.get("jobs_running") == 2);
  worked.until([&] { return worked.stage.metrics.get("jobs_finished") == 2; });
  CHECK(sum == 1);
  Root root;
  root.start(adds(sum, 1));
  CHECK(background("outer", nested, &sum));
  worked.until([&] { return sum == 3; });
}

TEST_CASE("a frame that is destroyed takes its call back, or waits for it") {
  Worked worked(1);
  std::promise<void> gate;
  const std::shared_future<void> opened = gate.get_future();
  std::atomic<bool> begun{false};
  std::atomic<int> ran{0};
  const auto waits = [&begun](std::shared_future<void> until, std::atomic<int>& count) -> Task<> {
    co_await run_blocking("gone", [&] {
      begun = true;
      until.wait();
      ++count;
    });
  };
  auto running = std::make_unique<Root>();
  auto queued = std::make_unique<Root>();
  running->start(waits(opened, ran));
  queued->start(waits(opened, ran));
  worked.until([&] { return begun.load(); });
  queued.reset();
  CHECK(worked.stage.metrics.get("jobs_running") == 1);
  std::thread opener([&gate] {
    std::this_thread::sleep_for(20ms);
    gate.set_value();
  });
  running.reset();
  opener.join();
  CHECK(ran == 1);
  CHECK(worked.stage.metrics.get("jobs_running") == 0);
  worked.turn();
}
