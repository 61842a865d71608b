#include "inherited.h"

#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lastcall {
namespace {

constexpr pid_t this_thread = 0;
constexpr unsigned no_flags = 0;

bool get_slice(sched_attr& slice) {
  return syscall(SYS_sched_getattr, this_thread, &slice, sizeof slice, no_flags) == 0;
}

void set_slice(sched_attr& slice) {
  (void)syscall(SYS_sched_setattr, this_thread, &slice, no_flags);
}

// Set before any constructor runs, and so of types that need none.
sigset_t mask;
rlimit descriptors;
sched_attr slice;
bool knows_descriptors;
bool knows_slice;
bool ignores_alarm;

}  // namespace

void remember_inherited() {
  sigprocmask(SIG_BLOCK, nullptr, &mask);
  knows_descriptors = getrlimit(RLIMIT_NOFILE, &descriptors) == 0;
  knows_slice = get_slice(slice);
  struct sigaction alarm{};
  ignores_alarm = sigaction(SIGALRM, nullptr, &alarm) == 0 && alarm.sa_handler == SIG_IGN;
}

const sigset_t& inherited_mask() { return mask; }

struct AsInherited::State {
  rlimit descriptors;
  sched_attr slice{};
  bool has_slice;
  struct sigaction alarm{};
};

AsInherited::AsInherited() : before_(new State) {
  getrlimit(RLIMIT_NOFILE, &before_->descriptors);
  before_->has_slice = get_slice(before_->slice);
  if (knows_descriptors) (void)setrlimit(RLIMIT_NOFILE, &descriptors);
  if (knows_slice) set_slice(slice);
  if (!ignores_alarm) return;
  struct sigaction ignored{};
  ignored.sa_handler = SIG_IGN;
  (void)sigaction(SIGALRM, &ignored, &before_->alarm);
}

AsInherited::~AsInherited() {
  (void)setrlimit(RLIMIT_NOFILE, &before_->descriptors);
  if (before_->has_slice) set_slice(before_->slice);
  if (ignores_alarm) (void)sigaction(SIGALRM, &before_->alarm, nullptr);
  delete before_;
}

}  // namespace lastcall
