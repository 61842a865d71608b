// How much of large contents moves in one turn of a worker, by receives and sends, so that nobody's
// small request waits for long behind them. Who finds no share left waits for one, first come first
// served: a connection has one place in the queue at most (Connection::wait_for_share).
//
// A share is counted when its operation is submitted, since that is when the kernel copies what it
// can: all of a send, and of a receive what has come.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/reserve.h"

namespace lastcall {

class Share {
 public:
  explicit Share(std::size_t bytes) : bytes_(bytes), left_(bytes) {}

  void begin_turn() { left_ = bytes_; }
  // May so many bytes move in this turn? The last one to be told so may pass the bound.
  [[nodiscard]] bool take(std::size_t bytes) {
    if (bytes == 0) return true;
    if (left_ == 0 || (!waiting_.empty() && !resuming_)) return false;
    left_ -= std::min(left_, bytes);
    return true;
  }

  void reserve(std::size_t slots) { reserve_for(waiting_, slots); }  // throws std::bad_alloc
  void wait(std::uint32_t slot) { waiting_.push_back(slot); }
  [[nodiscard]] bool is_waited_for() const { return !waiting_.empty(); }
  // Calls `each` for those that wait, while there is some left. It may wait again.
  template <class Each>
  void resume(Each each) {
    resuming_ = true;
    const std::size_t now = waiting_.size();
    std::size_t done = 0;
    while (done < now && left_ > 0) each(waiting_[done++]);
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(done));
    resuming_ = false;
  }

 private:
  const std::size_t bytes_;  // of each turn
  std::size_t left_;
  std::vector<std::uint32_t> waiting_;  // slots of connections
  bool resuming_ = false;
};

}  // namespace lastcall
