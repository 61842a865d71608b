// The command that is served: its start, its end, and what it leaves behind.
//
// Used on one thread, after its start.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace lastcall {

class Command {
 public:
  // `port`: what PORT is to it; empty: it has none.
  Command(std::vector<std::string> arguments, std::string port)
      : arguments_(std::move(arguments)), port_(std::move(port)) {}

  // In a session of its own, with the mask, the ignored signals and the limits that we were born
  // with, and our environment but for LASTCALL_*. 0, or an errno.
  [[nodiscard]] int start();
  [[nodiscard]] bool started() const { return pid_ != 0; }
  [[nodiscard]] bool runs() const { return pid_ != 0 && !exit_code_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Once it has ended: as a shell has it, 128 and the number of a signal that ended it.
  [[nodiscard]] std::optional<int> exit_code() const { return exit_code_; }
  // "by exit code 3", "by SIGSEGV"
  [[nodiscard]] std::string how_it_ended() const;
  [[nodiscard]] const std::string& name() const { return arguments_.front(); }
  [[nodiscard]] std::string text() const;  // its arguments, as far as they are short

  void reap();  // whatever has ended: its own processes, and orphans that came to us
  void signal(int signal) const;  // to it alone; where it does not run, nothing

  // It, or anything that it has left behind. (Not what was our child before it was started.)
  [[nodiscard]] bool has_left_any();
  [[nodiscard]] std::vector<pid_t> left() const;  // as far as /proc shows them
  void signal_all(int signal) const;              // to all of these
  // SIGKILL to all of them, again and again until there are none. False: there are still some, a
  // second later.
  [[nodiscard]] bool kill_all();

 private:
  const std::vector<std::string> arguments_;
  const std::string port_;
  std::vector<pid_t> others_;  // children that we had before
  pid_t pid_ = 0;
  std::optional<int> exit_code_;
};

}  // namespace lastcall
