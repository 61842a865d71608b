#include "server/last_words.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

#include "base/log.h"
#include "server/audit.h"

namespace lastcall {
namespace {

constexpr std::size_t stack_bytes = 64 * 1024;
constexpr int fatal_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// All that is needed is here before: nothing may be allocated then.
struct Words {
  Process* process = nullptr;
  std::array<char, 512> termination_log{};
  Audit audit;
};
Words& words() {
  static auto* const kept = new Words;
  return *kept;
}

std::atomic<bool> may_be_said{false};  // one who says them takes it

void write_to(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

bool takes_at_once(int fd) {
  pollfd out{fd, POLLOUT, 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0;
}

void on_fatal(int signal, siginfo_t* info, void*) {
  switch (signal) {
    case SIGSEGV: say_last_words("SIGSEGV: a crash", 128 + SIGSEGV); break;
    case SIGBUS: say_last_words("SIGBUS: a crash", 128 + SIGBUS); break;
    case SIGILL: say_last_words("SIGILL: a crash", 128 + SIGILL); break;
    case SIGFPE: say_last_words("SIGFPE: a crash", 128 + SIGFPE); break;
    default: say_last_words("SIGABRT: given up, see above", 128 + SIGABRT); break;
  }
  // The default action stands again: what faulted faults once more, and what was sent is.
  if (info->si_code <= 0) (void)::raise(signal);
}

void on_exit_called(int status, void*) {
  say_last_words("exit() was called while it served", status & 0xff);
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

void say_last_words(std::string_view why, int exit) noexcept {
  if (!may_be_said.exchange(false)) return;
  Words& all = words();
  all.process->ended_abruptly = exit;
  make_audit(*all.process, all.audit);
  // The log's thread carries on meanwhile: what was said before stands before.
  constexpr timespec moment{.tv_sec = 0, .tv_nsec = 50'000'000};
  ::nanosleep(&moment, nullptr);
  if (takes_at_once(STDERR_FILENO)) {
    const bool json = log::format() == log::Format::json;
    write_to(STDERR_FILENO, json ? "{\"level\":\"error\",\"message\":\"" : "lastcall: ");
    write_to(STDERR_FILENO, why);
    write_to(STDERR_FILENO, json ? "\"," : "\nlastcall: ");
    write_to(STDERR_FILENO, json ? all.audit.json_text() : all.audit.plain_text());
    write_to(STDERR_FILENO, json ? "}\n" : "\n");
  }
  write_termination_log(all.termination_log.data(), all.audit.json_text());
}

void prepare_last_words(Process& process, const std::string& termination_log) {
  Words& all = words();
  all.process = &process;
  const std::size_t bytes = std::min(termination_log.size(), all.termination_log.size() - 1);
  std::memcpy(all.termination_log.data(), termination_log.data(), bytes);
  struct sigaction ours{};
  ours.sa_sigaction = on_fatal;
  ours.sa_flags = static_cast<int>(SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESETHAND);
  for (const int signal : fatal_signals) {
    struct sigaction before{};
    if (sigaction(signal, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) continue;
    (void)sigaction(signal, &ours, nullptr);
  }
  static const bool registered = ::on_exit(on_exit_called, nullptr) == 0;
  (void)registered;
  may_be_said = true;
}

void forget_last_words() { may_be_said = false; }

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
  const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  (void)sigaltstack(&none, nullptr);
}

}  // namespace lastcall
