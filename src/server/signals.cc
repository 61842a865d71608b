#include "server/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string_view>
#include <system_error>
#include <thread>

#include <lastcall/exit_code.h>
#include <lastcall/log.h>
#include <lastcall/server.h>

#include "base/check.h"
#include "io/sockets.h"
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

sigset_t draining_set() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : drain_signals) {
    if (heeded(signal)) sigaddset(&set, signal);
  }
  return set;
}

// Else a file or a socket of ours would get its number, and the log would be written into it.
void open_missing_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    const int opened = open("/dev/null", O_RDWR);  // the lowest number that is free: this one
    if (opened >= 0 && opened != fd) close(opened);
  }
}

timer_t watchdog{};               // of the process, made before serving
constexpr int watchdog_mark = 1;  // in its signal; somebody else's has none
std::atomic<int> watchdog_exit_code{exit_cut.code};
std::atomic<bool> watchdog_fired{false};  // its next tick may come on another thread
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free,
              "a signal handler uses them");

const Process* watched = nullptr;  // set before the watchdog can be armed

void write_error(std::string_view text) { (void)!::write(STDERR_FILENO, text.data(), text.size()); }

void write_error(std::uint64_t number) {
  char digits[20];
  std::size_t at = sizeof digits;
  do digits[--at] = static_cast<char>('0' + number % 10);
  while ((number /= 10) > 0);
  write_error({digits + at, sizeof digits - at});
}

// The jobs of loops that turn have been named one by one; these are of one that does not.
void name_jobs() {
  bool first = true;
  for (const WorkerSlot& slot : watched->slots) {
    for (const JobRow& row : slot.jobs) {
      const char* const name = row.name.load(std::memory_order_acquire);
      if (name == nullptr) break;
      const std::uint64_t running = row.running;
      if (running == 0) continue;
      write_error(first ? "lastcall: jobs unfinished: " : ", ");
      write_error({name, row.name_bytes});
      write_error(": ");
      write_error(running);
      first = false;
    }
  }
  if (!first) write_error("\n");
}

// Async-signal-safe only (signal-safety(7)): poll, write, _exit. The write is made only where it
// cannot block; should it block all the same, the timer's next tick ends the process.
void on_watchdog(int, siginfo_t* info, void*) {
  if (info->si_code != SI_TIMER || info->si_value.sival_int != watchdog_mark)
    return;  // not our timer's
  if (!watchdog_fired.exchange(true)) {
    constexpr std::string_view line =
        "lastcall: the deadline has passed and the process does not end by itself (a handler "
        "blocks?): ended by its watchdog\n";
    pollfd out{STDERR_FILENO, POLLOUT, 0};
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0) {
      if (watched != nullptr) name_jobs();
      write_error(line);
    }
    say_last_words("ended by its watchdog", watchdog_exit_code);
  }
  _exit(watchdog_exit_code);
}

void wake_workers(const Process& process) {
  for (const WorkerSlot& slot : process.slots) wake_event(slot.wake_fd);
}

// Polls and never reads but when the signal has lain unread: then one non-blocking read, which the
// leader's own read may win.
void watch(int signal_fd, Process& process) {
  for (;;) {
    pollfd readable{signal_fd, POLLIN, 0};
    if (poll(&readable, 1, -1) != 1) continue;
    const Ms arrived = monotonic_ms();
    std::this_thread::sleep_for(std::chrono::milliseconds(limits::signal_unread_ms));
    if (!signal_pending(signal_fd)) continue;
    const sigset_t set = draining_set();
    const std::timespec at_once{};
    const int signal = sigtimedwait(&set, nullptr, &at_once);
    if (signal < 0) {
      if (errno != EAGAIN && errno != EINTR)
        log::error("the signal cannot be read beside a stuck loop: {}", std::strerror(errno));
      continue;
    }
    log::warning("a worker's loop is stuck: the signal was read beside it");
    process.on_signal(signal, arrived);
    wake_workers(process);
  }
}

}  // namespace

void block_signals() {
  open_missing_standard_descriptors();
  sigset_t set = draining_set();
  for (const int signal : {SIGPIPE, SIGUSR1, SIGUSR2}) sigaddset(&set, signal);
  CHECK(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
}

int open_signalfd() {
  const sigset_t set = draining_set();
  return signalfd(-1, &set, SFD_CLOEXEC);
}

bool signal_pending(int signal_fd) {
  pollfd readable{signal_fd, POLLIN, 0};
  return poll(&readable, 1, 0) == 1;
}

bool make_watchdog() {
  struct sigaction action{};
  action.sa_sigaction = on_watchdog;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;  // a second tick may find a stuck first
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGALRM;
  event.sigev_value.sival_int = watchdog_mark;
  const itimerspec disarmed{};  // tried now: at the signal it must not fail
  return sigaction(SIGALRM, &action, nullptr) == 0 &&
         timer_create(CLOCK_MONOTONIC, &event, &watchdog) == 0 &&
         timer_settime(watchdog, 0, &disarmed, nullptr) == 0;
}

void arm_watchdog(Ms at, int exit_code) {
  watchdog_exit_code = exit_code;
  constexpr long tick_ns = 250'000'000;
  const itimerspec when{{0, tick_ns}, {at / 1000, at % 1000 * 1'000'000}};
  CHECK(timer_settime(watchdog, TIMER_ABSTIME, &when, nullptr) == 0);
}

void disarm_watchdog() {
  const itimerspec disarmed{};
  CHECK(timer_settime(watchdog, 0, &disarmed, nullptr) == 0);
}

void start_signal_watch(int signal_fd, Process& process) {
  watched = &process;
  try {
    std::thread(watch, signal_fd, std::ref(process)).detach();
  } catch (const std::system_error& error) {
    log::warning("no thread to watch the signal beside worker 0: {}", error.what());
  }
}

}  // namespace lastcall
