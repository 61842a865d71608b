// Is the command stuck? What /livez asks: requests wait for it, and it has sent no byte for long.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <lastcall/context.h>

namespace lastcall {

class Activity {
 public:
  // A request that waits for the command, as long as this lives.
  class Waiting {
   public:
    explicit Waiting(Activity& activity) : activity_(activity) {
      if (activity_.waiting_++ == 0) activity_.note_byte();
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { --activity_.waiting_; }

   private:
    Activity& activity_;
  };

  void note_byte() { last_byte_at_ = now().time_since_epoch().count(); }
  [[nodiscard]] std::int64_t waiting() const { return waiting_; }
  [[nodiscard]] bool is_stuck(std::chrono::milliseconds patience) const {
    const std::int64_t silent = now().time_since_epoch().count() - last_byte_at_;
    return patience.count() > 0 && waiting_ > 0 && silent >= patience.count();
  }

 private:
  std::atomic<std::int64_t> waiting_{0};
  std::atomic<std::int64_t> last_byte_at_{0};
};

}  // namespace lastcall
