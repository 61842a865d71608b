// A program that makes the mistakes which the library tells its user of, for misuse_test.py:
//
//   misuse ADDRESS:PORT MISTAKE
//
//   run-twice      runs a second time when the first is over
//   route-late     adds a route from the hook of the drain
//   hangs          has a start that takes a minute
//   returns        goes on for two seconds and a half when run has returned
//   refused        has an address that is none, and goes on as `returns`
//   slow-exit      has an exit handler that takes a second; two workers
//   static         as `two`, with a server that is destroyed by exit()
//   two            as none, with two workers
//   none           serves, and its handlers make theirs:
//     /crash       writes where there is no memory
//     /overflow    calls itself until its stack is used up
//     /run-out     uses up the CPU time that a timer of its own allows
//     /denied      makes a system call that is not allowed
//     /abort       gives up
//     /terminate   as by an exception that nobody may catch
//     /exit        calls exit(7)
//     /exit-0      calls exit(0)
//     /quick-exit  calls quick_exit(0)
//     /exits, /quick-exits  three threads call exit(7), and quick_exit(7)
//     /fork-exit   forks a child, which calls exit(5)
//     /slow        answers after a minute: to be under way meanwhile
//     /latch       two waiters of one latch: the second is wrong
//     /fine        none
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <lastcall/latch.h>
#include <lastcall/log.h>
#include <lastcall/server.h>

namespace {

void fine(lastcall::Request&, lastcall::Response& response, void*) { response.body("fine"); }

struct Meeting {
  lastcall::Latch begun;
};

lastcall::Task<> waits(std::shared_ptr<Meeting> meeting) { co_await meeting->begun; }

lastcall::Task<> latch(lastcall::Request&, lastcall::Response&, void*) {
  const auto meeting = std::make_shared<Meeting>();
  if (!lastcall::background("first", waits, meeting)) co_return;
  co_await lastcall::sleep(std::chrono::milliseconds(20));  // the job waits by now
  try {
    co_await meeting->begun;
  } catch (...) {
    meeting->begun.set();  // for the first one
    throw;
  }
}

lastcall::Task<> slow(lastcall::Request&, lastcall::Response&, void*) {
  co_await lastcall::sleep(std::chrono::minutes(1));
}

void crash(lastcall::Request&, lastcall::Response&, void*) {
  static volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

// NOLINTNEXTLINE(misc-no-recursion): that is the mistake
int deeper(int depth) {
  volatile char page[4096];
  page[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : deeper(depth + 1) + page[0];
}

void overflow(lastcall::Request&, lastcall::Response& response, void*) {
  response.body(std::to_string(deeper(1)));
}

// As the kernel sends one by itself: a timer of CPU time that is over at once.
void run_out(lastcall::Request&, lastcall::Response&, void*) {
  const itimerval soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 1}};
  setitimer(ITIMER_PROF, &soon, nullptr);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (std::chrono::steady_clock::now() < until) {
  }
}

// The kernel's answer to a system call that seccomp(2) does not allow.
void denied(lastcall::Request&, lastcall::Response&, void*) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uname, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = std::size(filter), .filter = filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
  utsname name;
  uname(&name);
}

void give_up(lastcall::Request&, lastcall::Response&, void*) { std::abort(); }

void terminate(lastcall::Request&, lastcall::Response&, void*) { std::terminate(); }

void leave(lastcall::Request&, lastcall::Response&, void*) { std::exit(7); }

void leave_well(lastcall::Request&, lastcall::Response&, void*) { std::exit(0); }

void leave_quickly(lastcall::Request&, lastcall::Response&, void*) { std::quick_exit(0); }

void leave_thrice(lastcall::Request& request, lastcall::Response&, void*) {
  const bool quickly = request.path() == "/quick-exits";
  for (int i = 0; i < 3; ++i) {
    std::thread([quickly, i] {
      std::this_thread::sleep_for(std::chrono::milliseconds(10 * i));
      quickly ? std::quick_exit(7) : std::exit(7);
    }).detach();
  }
  std::this_thread::sleep_for(std::chrono::minutes(1));
}

void leave_a_child(lastcall::Request&, lastcall::Response& response, void*) {
  const pid_t child = fork();
  if (child == 0) std::exit(5);
  int status = 0;
  waitpid(child, &status, 0);
  response.body(std::to_string(WEXITSTATUS(status)));
}

void route_late(void* server) {
  static_cast<lastcall::Server*>(server)->route(lastcall::Method::get, "/late", fine);
}

int serve(lastcall::Server& server, std::string_view mistake) {
  if (mistake == "hangs") {
    lastcall::log::info("starting");
    std::this_thread::sleep_for(std::chrono::minutes(1));
  }
  server.route(lastcall::Method::get, "/latch", latch);
  server.route(lastcall::Method::get, "/fine", fine);
  if (mistake == "route-late") server.on_drain(route_late, &server);
  server.route(lastcall::Method::get, "/slow", slow);
  server.route(lastcall::Method::get, "/crash", crash);
  server.route(lastcall::Method::get, "/overflow", overflow);
  server.route(lastcall::Method::get, "/run-out", run_out);
  server.route(lastcall::Method::get, "/denied", denied);
  server.route(lastcall::Method::get, "/abort", give_up);
  server.route(lastcall::Method::get, "/terminate", terminate);
  server.route(lastcall::Method::get, "/exit", leave);
  server.route(lastcall::Method::get, "/exits", leave_thrice);
  server.route(lastcall::Method::get, "/quick-exits", leave_thrice);
  server.route(lastcall::Method::get, "/exit-0", leave_well);
  server.route(lastcall::Method::get, "/quick-exit", leave_quickly);
  server.route(lastcall::Method::get, "/fork-exit", leave_a_child);
  const int code = server.run();
  if (mistake == "returns" || mistake == "refused")
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  return mistake == "run-twice" ? server.run() : code;
}

}  // namespace

int main(int argc, char** argv) {
  lastcall::block_signals();
  if (argc != 3) return 2;
  const std::string_view mistake = argv[2];
  lastcall::log::configure(lastcall::log::Format::json, lastcall::log::Level::info);
  lastcall::Options options;
  options.listen = argv[1];
  const bool two = mistake == "two" || mistake == "slow-exit" || mistake == "static";
  options.workers = two ? 2 : 1;
  if (mistake == "refused") options.listen = "nowhere";
  options.drain_window = std::chrono::milliseconds(0);
  const bool goes_on = mistake == "returns" || mistake == "refused";
  if (goes_on || mistake == "hangs") options.shutdown_timeout = std::chrono::milliseconds(500);
  options.termination_log = "";
  if (const char* io = std::getenv("LASTCALL_IO")) options.io = io;
  if (mistake == "slow-exit")
    std::atexit([] { std::this_thread::sleep_for(std::chrono::seconds(1)); });
  if (mistake == "static") {
    static lastcall::Server kept(options);
    return serve(kept, mistake);
  }
  lastcall::Server server(options);
  return serve(server, mistake);
}
