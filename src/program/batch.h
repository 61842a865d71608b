// Folds what many coroutines of one worker add (or ask) meanwhile into one write (or read) at a
// time.
//
// The first that comes leads: it waits for the end of the turn, takes what all have added by then,
// and commits the sum; those that come meanwhile are the next batch, and the first of them its
// leader. No coroutine of its own: a write is always some job's, which the drain awaits.
//
// Followers are not cut by the deadline themselves: the leader is, and tells them what became of
// their increments. So a job says "unfinished" only when its increment is not known to be counted.
#pragma once

#include <cstdint>
#include <exception>
#include <vector>

#include <lastcall/latch.h>
#include <lastcall/task.h>

namespace lastcall {

class Batch {
 public:
  using Commit = Task<> (*)(void* owner, std::uint64_t sum);

  Batch(Commit commit, void* owner) : commit_(commit), owner_(owner) {}
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Returns when the commit that `n` was part of has; throws what that threw.
  [[nodiscard]] Task<> add(std::uint64_t n);

 private:
  enum class Fate : std::uint8_t {
    waits,  // not yet part of a commit that has ended
    leads,  // is to commit the next batch
    told,   // its commit has ended: `error` tells how
  };
  struct Addition {
    std::uint64_t n = 0;
    Fate fate = Fate::waits;
    std::exception_ptr error;
    Latch woken;
  };

  void tell(const std::vector<Addition*>& batch, const std::exception_ptr& error);

  Commit commit_;
  void* owner_;
  std::vector<Addition*> waiting_;
  bool led_ = false;
};

}  // namespace lastcall
