// simulate [--schedules N] [--first SEED] [--seed SEED] [--seed-short SEED]: runs schedules, a
// quarter as many short of memory, and the canaries.
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <lastcall/log.h>

#include "schedule.h"
#include "shortage.h"

namespace {

using lastcall::sim::Canary;
using lastcall::sim::run_schedule;
using lastcall::sim::Shortage;
using lastcall::sim::Verdict;

std::uint64_t number(const char* text) {
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  if (std::from_chars(text, end, value).ptr != end || text == end) {
    fmt::print(stderr, "simulate: '{}' is not a whole number\n", text);
    std::exit(2);
  }
  return value;
}

void print(std::uint64_t seed, const Verdict& v) {
  fmt::print(
      "seed {}: exit {}, answered {}, refused {}, lost {}, cut {}, late {}, after un-listen "
      "{}, swept {}, counted {}, unfinished {}{}{}\n",
      seed, v.exit_code, v.answered, v.refused, v.lost, v.cut, v.late, v.after_unlisten, v.swept,
      v.counted, v.unfinished, v.failure.empty() ? "" : ": FAILED: ", v.failure);
}

std::uint64_t current_seed = 0;
std::uint64_t failures = 0;  // of allocations

// A CHECK that fails says where; the seed is needed, too, to see it again.
void say_seed(int) {
  fmt::print(stderr, "simulate: that was seed {}\n", current_seed);
  std::signal(SIGABRT, SIG_DFL);
}

Verdict run(std::uint64_t seed, Canary canary = Canary::none) {
  current_seed = seed;
  return run_schedule(seed, canary);
}

// The same with allocations that fail, rarely or often.
Verdict run_short_of_memory(std::uint64_t seed) {
  current_seed = seed;
  const double probability = seed % 3 == 0 ? 0.2 : 0.01;
  Shortage::begin(seed, probability);
  const Verdict v = run_schedule(seed, Canary::none, probability);
  failures += Shortage::failures();
  Shortage::end();
  return v;
}

// A planted bug must be seen within ten thousand schedules, by the oracle or by a CHECK, or both
// are blind. In a process of its own, which a CHECK ends.
bool canary_is_seen(Canary canary, const char* name) {
  constexpr std::uint64_t tries = 10'000;
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    for (std::uint64_t seed = 1; seed <= tries; ++seed) {
      const Verdict v = run(seed, canary);
      if (v.failure.empty()) continue;
      fmt::print("canary {}: seen at seed {}: {}\n", name, seed, v.failure);
      std::fflush(stdout);
      _exit(0);
    }
    fmt::print("canary {}: NOT seen in {} schedules\n", name, tries);
    std::fflush(stdout);
    _exit(1);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return false;
  const bool checked = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  if (checked) fmt::print("canary {}: seen by that CHECK\n", name);
  return checked || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t schedules = 2000;
  std::uint64_t first = 1;
  std::signal(SIGABRT, say_seed);
  lastcall::log::configure(lastcall::log::Format::text, lastcall::log::Level::off);
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    if (i + 1 == argc) {
      fmt::print(stderr, "simulate: {} needs a value\n", option);
      return 2;
    }
    if (option == "--schedules") {
      schedules = number(argv[i + 1]);
    } else if (option == "--first") {
      first = number(argv[i + 1]);
    } else if (option == "--seed" || option == "--seed-short") {
      lastcall::log::configure(lastcall::log::Format::text, lastcall::log::Level::debug);
      const std::uint64_t seed = number(argv[i + 1]);
      const Verdict v = option == "--seed" ? run(seed) : run_short_of_memory(seed);
      print(seed, v);
      return v.failure.empty() ? 0 : 1;
    } else {
      fmt::print(stderr,
                 "simulate [--schedules N] [--first SEED] [--seed SEED] [--seed-short SEED]\n");
      return 2;
    }
  }
  std::uint64_t failed = 0;
  Verdict sum;
  for (std::uint64_t seed = first; seed < first + schedules; ++seed) {
    const Verdict v = run(seed);
    if (!v.failure.empty()) {
      ++failed;
      if (failed <= 10) print(seed, v);
    }
    sum.answered += v.answered;
    sum.refused += v.refused;
    sum.lost += v.lost;
    sum.cut += v.cut;
    sum.late += v.late;
    sum.counted += v.counted;
    sum.unfinished += v.unfinished;
    sum.swept += v.swept;
    sum.after_unlisten += v.after_unlisten;
  }
  fmt::print(
      "{} schedules: {} answered, {} connections refused, {} lost and accounted for, {} cut "
      "at a deadline, {} after un-listen, {} swept, {} increments counted once, {} unfinished and "
      "named\n",
      schedules, sum.answered, sum.refused, sum.lost, sum.cut, sum.after_unlisten, sum.swept,
      sum.counted, sum.unfinished);
  const std::uint64_t of_short = schedules / 4;
  for (std::uint64_t seed = first; seed < first + of_short; ++seed) {
    const Verdict v = run_short_of_memory(seed);
    if (v.failure.empty()) continue;
    if (++failed <= 10) fmt::print("short of memory: "), print(seed, v);
  }
  fmt::print("{} schedules short of memory: {} allocations failed, and nobody's process ended\n",
             of_short, failures);
  if (of_short > 0 && failures == 0) ++failed;
  std::uint64_t passed = schedules + of_short - std::min(failed, schedules + of_short);
  const struct {
    Canary canary;
    const char* name;
  } canaries[] = {{Canary::no_sweep, "no-sweep"},
                  {Canary::lost_socket, "lost-socket"},
                  {Canary::silent_short_send, "silent-short-send"},
                  {Canary::answers_twice, "answers-twice"},
                  {Canary::lost_completion, "lost-completion"},
                  {Canary::doubled_completion, "doubled-completion"},
                  {Canary::overstated_send, "overstated-send"},
                  {Canary::kept_buffer, "kept-buffer"},
                  {Canary::redis_forgets, "redis-forgets"},
                  {Canary::redis_drops, "redis-drops"}};
  for (const auto& canary : canaries) {
    canary_is_seen(canary.canary, canary.name) ? ++passed : ++failed;
  }
  fmt::print("{} passed, {} failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
