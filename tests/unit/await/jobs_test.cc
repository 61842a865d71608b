#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include <lastcall/background.h>

#include "stage.h"

using namespace lastcall;

namespace {

Task<> naps(Ms ms, int* ended) {
  co_await sleep(std::chrono::milliseconds(ms));
  ++*ended;
}
Task<> fails(std::string why) {
  co_await sleep(std::chrono::milliseconds(4));
  throw std::runtime_error(why);
}
Task<> ends_at_once(int* ended) {
  ++*ended;
  co_return;
}
Task<> starts_another(int* ended) {
  (void)background("child", ends_at_once, ended);
  co_return;
}
// Awaits nothing of ours: nobody can cancel it.
Task<> waits_for(Latch* latch) { co_await *latch; }

}  // namespace

TEST_CASE("a job is counted before it runs, and runs at the end of the turn") {
  Stage stage;
  int ended = 0;
  CHECK(background("work", ends_at_once, &ended));
  CHECK(stage.jobs.running() == 1);
  CHECK(stage.metrics.get("jobs_started") == 1);
  CHECK(ended == 0);
  stage.turn();
  CHECK(ended == 1);
  CHECK(stage.jobs.running() == 0);
  CHECK(stage.metrics.get("jobs_finished") == 1);
}

TEST_CASE("a job keeps its values when its caller has gone") {
  Stage stage;
  int ended = 0;
  {
    const Ms local_value = 50;
    CHECK(background("work", naps, local_value, &ended));
  }
  stage.turn();
  stage.pass(60);
  CHECK(ended == 1);
}

TEST_CASE("no more jobs than the bound; the refusal is told and counted") {
  Stage stage;
  int ended = 0;
  for (int i = 0; i < 3; ++i) CHECK(background("work", naps, Ms{10}, &ended));
  CHECK_FALSE(background("work", naps, Ms{10}, &ended));
  CHECK(stage.metrics.get("jobs_refused") == 1);
  stage.turn();
  stage.pass(20);
  CHECK(ended == 3);
  CHECK(background("work", ends_at_once, &ended));
  stage.turn();
}

TEST_CASE("a job may start another") {
  Stage stage;
  int ended = 0;
  CHECK(background("parent", starts_another, &ended));
  stage.turn();
  stage.turn();
  CHECK(ended == 1);
  CHECK(stage.metrics.get("jobs_finished") == 2);
}

TEST_CASE("a job that throws has failed, which is no business of the deadline") {
  Stage stage;
  CHECK(background("work", fails, std::string("no luck")));
  stage.turn();
  stage.pass(10);
  CHECK(stage.metrics.get("jobs_failed") == 1);
  CHECK(stage.metrics.get("jobs_unfinished") == 0);
}

TEST_CASE("jobs cut by the deadline are unfinished, by name and age; later ones are refused") {
  Stage stage;
  int ended = 0;
  CHECK(background("mail", naps, Ms{5000}, &ended));
  CHECK(background("index", naps, Ms{5000}, &ended));
  stage.turn();
  stage.pass(1000);
  CHECK(background("mail", naps, Ms{5000}, &ended));  // not begun yet at the deadline
  stage.cut();
  stage.turn();
  CHECK(ended == 0);
  CHECK(stage.jobs.running() == 0);
  CHECK(stage.metrics.get("jobs_unfinished") == 3);
  CHECK(std::string_view(stage.table[0].name) == "mail");
  CHECK(stage.table[0].unfinished == 2);
  CHECK(stage.table[0].oldest_ms == 1000);
  CHECK(stage.table[1].unfinished == 1);
  CHECK_FALSE(background("mail", naps, Ms{1}, &ended));
  CHECK(stage.wheel.armed() == 0);
}

