#include <lastcall/latch.h>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "stage.h"

using namespace lastcall;

namespace {

Task<> awaits(Latch* latch) { co_await *latch; }

}  // namespace

TEST_CASE("a latch wakes its waiter at the end of the turn, and lets later ones pass") {
  Stage stage;
  Latch latch;
  Root waiter;
  waiter.start(awaits(&latch));
  latch.set();
  CHECK(waiter.done == 0);
  stage.turn();
  CHECK(waiter.done == 1);
  Root later;
  later.start(awaits(&latch));
  CHECK(later.done == 1);
}

TEST_CASE("a latch refuses a second waiter, and still wakes the first") {
  Stage stage;
  Latch latch;
  Root first;
  Root second;
  first.start(awaits(&latch));
  second.start(awaits(&latch));
  CHECK_THROWS_AS(second.task.result(), std::logic_error);
  latch.set();
  stage.turn();
  CHECK(first.done == 1);
}

TEST_CASE("a mutex serves first come, first served, at the end of a turn") {
  Stage stage;
  Mutex mutex;
  std::string order;
  struct Taker {
    static Task<> takes(Mutex* mutex, std::string* order, char name) {
      const Mutex::Guard guard = co_await mutex->lock();
      *order += name;
      co_await turn_end();
    }
  };
  Root roots[3];
  for (int i = 0; i < 3; ++i)
    roots[i].start(Taker::takes(&mutex, &order, static_cast<char>('a' + i)));
  CHECK(order == "a");
  CHECK(mutex.waiting() == 2);
  for (int turns = 0; turns < 6; ++turns) stage.turn();
  CHECK(order == "abc");
  CHECK(mutex.waiting() == 0);
}
