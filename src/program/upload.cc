#include "upload.h"

#include <new>
#include <string>
#include <utility>
#include <vector>

namespace lastcall {

void Upload::start() {
  task_ = run();
  if (!task_) throw std::bad_alloc();
  task_.start([](void* self) noexcept { static_cast<Upload*>(self)->over_ = true; }, this);
}

void Upload::rethrow_failure() const {
  if (failure_) std::rethrow_exception(failure_);
}

// What the command does not take is no failure here: its answer says why.
Task<> Upload::run() {
  try {
    for (;;) {
      const auto piece = co_await request_.read();
      if (!piece) break;
      std::string bytes(*piece);
      if (!co_await call_.write(std::move(bytes))) co_return;
    }
    const std::vector<Field> trailers = relayed(request_.trailers(), request_.fields(), without_);
    (void)co_await call_.end(trailers);
  } catch (const CallFailed& failed) {
    // So does the wait for its answer, which tells it.
    timed_out_ = failed.code() == std::errc::timed_out;
  } catch (...) {
    failure_ = std::current_exception();
    call_.abort();
  }
}

}  // namespace lastcall
