#include "batch.h"

namespace lastcall {

Task<> Batch::add(std::uint64_t n) {
  Addition self;
  self.n = n;
  waiting_.push_back(&self);
  if (led_) {
    co_await self.woken;
  } else {
    led_ = true;
    self.fate = Fate::leads;
    co_await turn_end();  // what is due in the same turn comes along
  }
  if (self.fate == Fate::leads) {
    std::vector<Addition*> batch;
    batch.swap(waiting_);  // `self` is one of them
    std::uint64_t sum = 0;
    for (const Addition* addition : batch) sum += addition->n;
    std::exception_ptr error;
    try {
      co_await commit_(owner_, sum);
    } catch (...) {
      error = std::current_exception();
    }
    tell(batch, error);
  }
  if (self.error) std::rethrow_exception(self.error);
}

// Those told first, then the next leader: its commit may overwrite what they come to read
// (RedisCounter::value).
void Batch::tell(const std::vector<Addition*>& batch, const std::exception_ptr& error) {
  for (Addition* addition : batch) {
    addition->fate = Fate::told;
    addition->error = error;
    addition->woken.set();
  }
  led_ = !waiting_.empty();
  if (!led_) return;
  waiting_.front()->fate = Fate::leads;
  waiting_.front()->woken.set();
}

}  // namespace lastcall
