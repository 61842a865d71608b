#include "server/last_words.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <mutex>
#include <new>

#include "base/log.h"
#include "io/sockets.h"
#include "server/audit.h"

namespace lastcall {
namespace {

constexpr std::size_t stack_bytes = 64 * 1024;

// All that end a process by default, and that we neither block nor handle.
constexpr struct {
  int number;
  const char* name;
  std::string_view line;
} fatal_signals[] = {
    {SIGSEGV, "SIGSEGV", "SIGSEGV: a crash"},
    {SIGBUS, "SIGBUS", "SIGBUS: a crash"},
    {SIGILL, "SIGILL", "SIGILL: a crash"},
    {SIGFPE, "SIGFPE", "SIGFPE: a crash"},
    {SIGTRAP, "SIGTRAP", "SIGTRAP: a crash"},
    {SIGSYS, "SIGSYS", "SIGSYS: a system call that is not allowed"},
    {SIGABRT, "SIGABRT", "SIGABRT: given up, see above"},
    {SIGXCPU, "SIGXCPU", "SIGXCPU: its CPU time is used up (ulimit -t)"},
    {SIGVTALRM, "SIGVTALRM", "SIGVTALRM: ended by it"},
    {SIGPROF, "SIGPROF", "SIGPROF: ended by it"},
    {SIGIO, "SIGIO", "SIGIO: ended by it"},
    {SIGPWR, "SIGPWR", "SIGPWR: ended by it"},
    {SIGSTKFLT, "SIGSTKFLT", "SIGSTKFLT: ended by it"},
};

// All that is needed is here before: nothing may be allocated then.
struct Words {
  Process* process = nullptr;
  pid_t owner = 0;  // a child that was forked has nothing to tell
  std::array<char, PATH_MAX> termination_log{};
  Audit audit;
  log::LastLines lines;
};
Words& words() {
  static auto* const kept = new Words;
  return *kept;
}

// Whoever is first to end the process, of all threads, claims them; the others wait.
enum class State : int {
  none,       // it does not serve yet
  preparing,  // or its start has hung, and is told
  ready,
  claimed,
  said,  // the process ends
  over,  // `run` has returned: it goes on without us
};
std::atomic<State> state{State::none};
std::atomic<pid_t> speaker{0};  // the thread that says them
std::atomic<int> final_code{undecided};
static_assert(std::atomic<State>::is_always_lock_free, "signal handlers use it");

void pause_ms(long ms) {
  const timespec moment{.tv_sec = 0, .tv_nsec = ms * 1'000'000};
  ::nanosleep(&moment, nullptr);
}

void write_to(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

constexpr long poll_ms = 5;

// True as soon as `done` is, within `limit` milliseconds.
template <class Done>
bool wait_until(Ms limit, Done done) {
  const Ms until = monotonic_ms() + limit;
  while (!done()) {
    if (monotonic_ms() >= until) return false;
    pause_ms(poll_ms);
  }
  return true;
}

// Whoever ends the process now would end them, too. Not those of its own, which have failed.
void wait_for_the_speaker() {
  if (speaker == ::gettid()) return;
  (void)wait_until(limits::last_words_ms, [] { return state != State::claimed; });
}

// The code that was decided by whoever was first.
int final_code_or(int own) {
  const int decided = final_code;
  return decided == undecided ? own : decided;
}

bool is_fault(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE;
}

// An instruction that has faulted does so again, when nobody handles that any more. Whatever else
// the kernel sends (a breakpoint, a denied system call, a timer, memory that failed) comes once.
bool faults_again(int signal, int code) {
  const bool sent = code <= 0;  // by a process
  return is_fault(signal) && !sent && !(signal == SIGBUS && code == BUS_MCEERR_AO);
}

void on_fatal(int signal, siginfo_t* info, void*) {
  const char* name = "a real-time signal";
  std::string_view line = "a real-time signal: ended by it";
  for (const auto& each : fatal_signals) {
    if (each.number != signal) continue;
    name = each.name;
    line = each.line;
  }
  say_last_words(name, line, 128 + signal);
  struct sigaction ends{};
  ends.sa_handler = SIG_DFL;
  (void)sigaction(signal, &ends, nullptr);
  if (faults_again(signal, info->si_code)) return;
  (void)::raise(signal);
  ::_exit(128 + signal);  // PID 1 of a container, which what is sent does not end
}

// As libstdc++'s own, whose line is written to a stderr that may block.
[[noreturn]] void on_terminate() {
  static char line[256];
  const char* what = "";
  try {
    if (std::current_exception() != nullptr) throw;
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "of another kind than std::exception";
  }
  const auto end = fmt::format_to_n(line, sizeof line - 1, "std::terminate: an exception left {}{}",
                                    "where none may, or a thread was not joined: ", what);
  const std::size_t size = std::min(end.size, sizeof line - 1);
  for (std::size_t i = 0; i < size; ++i) {
    if (line[i] < ' ' || line[i] > '~' || line[i] == '"' || line[i] == '\\') line[i] = '?';
  }
  say_last_words("std::terminate", {line, size}, 128 + SIGABRT);
  std::abort();
}

// By exit() of another thread, say: what that says is what this process ends with. Where it is
// `run` that ends, this exit() may hold up that of the program (it takes a lock since glibc 2.41).
void leave_the_end_to_the_speaker(int code) {
  if (speaker == ::gettid() || ::getpid() != words().owner) return;
  const bool ends = state == State::claimed || state == State::said;
  while (state == State::claimed || state == State::said) pause_ms(poll_ms);
  if (ends) ::_exit(code);
}

// 0 would say that nothing was lost.
void on_exit_called(int status, void*) {
  const int code = say_last_words("exit()", "exit() was called while it served", status & 0xff);
  leave_the_end_to_the_speaker(code);
  if ((status & 0xff) == 0 && code != 0) ::_exit(code);
}

// What was passed to it nobody is told.
void on_quick_exit_called() {
  if (words().process != nullptr) words().process->status_unknown = true;
  const int code = say_last_words("quick_exit()", "quick_exit() was called while it served", 0);
  leave_the_end_to_the_speaker(code);
  if (code != 0) ::_exit(code);
}

// Signals that somebody else handles stay theirs, and ignored ones ignored: but a fault, which
// cannot be, and is a crash all the same.
void take_signals() {
  struct sigaction ours{};
  ours.sa_sigaction = on_fatal;
  ours.sa_flags = static_cast<int>(SA_SIGINFO | SA_ONSTACK | SA_NODEFER);
  const auto take = [&](int signal) {
    struct sigaction before{};
    if (sigaction(signal, nullptr, &before) != 0) return;
    if (before.sa_handler == SIG_DFL || (is_fault(signal) && before.sa_handler == SIG_IGN))
      (void)sigaction(signal, &ours, nullptr);
  };
  for (const auto& each : fatal_signals) take(each.number);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) take(signal);
}

// Once for each thread that may call exit(3), and some of the program's own: each call takes the
// next handler, and one that found none would end the process beside the first.
void take_exits(std::size_t workers) {
  static std::once_flag once;
  std::call_once(once, [&] {
    bool all_are = true;
    for (std::size_t i = 0; i < workers + limits::exiting_threads; ++i)
      all_are = ::on_exit(on_exit_called, nullptr) == 0 &&
                std::at_quick_exit(on_quick_exit_called) == 0 && all_are;
    if (!all_are)
      log::warning("no memory to be told of exit(): one that loses something is silent");
  });
}

}  // namespace

void write_termination_log(const char* path, std::string_view json) noexcept {
  const int fd = ::open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return;  // not in a pod
  write_to(fd, "{");
  write_to(fd, json);
  write_to(fd, "}\n");
  ::close(fd);
}

int say_last_words(const char* ended_by, std::string_view line, int exit) noexcept {
  Words& all = words();
  if (::getpid() != all.owner) return exit;
  State before = State::ready;
  if (!state.compare_exchange_strong(before, State::claimed)) {
    if (before == State::claimed) wait_for_the_speaker();
    return state == State::over ? exit : final_code_or(exit);
  }
  speaker = ::gettid();
  // The log's thread carries on meanwhile: what was said before stands before. So do the other
  // workers, for a moment; then they stand still, and what the audit counts is what they did.
  constexpr long moment_ms = 50;
  constexpr long turn_ms = 5;
  pause_ms(moment_ms);
  all.process->ended_by = ended_by;
  pause_ms(turn_ms);
  (void)wait_until(limits::last_lines_ms, log::idle);
  log::silence();
  final_code = exit != 0 ? exit : exit_code(*all.process);
  all.process->ended_with = final_code.load();
  make_audit(*all.process, all.audit);
  log::format_last(all.lines, log::Level::error, line, {});
  log::format_last(all.lines, log::Level::error, all.audit.plain_text(), all.audit.json_text());
  log::write_now({all.lines.data(), all.lines.size()}, limits::last_lines_ms);
  write_termination_log(all.termination_log.data(), all.audit.json_text());  // its disk may hang
  state = State::said;
  return final_code;
}

void wait_for_the_end() {
  for (;;) ::pause();
}

void claim_last_words() {
  State before = State::ready;
  if (!state.compare_exchange_strong(before, State::claimed)) wait_for_the_end();
  speaker = ::gettid();
}

void decide_last_words(int code) { final_code = code; }

bool last_words_claimed() { return state == State::claimed || state == State::said; }

bool last_words_are_over() { return state == State::over; }

bool prepare_last_words(Process& process, const std::string& termination_log) {
  State before = State::none;
  if (!state.compare_exchange_strong(before, State::preparing)) return false;
  Words& all = words();
  all.process = &process;
  all.owner = ::getpid();
  const std::size_t bytes = std::min(termination_log.size(), all.termination_log.size() - 1);
  std::memcpy(all.termination_log.data(), termination_log.data(), bytes);
  take_signals();
  take_exits(process.slots.size());
  if (std::get_terminate() == &__gnu_cxx::__verbose_terminate_handler)
    std::set_terminate(on_terminate);
  state = State::ready;
  return true;
}

void unblock_fatal_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const auto& each : fatal_signals) sigaddset(&set, each.number);
  (void)pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void end_last_words() { state = State::over; }

LastStack::LastStack() {
  stack_t before{};
  if (sigaltstack(nullptr, &before) != 0 || (before.ss_flags & SS_DISABLE) == 0) return;
  memory_.reset(new (std::nothrow) char[stack_bytes]);
  if (memory_ == nullptr) return;
  const stack_t ours{.ss_sp = memory_.get(), .ss_flags = 0, .ss_size = stack_bytes};
  if (sigaltstack(&ours, nullptr) != 0) memory_.reset();
}

LastStack::~LastStack() {
  if (memory_ == nullptr) return;
  const stack_t off{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  (void)sigaltstack(&off, nullptr);
}

}  // namespace lastcall
