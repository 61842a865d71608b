// Preloaded before the program (LD_PRELOAD), it breaks io_uring as kernels do, at a chosen call:
//   BAD_RING_DENIED=N      the Nth ring that is asked for, and each one after it: EPERM
//   BAD_RING_BREAKS=N:E:M  M of the enters that wait, from the Nth on: errno E
#include <dlfcn.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

struct io_uring;
struct io_uring_cqe;
struct io_uring_params;
struct __kernel_timespec;

namespace {

std::atomic<long> rings{0};
std::atomic<long> enters{0};

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int io_uring_queue_init_params(unsigned entries, io_uring* ring,
                                          io_uring_params* params) {
  using Function = int(unsigned, io_uring*, io_uring_params*);
  static Function* const original = real<Function>("io_uring_queue_init_params");
  const char* const denied = std::getenv("BAD_RING_DENIED");
  if (denied != nullptr && ++rings >= std::atol(denied)) return -EPERM;
  return original(entries, ring, params);
}

extern "C" int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned count,
                                                __kernel_timespec* timeout, void* signals) {
  using Function = int(io_uring*, io_uring_cqe**, unsigned, __kernel_timespec*, void*);
  static Function* const original = real<Function>("io_uring_submit_and_wait_timeout");
  const char* const breaks = std::getenv("BAD_RING_BREAKS");
  if (breaks != nullptr) {
    char* rest = nullptr;
    const long from = std::strtol(breaks, &rest, 10);
    const long error = std::strtol(rest + 1, &rest, 10);
    const long many = std::strtol(rest + 1, &rest, 10);
    const long enter = ++enters;
    if (enter >= from && enter < from + many) return static_cast<int>(-error);
  }
  return original(ring, cqe, count, timeout, signals);
}
