// How a worker comes to serve: what it reads, what the program wants to run before, and then its
// listeners.
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <lastcall/log.h>

#include "base/check.h"
#include "server/worker.h"

namespace lastcall {
namespace {

// Of the exception that is being handled.
std::string what_failed() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception of no known kind";
  }
}

}  // namespace

void Worker::start(int admin_listener, int signal_fd) {
  CHECK(phase() == Phase::starting);
  now_ = io_.now();
  signal_fd_ = signal_fd;
  wake_fd_ = slot_.wake_fd;
  inbox_.open(index_, io_, wake_fd_, metrics(), config_.jobs_max);
  main_.listener.open(slot_.listener);
  if (admin_listener >= 0) admin_.listener.open(admin_listener);
  if (signal_fd_ >= 0) {
    signal_read_ = true;
    io_.submit_read(signal_fd_, signal_buffer_, {Kind::signal, 0, 0});
  }
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

// Hands the accepts over before we call ourselves ready; some may carry a connection already.
void Worker::begin_serving() {
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
  try {  // a function that only returns another's coroutine may throw before there is one
    start_task_ = config_.on_start();
  } catch (...) {
    fail_start(what_failed());
    return;
  }
  if (!start_task_) {
    fail_start("there is no memory for it");
    return;
  }
  start_task_runs_ = true;
  start_task_.start(
      [](void* self) noexcept { static_cast<Worker*>(self)->start_task_runs_ = false; }, this);
  if (!start_task_runs_) end_start_task();
}

// Not from within its last step: its frame goes here.
void Worker::end_start_task() {
  Task<> ended = std::move(start_task_);
  try {
    ended.result();
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
