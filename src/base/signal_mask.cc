#include "base/signal_mask.h"

#include <initializer_list>

#include "base/check.h"

namespace lastcall {

SignalsBlocked::SignalsBlocked() {
  sigset_t all;
  sigfillset(&all);
  for (const int fault : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP})
    sigdelset(&all, fault);
  CHECK(pthread_sigmask(SIG_SETMASK, &all, &before_) == 0);
}

SignalsBlocked::~SignalsBlocked() { CHECK(pthread_sigmask(SIG_SETMASK, &before_, nullptr) == 0); }

}  // namespace lastcall