TEST_CASE("a job that cannot be cancelled is named all the same, once") {
  Stage stage;
  Latch latch;
  CHECK(background("stubborn", waits_for, &latch));
  stage.turn();
  stage.cut();
  stage.turn();
  CHECK(stage.metrics.get("jobs_unfinished") == 0);
  stage.pass(limits::job_overdue_ms + 10);
  CHECK(stage.metrics.get("jobs_unfinished") == 0);  // not yet: it may end well
  CHECK(stage.table[0].oldest_ms >= limits::job_overdue_ms);
  CHECK(stage.jobs.running() == 1);
  latch.set();
  stage.turn();
  CHECK(stage.jobs.running() == 0);
  CHECK(stage.metrics.get("jobs_finished") == 1);
  CHECK(stage.metrics.get("jobs_unfinished") == 0);
}

TEST_CASE("of very many unfinished jobs the first are named one by one, and all are counted") {
  Stage stage(sim::Faults::none(), 1, 10'000);
  int ended = 0;
  constexpr std::size_t many = (limits::job_lines + 5) * limits::jobs_named_per_line;
  for (std::size_t i = 0; i < many; ++i) REQUIRE(background("mail", naps, Ms{5000}, &ended));
  stage.turn();
  stage.cut();
  stage.turn();
  CHECK(stage.metrics.get("jobs_unfinished") == many);
  CHECK(stage.table[0].unfinished == many);
  stage.jobs.say_rest();
  CHECK(stage.jobs.running() == 0);
}

TEST_CASE("job names beyond the size of the table are listed together as others") {
  Stage stage;
  Jobs many(stage.wheel, stage.metrics, stage.table, 100);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < limits::job_names_max + 5; ++i)
    names.push_back("job " + std::to_string(i));
  int ended = 0;
  for (const std::string& name : names) CHECK(many.start(name, ends_at_once(&ended), stage.now));
  CHECK(std::string_view(stage.table.back().name.load(), stage.table.back().name_bytes) == "other");
  CHECK(stage.table.back().running == 6);
  many.run_new();
  many.finish(stage.now);
  CHECK(stage.table.back().running == 0);
}

namespace {

struct StartsAnother {
  StartsAnother() = default;
  StartsAnother(const StartsAnother&) = delete;
  StartsAnother& operator=(const StartsAnother&) = delete;
  ~StartsAnother() { (void)background("child", ends_at_once, ended); }
  int* ended = nullptr;
};
Task<> holds(std::shared_ptr<StartsAnother>) { co_return; }

}  // namespace

TEST_CASE("what a job held may start another as it goes") {
  Stage stage(sim::Faults::none(), 1, 100);
  int ended = 0;
  for (int i = 0; i < 20; ++i) {
    auto held = std::make_shared<StartsAnother>();
    held->ended = &ended;
    CHECK(background("holds", holds, std::move(held)));
  }
  for (int i = 0; i < 4; ++i) stage.turn();
  CHECK(ended == 20);
  CHECK(stage.jobs.running() == 0);
  CHECK(stage.metrics.get("jobs_finished") == 40);
}

TEST_CASE("a job that ends in the turn in which it would be overdue is not") {
  Stage stage;
  Latch latch;
  CHECK(background("late", waits_for, &latch));
  stage.turn();
  stage.cut();
  stage.now += limits::job_overdue_ms + 8;
  stage.kernel.now = stage.context.now = stage.now;
  latch.set();
  stage.ready.run();               // its last step
  stage.wheel.advance(stage.now);  // and in the same turn the timer
  CHECK(stage.metrics.get("jobs_finished") == 1);
  CHECK(stage.table[0].unfinished == 0);
  CHECK(stage.table[0].oldest_ms == 0);
}

TEST_CASE("of very many jobs that fail together few errors are kept, and all are counted") {
  Stage stage(sim::Faults::none(), 1, 1000);
  for (int i = 0; i < 500; ++i) CHECK(background("fails", fails, std::string("why")));
  stage.turn();
  stage.pass(8);
  stage.turn();
  CHECK(stage.metrics.get("jobs_failed") == 500);
  CHECK(stage.jobs.running() == 0);
}
