// Runs a program as PID 1 of a new PID namespace, again and again, and sends it SIGTERM at a random
// instant just after it has blocked that signal.
//
//   pid1 ROUNDS SEED SPREAD_US DEADLINE_MS after|before PROGRAM ARGUMENTS…
//
// For PID 1 the kernel discards a signal that is neither blocked nor handled. `after`: the signal
// comes 0 to SPREAD_US after SigBlk of /proc/PID/status shows SIGTERM blocked: from there on it
// must never be lost. `before`: it comes before the exec and is lost for certain, which shows that
// a loss would be seen. Prints one line; exit code 0 when each round ended in time with 0.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

struct Result {
  unsigned exited_0 = 0;
  unsigned exited_otherwise = 0;
  unsigned not_ended = 0;      // the signal was lost, or the program hung: killed by us
  unsigned never_blocked = 0;  // it ended, or the deadline came, before SIGTERM was blocked
  long longest_ms = 0;         // from the signal to the end
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(2);
}

bool blocks_sigterm(int status_fd) {
  char text[4096];
  const ssize_t size = pread(status_fd, text, sizeof text - 1, 0);
  if (size <= 0) return false;
  text[size] = '\0';
  const char* mask = std::strstr(text, "\nSigBlk:\t");
  if (mask == nullptr) return false;
  return (std::strtoull(mask + 9, nullptr, 16) >> (SIGTERM - 1) & 1) != 0;
}

struct Gate {
  int ready[2];  // the child has left fork
  int go[2];     // the parent lets it begin
};

// glibc's fork blocks all signals and gives the mask back in the child: only from `ready` on is a
// blocked SIGTERM the program's own doing.
[[noreturn]] void run_child(const Gate& gate, char** program) {
  close(gate.go[1]);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  char byte = 0;
  if (write(gate.ready[1], &byte, 1) != 1 || read(gate.go[0], &byte, 1) != 1) _exit(127);
  execv(program[0], program);
  _exit(127);
}

// The child of a fork after unshare(CLONE_NEWPID) is PID 1 of the new namespace. The unshare is
// made by a process in between, since it can be made once only.
pid_t start_as_pid1(const Gate& gate, char** program) {
  if (unshare(CLONE_NEWPID) != 0) die("unshare(CLONE_NEWPID)");
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) run_child(gate, program);
  char byte;
  close(gate.ready[1]);
  if (read(gate.ready[0], &byte, 1) != 1) die("read");
  return child;
}

bool ended(pid_t child, int& status) { return waitpid(child, &status, WNOHANG) == child; }

// One round, in a process of its own; its result is the exit code of that process.
enum Outcome : int { exited_0, exited_otherwise, not_ended, never_blocked };

int round_of(bool before, microseconds delay, milliseconds deadline, char** program, int report) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Gate gate;
  if (pipe2(gate.ready, O_CLOEXEC) != 0 || pipe2(gate.go, O_CLOEXEC) != 0) die("pipe");
  const pid_t child = start_as_pid1(gate, program);
  const std::string path = "/proc/" + std::to_string(child) + "/status";
  const int status_fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (status_fd < 0) die(path.c_str());
  if (before) kill(child, SIGTERM);
  if (write(gate.go[1], "", 1) != 1) die("write");
  const auto started = Clock::now();
  int status = 0;
  if (!before) {
    while (!blocks_sigterm(status_fd)) {
      if (ended(child, status)) return never_blocked;
      if (Clock::now() > started + deadline) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return never_blocked;
      }
    }
    for (const auto at = Clock::now() + delay; Clock::now() < at;) continue;
    kill(child, SIGTERM);
  }
  const auto signaled = Clock::now();
  while (!ended(child, status)) {
    if (Clock::now() > signaled + deadline) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return not_ended;
    }
    usleep(500);
  }
  const long took = std::chrono::duration_cast<milliseconds>(Clock::now() - signaled).count();
  if (write(report, &took, sizeof took) != sizeof took) die("write");
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? exited_0 : exited_otherwise;
}

void count(Result& result, int outcome) {
  switch (outcome) {
    case exited_0: ++result.exited_0; return;
    case exited_otherwise: ++result.exited_otherwise; return;
    case not_ended: ++result.not_ended; return;
    case never_blocked: ++result.never_blocked; return;
    default: std::exit(2);  // it has said why
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr, "pid1 ROUNDS SEED SPREAD_US DEADLINE_MS after|before PROGRAM…\n");
    return 2;
  }
  const unsigned rounds = static_cast<unsigned>(std::atoi(argv[1]));
  std::mt19937_64 random(std::strtoull(argv[2], nullptr, 10));
  std::uniform_int_distribution<int> spread(0, std::atoi(argv[3]));
  const milliseconds deadline(std::atoi(argv[4]));
  const bool before = std::string_view(argv[5]) == "before";
  prctl(PR_SET_PDEATHSIG, SIGKILL);

  int report[2];
  if (pipe2(report, O_CLOEXEC | O_NONBLOCK) != 0) die("pipe");
  Result result;
  for (unsigned i = 0; i < rounds; ++i) {
    const microseconds delay(spread(random));
    const pid_t between = fork();
    if (between < 0) die("fork");
    if (between == 0) _exit(round_of(before, delay, deadline, argv + 6, report[1]));
    int status = 0;
    waitpid(between, &status, 0);
    count(result, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    for (long took; read(report[0], &took, sizeof took) == sizeof took;)
      result.longest_ms = took > result.longest_ms ? took : result.longest_ms;
  }
  std::printf("exited_0=%u exited_otherwise=%u not_ended=%u never_blocked=%u longest_ms=%ld\n",
              result.exited_0, result.exited_otherwise, result.not_ended, result.never_blocked,
              result.longest_ms);
  return result.exited_0 == rounds ? 0 : 1;
}
