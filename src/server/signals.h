// Signals: blocked first (`block_signals`, lastcall/server.h), read from a signalfd, and a way out
// that needs no loop (signal(7)).
//
// SIGTERM, SIGINT, SIGQUIT and SIGHUP drain, but for a SIGHUP that the program has a hook for.
// SIGPIPE, SIGXFSZ, SIGTTOU, SIGUSR1 and SIGUSR2 are
// blocked and ignored, never deadly. SIGALRM is the watchdog's.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "base/limits.h"

namespace lastcall {

class Process;

// A descriptor from which the draining signals are read; -1 and errno where there is none.
[[nodiscard]] int open_signalfd();
// One for those that the program has hooks for, which are blocked from here on in this thread and
// those that it starts. One that was ignored when the process began is left out. Likewise.
[[nodiscard]] int open_hooked_signalfd(std::span<const int> signals);
// May the program have a hook for it?
[[nodiscard]] bool may_be_hooked(int signal);
// SIGHUP drains no more: it is the program's.
void give_hangup_away(int signal_fd);
// Has one arrived that nobody has read?
[[nodiscard]] bool signal_pending(int signal_fd);

// Before serving, for arm_watchdog; behind start_signal_watch, whose thread it interrupts: any
// other may be in an uninterruptible sleep (a disk that hangs). False and errno where the kernel
// gives no timer (EAGAIN: RLIMIT_SIGPENDING, which all processes of a user share).
[[nodiscard]] bool make_watchdog();
// At that instant a POSIX timer ends the process with that exit code, whatever its threads are
// doing: a handler that blocks, a full stderr. It leaves the audit, with what was under way by
// route and by job. Loops that are at work, cutting what is left, or have not seen their deadline
// since the whole process was stopped, have up to a second more. A later call moves the instant.
void arm_watchdog(Ms at, int exit_code);
void disarm_watchdog();  // the drain is over: the program may go on

// A thread that watches the signal from the server's construction on. Before `watch_over`: one that
// `patience` ms later has not been heard ends the process, whose start hangs. After: the thread
// reads it itself, and wakes the workers, when the leader has not done so within
// limits::signal_unread_ms, its loop being stuck in a handler. Returns why there is none, or
// nothing.
// It ends with the next signal when `start_is_over` and nothing is served.
[[nodiscard]] std::string start_signal_watch(
    int signal_fd, Ms patience, std::string termination_log,
    std::shared_ptr<const std::atomic<bool>> start_is_over);
void watch_over(Process& process);

}  // namespace lastcall
