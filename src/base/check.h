// CHECK and DCHECK: our own mistakes, caught where they are made.
//
// DCHECK is for sums and for what is asked very often: it is on in debug, sanitizer and simulation
// builds only.
// CHECK stays on in release builds (its cost on a request is below what can be measured: a compare
// and a branch never taken). Never CHECK what a peer, the kernel or the operator may do: those are
// values, events with a counter, or messages.
#pragma once

namespace lastcall {

[[noreturn]] void check_failed(const char* what, const char* file, int line);

}  // namespace lastcall

#define CHECK(condition) \
  ((condition) ? void(0) : ::lastcall::check_failed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define DCHECK(condition) void(sizeof((condition) ? 1 : 0))  // compiled, and never evaluated
#else
#define DCHECK(condition) CHECK(condition)
#endif
