// What the process was born with, and a command that it starts is to be born with, too: before
// anything of ours has changed it.
#pragma once

#include <csignal>

namespace lastcall {

// Before `block_signals`, and before any constructor.
void remember_inherited();

// The signals that were blocked.
[[nodiscard]] const sigset_t& inherited_mask();

// While it lives this process's limit of descriptors, this thread's time slice and SIGALRM, which
// the watchdog has, are as they were inherited, so that a child is born with them. SIGCHLD is not,
// of all signals: ignored, it would hide how a command ends that ends at once.
class AsInherited {
 public:
  AsInherited();
  AsInherited(const AsInherited&) = delete;
  AsInherited& operator=(const AsInherited&) = delete;
  ~AsInherited();

 private:
  struct State;
  State* before_;
};

}  // namespace lastcall
