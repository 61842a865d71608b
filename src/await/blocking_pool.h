// The threads that run what blocks (lastcall/blocking.h), for all workers of a process.
//
// Invariants
//  1. A call that was added is run once, or given back by `take_back`, and then never.
//  2. While it runs nobody but its thread touches it; then it is its worker's again.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <lastcall/blocking.h>

namespace lastcall {

class BlockingPool {
 public:
  explicit BlockingPool(std::size_t threads_max);
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;
  ~BlockingPool();  // nothing waits any more, or runs

  // A thread at least, for `add`. Throws std::runtime_error where there is none and none can be
  // had.
  void make_sure_of_a_thread();
  void add(detail::BlockingCall& call);
  // Of that worker, those that have not begun: in a list by `behind`.
  [[nodiscard]] detail::BlockingCall* take_back(unsigned worker);
  [[nodiscard]] bool take_back(detail::BlockingCall& call);
  void wait_for(const detail::BlockingCall& call);  // until it has run

 private:
  [[nodiscard]] bool start_thread(std::string& why);
  void run();
  template <class Wanted>
  detail::BlockingCall* cut_out(Wanted wanted);

  const std::size_t threads_max_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::condition_variable ended_;  // a call has
  std::vector<std::thread> threads_;
  std::vector<const detail::BlockingCall*> running_;
  std::size_t idle_ = 0;
  std::size_t waiting_ = 0;
  detail::BlockingCall* first_ = nullptr;
  detail::BlockingCall** end_ = &first_;
  bool ends_ = false;
};

}  // namespace lastcall
