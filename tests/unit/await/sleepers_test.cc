#include "await/sleepers.h"

#include <doctest/doctest.h>

#include "stage.h"

using namespace lastcall;

namespace {

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

}  // namespace

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
