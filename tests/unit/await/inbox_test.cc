#include "await/inbox.h"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <lastcall/background.h>

#include "captured.h"
#include "stage.h"

using namespace lastcall;

namespace {

constexpr unsigned number = 200;  // of a worker that no other test has

// The inbox of a worker that stands on a stage.
struct Opened {
  Opened() { inbox.open(number, stage.io, event, stage.metrics, 3); }
  ~Opened() { REQUIRE(inbox.close_if_empty()); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  Stage stage;
  int event = stage.kernel.make_event();
  Inbox& inbox = inbox_of(number);
};

Task<> nothing(std::string) { co_return; }

}  // namespace

TEST_CASE("what is posted runs once, in order, and wakes the worker once") {
  Opened opened;
  std::vector<int> ran;
  for (int i = 0; i < 3; ++i) CHECK(post(number, [&ran, i] { ran.push_back(i); }));
  CHECK(ran.empty());
  CHECK(opened.inbox.has_some());
  CHECK(opened.inbox.waiting() == 3);
  CHECK(opened.stage.kernel.events[opened.event] == 1);
  opened.inbox.run(opened.stage.metrics);
  CHECK(ran == std::vector<int>{0, 1, 2});
  CHECK_FALSE(opened.inbox.has_some());
  opened.inbox.run(opened.stage.metrics);
  CHECK(ran.size() == 3);
  CHECK(post(number, [] {}));
  CHECK(opened.stage.kernel.events[opened.event] == 2);
  opened.inbox.run(opened.stage.metrics);
}

TEST_CASE("what one of them posts comes with the next turn, and what it throws is told") {
  Opened opened;
  bool again = false;
  CHECK(post(number, [&again] { CHECK(post(number, [&again] { again = true; })); }));
  opened.inbox.run(opened.stage.metrics);
  CHECK_FALSE(again);
  opened.inbox.run(opened.stage.metrics);
  CHECK(again);
  const Captured captured;
  CHECK(post(number, [] { throw std::runtime_error("no room"); }));
  CHECK(post(number, [] { throw 7; }));
  opened.inbox.run(opened.stage.metrics);
  CHECK(opened.stage.metrics.get("posts_failed") == 2);
  CHECK(captured.count("what was posted to a worker failed: no room") == 1);
}

TEST_CASE("an inbox closes only while it is empty, and takes nothing then") {
  bool ran = false;
  {
    Opened opened;
    CHECK(post(number, [&ran] { ran = true; }));
    CHECK_FALSE(opened.inbox.close_if_empty());
    opened.inbox.run(opened.stage.metrics);
  }
  CHECK(ran);
  CHECK_FALSE(post(number, [] {}));
  CHECK_FALSE(post(number + 1, [] {}));       // that never was
  CHECK_FALSE(post(workers_max + 1, [] {}));  // that cannot be
}

TEST_CASE("more than there is room for is refused and counted") {
  Opened opened;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < limits::posts_max + 10; ++i) taken += post(number, [] {});
  CHECK(taken == limits::posts_max);
  opened.inbox.run(opened.stage.metrics);
  opened.inbox.note_refused(opened.stage.metrics);
  CHECK(opened.stage.metrics.get("posts_refused") == 10);
  opened.inbox.note_refused(opened.stage.metrics);
  CHECK(opened.stage.metrics.get("posts_refused") == 10);
}

TEST_CASE("what another thread posts is seen with what it wrote before") {
  Opened opened;
  std::vector<std::string> seen;
  std::thread thread([&seen] {
    for (int i = 0; i < 1000; ++i) {
      auto text = std::make_unique<std::string>(std::to_string(i));
      CHECK(post(number, [&seen, text = std::move(text)] { seen.push_back(*text); }));
    }
  });
  while (seen.size() < 1000) opened.inbox.run(opened.stage.metrics);
  thread.join();
  CHECK(seen.front() == "0");
  CHECK(seen.back() == "999");
}

TEST_CASE("jobs of other threads are bounded as jobs are, and refused from the deadline on") {
  Opened opened;
  Context::enter(nullptr);  // as any thread
  int taken = 0;
  for (int i = 0; i < 5; ++i) taken += background("elsewhere", nothing, std::string("x"));
  CHECK(taken == 3);
  Context::enter(&opened.stage.context);
  CHECK(opened.inbox.waiting() == 3);
  opened.inbox.run(opened.stage.metrics);
  CHECK(opened.stage.metrics.get("jobs_running") == 3);
  opened.stage.turn();
  CHECK(opened.stage.metrics.get("jobs_finished") == 3);
  opened.inbox.refuse_all();
  Context::enter(nullptr);
  CHECK_FALSE(background("elsewhere", nothing, std::string("x")));
  Context::enter(&opened.stage.context);
}

TEST_CASE("once nothing else is left callables are refused, and jobs are not; later those, too") {
  Opened opened;
  bool ran = false;
  CHECK(post(number, [&ran] {
    CHECK_FALSE(post(number, [] {}));  // it would keep the drain from ending
    ran = true;
  }));
  opened.inbox.refuse_callables();
  CHECK_FALSE(post(number, [] {}));
  Context::enter(nullptr);
  CHECK(background("elsewhere", nothing, std::string("x")));
  opened.inbox.refuse_all();
  CHECK_FALSE(background("elsewhere", nothing, std::string("x")));
  Context::enter(&opened.stage.context);
  opened.inbox.run(opened.stage.metrics);
  CHECK(ran);
  opened.stage.turn();
}

TEST_CASE("what is taken back does not run, also by one before it in the same turn") {
  Opened opened;
  int ran = 0;
  struct Counting : detail::Posted {
    explicit Counting(int& count) : Posted(&Counting::call), counted(count) {}
    static void call(Posted& self) { ++static_cast<Counting&>(self).counted; }
    int& counted;
  };
  auto gone = std::make_unique<Counting>(ran);
  Counting stays(ran);
  CHECK(post(number, [&] {
    opened.inbox.take_back(*gone);
    gone.reset();
  }));
  CHECK(opened.inbox.add(*gone, Inbox::As::completion));
  CHECK(opened.inbox.add(stays, Inbox::As::completion));
  opened.inbox.run(opened.stage.metrics);
  CHECK(ran == 1);
}

namespace {

Task<> refuses(std::string text) {
  if (text == "bad") throw std::invalid_argument("bad text");
  return nothing(std::move(text));
}

}  // namespace

TEST_CASE("a job of another thread that cannot begin has failed") {
  Opened opened;
  const Captured captured;
  Context::enter(nullptr);
  CHECK(background("elsewhere", refuses, std::string("bad")));
  Context::enter(&opened.stage.context);
  opened.inbox.run(opened.stage.metrics);
  CHECK(opened.stage.metrics.get("jobs_failed") == 1);
  CHECK(opened.stage.metrics.get("posts_failed") == 0);
  CHECK(captured.count("job elsewhere failed: bad text") == 1);
}
