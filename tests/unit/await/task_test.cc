#include <lastcall/task.h>

#include <doctest/doctest.h>

#include <memory>
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
