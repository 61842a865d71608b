#include "server/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <lastcall/exit_code.h>
#include <lastcall/log.h>
#include <lastcall/server.h>

#include "base/check.h"
#include "base/signal_mask.h"
#include "io/sockets.h"
#include "server/blocked_loops.h"
#include "server/last_words.h"
#include "server/process.h"

namespace lastcall {
namespace {

constexpr int drain_signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};

// What whoever started us has told us to ignore stays ignored (nohup(1), a shell's background job):
// blocked, it would be read all the same. SIGTERM is for us whatever was said.
bool heeded(int signal) {
  struct sigaction action{};
  return signal == SIGTERM || sigaction(signal, nullptr, &action) != 0 ||
         action.sa_handler != SIG_IGN;
}

std::atomic<bool> hangup_is_the_programs{false};

// As it is when first asked for, by `block_signals`: later system(3) may ignore some for a while.
sigset_t draining_set() {
  static const sigset_t kept = [] {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : drain_signals) {
      if (heeded(signal)) sigaddset(&set, signal);
    }
    return set;
  }();
  sigset_t set = kept;
  if (hangup_is_the_programs) sigdelset(&set, SIGHUP);
  return set;
}

// Else a file or a socket of ours would get its number, and the log would be written into it.
void open_missing_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    int opened = open("/dev/null", O_RDWR);  // the lowest number that is free: this one
    if (opened < 0) opened = eventfd(0, 0);  // where there is no /dev: it takes no text either
    if (opened >= 0 && opened != fd) close(opened);
  }
}

timer_t watchdog{};  // of the process, made before serving
char watchdog_mark;  // whose address its signal has, and nobody else's has
constexpr long watchdog_tick_ms = 250;
std::atomic<int> watchdog_exit_code{exit_cut.code};
std::atomic<Ms> watchdog_at{never};         // when it is to end the process
std::atomic<Ms> watchdog_speaks_at{never};  // then, or a little later, for loops that are at work
std::atomic<Ms> watchdog_spoke_at{never};   // its last words: once, whoever arms it again meanwhile
std::atomic<Ms> watchdog_first_tick_at{never};
std::atomic<std::uint64_t> progress_seen{0};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<Ms>::is_always_lock_free,
              "a signal handler uses them");

std::atomic<pid_t> watcher{0};  // the thread of `watch`; 0: there is none, or not yet

std::atomic<Process*> watched{nullptr};  // null: it has not come to serve yet

// May the loops come to their own end? One that is cutting what is left may have much of it; and
// where all of the process was stopped (a freezer, SIGSTOP) they have not seen the deadline yet.
bool may_end_by_itself(const Process& process, Ms now) {
  const std::uint64_t progress = process.progress();
  Ms first_at = never;
  const bool first = watchdog_first_tick_at.compare_exchange_strong(first_at, now);
  if (first) first_at = now;
  const bool works = progress_seen.exchange(progress) != progress && !first;
  constexpr Ms late_ms = 20;
  const bool late = first && now - (watchdog_at - watchdog_tick_ms) >= late_ms;
  const bool stopped = late || (first && !process.turned_since(process.deadlines().deadline));
  if (works || stopped) {
    const Ms latest = std::max(watchdog_at.load(), first_at) + limits::watchdog_ms;
    watchdog_speaks_at = std::min(now + 2 * watchdog_tick_ms, latest);
  }
  return now < watchdog_speaks_at - watchdog_tick_ms / 2;
}

// The first tick comes before its time, to see who is at work. Async-signal-safe only
// (signal-safety(7)).
void on_watchdog(int, siginfo_t* info, void*) {
  if (info->si_code != SI_TIMER || info->si_value.sival_ptr != &watchdog_mark)
    return;  // not our timer's
  const Ms now = monotonic_ms();
  Ms spoke_at = watchdog_spoke_at;
  if (spoke_at == never) {
    if (may_end_by_itself(*watched, now)) return;
    if (!watchdog_spoke_at.compare_exchange_strong(spoke_at, now)) return;
  } else if (now - spoke_at < limits::last_words_ms) {
    return;  // they are being said
  }
  const int code =
      say_last_words("watchdog",
                     "the deadline has passed and the process does not end by itself (a handler "
                     "blocks, or there is too little CPU time): ended by its watchdog",
                     watchdog_exit_code);
  if (!last_words_are_over()) _exit(code);  // else `run` has returned meanwhile
}

// A drain signal that is pending, read; negative: there is none.
int take_signal() {
  const std::timespec at_once{};
  const sigset_t set = draining_set();
  return sigtimedwait(&set, nullptr, &at_once);
}

// The signal has come, and nobody comes to read it: a file or a look-up of the start blocks.
void end_hung_start(const std::string& termination_log) {
  auto& process = *new Process(1, {});
  if (!prepare_last_words(process, termination_log)) return;  // it serves, this very moment
  process.end_start(take_signal());
  say_last_words("watchdog",
                 "a signal asks it to end, and its start does not come to an end (a file that "
                 "blocks?): ended by its watchdog",
                 exit_failed.code);
  _exit(exit_failed.code);
}

void unblock_alarm() {
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
}

