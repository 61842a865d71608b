#include "program/batch.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "stage.h"

using namespace lastcall;

namespace {

struct Commits {
  static Task<> commit(void* self, std::uint64_t sum) {
    auto& commits = *static_cast<Commits*>(self);
    co_await sleep(std::chrono::milliseconds(10));
    if (commits.fails) throw std::runtime_error("no disk");
    commits.sums.push_back(sum);
  }
  std::vector<std::uint64_t> sums;
  bool fails = false;
};

Task<> adds(Batch* batch, std::uint64_t n) { co_await batch->add(n); }

}  // namespace

TEST_CASE("what is added in one turn is one commit, and what comes meanwhile the next") {
  Stage stage;
  Commits commits;
  Batch batch(&Commits::commit, &commits);
  Root roots[6];
  for (int i = 0; i < 3; ++i) roots[i].start(adds(&batch, 1));
  stage.turn();
  for (int i = 3; i < 6; ++i) roots[i].start(adds(&batch, 10));
  stage.pass(15);
  CHECK(commits.sums == std::vector<std::uint64_t>{3});
  CHECK(roots[0].done == 1);
  stage.turn();
  CHECK(roots[2].done == 1);
  CHECK(roots[3].done == 0);
  stage.pass(15);
  stage.turn();
  CHECK(commits.sums == std::vector<std::uint64_t>{3, 30});
  for (const Root& root : roots) CHECK(root.done == 1);
}

TEST_CASE("all of a batch learn that its commit failed, and the next is tried") {
  Stage stage;
  Commits commits;
  commits.fails = true;
  Batch batch(&Commits::commit, &commits);
  Root roots[3];
  for (int i = 0; i < 2; ++i) roots[i].start(adds(&batch, 1));
  stage.turn();
  roots[2].start(adds(&batch, 5));
  stage.pass(15);
  stage.turn();
  commits.fails = false;
  for (int i = 0; i < 2; ++i) CHECK_THROWS_AS(roots[i].task.result(), std::runtime_error);
  stage.pass(15);
  stage.turn();
  CHECK(commits.sums == std::vector<std::uint64_t>{5});
}

TEST_CASE("at the deadline the followers of a batch are told by its leader") {
  Stage stage;
  Commits commits;
  Batch batch(&Commits::commit, &commits);
  Root roots[2];
  for (Root& root : roots) root.start(adds(&batch, 1));
  stage.turn();
  stage.cut();
  stage.turn();
  for (Root& root : roots) CHECK_THROWS_AS(root.task.result(), Canceled);
}
