#include "command.h"

#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string_view>
#include <thread>

#include <lastcall/option_row.h>

#include "descendants.h"
#include "inherited.h"

namespace lastcall {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

std::vector<std::string> environment(const std::string& port) {
  std::vector<std::string> all;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view variable = *each;
    if (variable.starts_with(environment_prefix) || variable.starts_with("PORT=")) continue;
    all.emplace_back(variable);
  }
  if (!port.empty()) all.push_back("PORT=" + port);
  return all;
}

}  // namespace

int Command::start() {
  others_ = descendants();
  std::vector<std::string> arguments = arguments_;
  std::vector<std::string> variables = environment(port_);
  posix_spawnattr_t attributes;
  if (const int error = posix_spawnattr_init(&attributes)) return error;
  posix_spawnattr_setsigmask(&attributes, &inherited_mask());
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  pid_t pid = 0;
  int error = 0;
  {
    const AsInherited as_inherited;
    error = posix_spawnp(&pid, arguments_.front().c_str(), nullptr, &attributes,
                         pointers(arguments).data(), pointers(variables).data());
  }
  posix_spawnattr_destroy(&attributes);
  if (error == 0) pid_ = pid;
  return error;
}

std::string Command::text() const {
  constexpr std::size_t shown = 200;
  std::string text;
  for (const std::string& argument : arguments_) text += (text.empty() ? "" : " ") + argument;
  if (text.size() > shown) text.resize(shown), text += "…";
  return text;
}

std::string Command::how_it_ended() const {
  constexpr int by_signal = 128;
  const int code = exit_code_.value_or(0);
  const char* const name = code > by_signal ? sigabbrev_np(code - by_signal) : nullptr;
  return name != nullptr ? fmt::format("by SIG{} ({})", name, code)
                         : fmt::format("by exit code {}", code);
}

void Command::reap() {
  constexpr int unknown = 1;
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != pid_) continue;
    exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  if (pid < 0 && errno == ECHILD && runs()) exit_code_ = unknown;  // somebody has reaped it
}

void Command::signal(int signal) const {
  if (runs()) (void)kill(pid_, signal);
}

// Whatever a descendant's parent is, it is one of us, or comes to us when that ends: without a
// child there is none.
bool Command::has_left_any() {
  reap();
  if (!others_.empty()) return !left().empty();
  siginfo_t info{};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

std::vector<pid_t> Command::left() const { return descendants(others_); }

void Command::signal_all(int signal) const {
  for (const pid_t process : left()) (void)kill(process, signal);
}

// One that forks while it is looked for is found the next time.
bool Command::kill_all() {
  using std::chrono::steady_clock;
  const auto until = steady_clock::now() + std::chrono::seconds(1);
  for (;;) {
    if (!has_left_any()) return true;
    if (steady_clock::now() >= until) return false;
    signal_all(SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace lastcall
