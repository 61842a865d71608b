#include "task.h"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>

#include "sleep.h"
#include "stage.h"

using namespace lastcall;

namespace {

Task<int> answer() { co_return 42; }
Task<int> failing() {
  throw std::runtime_error("no");
  co_return 0;
}
Task<> add(int& sum, int n) {
  for (int i = 0; i < n; ++i) sum += co_await answer();
}
Task<> nap(Ms ms, int& woken) {
  co_await sleep(std::chrono::milliseconds(ms));
  ++woken;
}
Task<> stubborn(int& canceled) {
  for (int i = 0; i < 3; ++i) {
    try {
      co_await sleep(std::chrono::hours(1));
    } catch (const Canceled&) {
      ++canceled;
    }
  }
}
Task<> forwards() { (void)co_await failing(); }

}  // namespace

TEST_CASE("a task does nothing before it is started, and tells when it has ended") {
  int sum = 0;
  Task<> task = add(sum, 3);
  CHECK(sum == 0);
  Root root;
  root.start(std::move(task));
  CHECK(root.done == 1);
  CHECK(sum == 126);
}

TEST_CASE("a long chain of awaits does not grow the stack") {
  int sum = 0;
  Root root;
  // Where a sanitizer instruments each call, g++ makes none of them a tail call.
#ifdef NDEBUG
  constexpr int links = 1'000'000;
#else
  constexpr int links = 1'000;
#endif
  root.start(add(sum, links));
  CHECK(sum == 42 * links);
}

TEST_CASE("an exception travels to whoever asks for the result") {
  Root root;
  root.start(forwards());
  CHECK(root.done == 1);
  CHECK_THROWS_AS(root.task.result(), std::runtime_error);
}

TEST_CASE("a sleeper wakes when its time has come, not before") {
  Stage stage;
  int woken = 0;
  Root root;
  root.start(nap(100, woken));
  stage.pass(99);
  CHECK(woken == 0);
  CHECK(stage.sleepers.waiting() == 1);
  stage.pass(5);
  CHECK(woken == 1);
  CHECK(stage.sleepers.waiting() == 0);
}

TEST_CASE("a sleeper that is destroyed unlinks itself") {
  Stage stage;
  int woken = 0;
  {
    Root root;
    root.start(nap(100, woken));
  }
  CHECK(stage.sleepers.waiting() == 0);
  CHECK(stage.wheel.armed() == 0);
  stage.pass(1000);
  CHECK(woken == 0);
}

TEST_CASE("the deadline wakes all sleepers with Canceled, and later sleeps at once") {
  Stage stage;
  int canceled = 0;
  int woken = 0;
  Root first;
  Root second;
  first.start(stubborn(canceled));
  second.start(nap(5, woken));
  stage.sleepers.cancel();
  CHECK(canceled == 3);
  CHECK(first.done == 1);
  CHECK(second.done == 1);
  CHECK_THROWS_AS(second.task.result(), Canceled);
  CHECK(stage.wheel.armed() == 0);
}

TEST_CASE("frames come back to the pool") {
  const std::size_t before = detail::frames_live();
  for (int i = 0; i < 5000; ++i) {
    int sum = 0;
    Root root;
    root.start(add(sum, 2));
  }
  CHECK(detail::frames_live() == before);
}
