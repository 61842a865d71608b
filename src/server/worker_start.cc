// How a worker comes to serve: what it reads, what the program wants to run before, and then its
// listeners.
#include <fmt/core.h>

#include <cstring>
#include <string_view>
#include <utility>

#include <lastcall/log.h>

#include "base/check.h"
#include "server/failures.h"
#include "server/worker.h"

namespace lastcall {
void Worker::start(int admin_listener, int signal_fd) {
  CHECK(phase() == Phase::starting);
  now_ = io_.now();
  signals_[0].fd = signal_fd;
  signals_[1].fd = leader() ? config_.hooked_signal_fd : -1;
  last_work_is_due_ = leader() && static_cast<bool>(config_.on_drained);
  wake_fd_ = slot_.wake_fd;
  inbox_.open(index_, io_, wake_fd_, metrics(), config_.jobs_max);
  main_.listener.open(slot_.listener, config_.before_ready != BeforeReady::refuse);
  if (admin_listener >= 0) admin_.listener.open(admin_listener);
  for (std::uint32_t which = 0; which < signals_.size(); ++which) read_signals(which);
  if (wake_fd_ >= 0) {
    wake_read_ = true;
    io_.submit_read(wake_fd_, wake_buffer_, {Kind::wake, 0, 0});
  }
  date_.update(io_.wall_seconds());
  if (leader()) unseen_.begin(process_.tcp_at_start);
  on_heartbeat(this);
  tend_listeners();
  if (config_.on_start) {
    slot_.busy_since = now_;
    begin_start_task();
    slot_.busy_since = 0;
  } else {
    begin_serving();
  }
}

// A listener that is only bound refuses who connects. Nobody has to be told of this one where the
// signal has come meanwhile.
bool Worker::begin_listening() {
  Listener& listener = main_.listener;
  if (!listener.is_open() || listener.listens() || process_.signaled()) return true;
  if (const int result = listener.listen(); result < 0) {
    fail_start(fmt::format("cannot listen: {}", std::strerror(-result)));
    return false;
  }
  return true;
}

// Hands the accepts over before we call ourselves ready; some may carry a connection already.
void Worker::begin_serving() {
  if (!begin_listening()) return;
  serves_ = true;
  tend_listeners();
  dispatch_all(io_.harvest(now_));
  tend_listeners();
  if (++process_.workers_ready != process_.slots.size() || !process_.all_ready()) return;
  process_.serving_at = io_.now();
  log::info("serving");
  wake_all();
}

void Worker::begin_start_task() {
  Context::enter(&context_);
  context_.now = now_;
  try {
    start_work_.begin(config_.on_start);
  } catch (...) {
    fail_start(what_failed());
    return;
  }
  if (start_work_.has_ended()) end_start_task();
}

void Worker::end_start_task() {
  try {
    start_work_.end();
    begin_serving();
  } catch (const Canceled&) {
    // At the deadline: nobody was served.
  } catch (...) {
    fail_start(what_failed());
  }
}

void Worker::fail_start(std::string_view why) {
  process_.on_start_failed(why, now_);
  wake_all();
}

}  // namespace lastcall