// Polls and never reads but when the signal has lain unread: then one non-blocking read, which the
// leader's own read may win.
void watch(int signal_fd, Ms patience, const std::string& termination_log,
           const std::shared_ptr<const std::atomic<bool>>& start_is_over) {
  unblock_alarm();
  watcher = ::gettid();
  watcher.notify_all();
  std::optional<BlockedLoops> loops;  // once it serves
  for (Ms arrived = never;;) {
    if (Process* const process = watched; process != nullptr && !loops) loops.emplace(*process);
    if (loops) loops->look(monotonic_ms());
    pollfd readable{signal_fd, POLLIN, 0};
    const int heard =
        poll(&readable, 1, static_cast<int>(loops ? loops->pause() : limits::blocked_ms));
    if (heard == 0) continue;
    if (heard < 0) {  // denied?
      std::this_thread::sleep_for(std::chrono::milliseconds(limits::signal_unread_ms));
    }
    arrived = std::min(arrived, monotonic_ms());
    std::this_thread::sleep_for(std::chrono::milliseconds(limits::signal_unread_ms));
    if (!signal_pending(signal_fd)) {
      arrived = never;
      continue;
    }
    if (*start_is_over) return;
    Process* const process = watched;
    if (process == nullptr) {
      if (monotonic_ms() - arrived >= patience) end_hung_start(termination_log);
      continue;
    }
    // Its loop has turned since: what lies here came later, and it may be about to read it.
    // (One whose ring is broken turns, and reads nothing.)
    const Ms turned = process->slots[0].heartbeat;
    if (turned > arrived && process->io_error() == 0) {
      arrived = turned;
      continue;
    }
    const int signal = take_signal();
    if (signal < 0) {
      if (errno != EAGAIN && errno != EINTR)
        log::error("the signal cannot be read beside a stuck loop: {}", std::strerror(errno));
      continue;
    }
    if (process->on_signal(signal, std::exchange(arrived, never)) == Process::Heard::too_late)
      continue;
    log::warning("a worker's loop is stuck: the signal was read beside it");
    process->wake_workers();
  }
}

}  // namespace

void block_signals(std::initializer_list<int> more) {
  open_missing_standard_descriptors();
  sigset_t set = draining_set();
  for (const int signal : more) sigaddset(&set, signal);
  for (const int signal : {SIGPIPE, SIGXFSZ, SIGTTOU, SIGUSR1, SIGUSR2, SIGALRM})
    sigaddset(&set, signal);
  CHECK(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
}

int open_signalfd() {
  const sigset_t set = draining_set();
  return signalfd(-1, &set, SFD_CLOEXEC);
}

int open_hooked_signalfd(std::span<const int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) {
    if (heeded(signal)) sigaddset(&set, signal);
  }
  CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

bool may_be_hooked(int signal) {
  constexpr int others[] = {SIGTERM, SIGINT, SIGQUIT, SIGALRM, SIGKILL, SIGSTOP, SIGABRT,
                            SIGBUS,  SIGFPE, SIGILL,  SIGSEGV, SIGSYS,  SIGTRAP};
  return signal > 0 && signal <= SIGRTMAX &&
         std::find(std::begin(others), std::end(others), signal) == std::end(others);
}

void give_hangup_away(int signal_fd) {
  hangup_is_the_programs = true;
  const sigset_t set = draining_set();
  if (signal_fd >= 0) (void)signalfd(signal_fd, &set, SFD_CLOEXEC);
}

bool signal_pending(int signal_fd) {
  pollfd readable{signal_fd, POLLIN, 0};
  return poll(&readable, 1, 0) == 1;
}

bool make_watchdog() {
  struct sigaction action{};
  action.sa_sigaction = on_watchdog;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;  // a second tick may find a stuck first
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  if (watcher != 0) {
    event.sigev_notify = SIGEV_THREAD_ID;
    event._sigev_un._tid = watcher;  // sigev_notify_thread_id of timer_create(2)
  } else {
    unblock_alarm();
  }
  event.sigev_signo = SIGALRM;
  event.sigev_value.sival_ptr = &watchdog_mark;
  const itimerspec disarmed{};  // tried now: at the signal it must not fail
  return sigaction(SIGALRM, &action, nullptr) == 0 &&
         timer_create(CLOCK_MONOTONIC, &event, &watchdog) == 0 &&
         timer_settime(watchdog, 0, &disarmed, nullptr) == 0;
}

void arm_watchdog(Ms at, int exit_code) {
  watchdog_exit_code = exit_code;
  if (watchdog_at.exchange(at) == at) return;
  watchdog_speaks_at = at;
  watchdog_first_tick_at = never;
  const Ms first = at - watchdog_tick_ms;
  const itimerspec when{{0, watchdog_tick_ms * 1'000'000},
                        {first / 1000, first % 1000 * 1'000'000}};
  CHECK(timer_settime(watchdog, TIMER_ABSTIME, &when, nullptr) == 0);
}

void disarm_watchdog() {
  const itimerspec disarmed{};
  CHECK(timer_settime(watchdog, 0, &disarmed, nullptr) == 0);
}

std::string start_signal_watch(int signal_fd, Ms patience, std::string termination_log,
                               std::shared_ptr<const std::atomic<bool>> start_is_over) {
  std::string failed;
  const SignalsBlocked blocked;
  watcher = 0;
  try {
    std::thread(watch, signal_fd, patience, std::move(termination_log), std::move(start_is_over))
        .detach();
    watcher.wait(0);
  } catch (const std::exception& error) {
    failed = error.what();
  }
  return failed;
}

void watch_over(Process& process) { watched = &process; }

}  // namespace lastcall
