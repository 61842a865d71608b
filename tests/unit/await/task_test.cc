#include <lastcall/task.h>

#include <doctest/doctest.h>

#include <exception>
#include <memory>
#include <new>
#include <stdexcept>

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
Task<> forwards() { (void)co_await failing(); }

// How many exceptions of it are there?
template <class Base>
struct Counted : Base {
  using Base::Base;
  Counted() { ++live; }
  Counted(const Counted& other) : Base(other) { ++live; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() override { --live; }
  static inline int live = 0;
};
struct Other : std::exception {};

template <class Error>
Task<> throws_one() {
  throw Error();
  co_return;
}

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
  constexpr int links = 1'000'000;
  root.start(add(sum, links));
  CHECK(sum == 42 * links);
}

TEST_CASE("an exception travels to whoever asks for the result") {
  Root root;
  root.start(forwards());
  CHECK(root.done == 1);
  CHECK_THROWS_AS(root.task.result(), std::runtime_error);
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

// Where memory is short there is room for a few hundred exceptions, and thousands may end at once.
TEST_CASE("a task that ended for want of memory keeps no exception, and throws a new one") {
  Root root;
  root.start(throws_one<Counted<std::bad_alloc>>());
  CHECK(root.done == 1);
  CHECK(Counted<std::bad_alloc>::live == 0);
  CHECK_THROWS_AS(root.task.result(), std::bad_alloc);
  Root other;
  other.start(throws_one<Counted<Other>>());
  CHECK(Counted<Other>::live == 1);
  CHECK_THROWS_AS(other.task.result(), Other);
  Root canceled;
  canceled.start(throws_one<Canceled>());
  CHECK_THROWS_AS(canceled.task.result(), Canceled);
}
