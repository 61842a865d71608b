// The signals of a thread that is about to be started.
#pragma once

#include <csignal>

namespace lastcall {

// While it lives, threads are born with all signals blocked: those are the workers' to hear. But
// for what a fault of the thread's own raises: blocked, that would end the process without a word.
class SignalsBlocked {
 public:
  SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked();

 private:
  sigset_t before_;
};

}  // namespace lastcall
