#include "await/blocking_pool.h"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include <lastcall/log.h>

#include "await/context.h"
#include "await/inbox.h"
#include "await/jobs.h"
#include "await/operations.h"
#include "await/ready.h"
#include "base/check.h"
#include "base/signal_mask.h"

namespace lastcall {

BlockingPool::BlockingPool(std::size_t threads_max) : threads_max_(threads_max) {
  threads_.reserve(threads_max);
  running_.reserve(threads_max);
}

BlockingPool::~BlockingPool() {
  {
    const std::lock_guard lock(mutex_);
    CHECK(first_ == nullptr && running_.empty());
    ends_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool BlockingPool::start_thread(std::string& why) {
  const SignalsBlocked blocked;
  try {
    threads_.emplace_back(&BlockingPool::run, this);
    return true;
  } catch (const std::exception& error) {
    why = error.what();
    return false;
  }
}

void BlockingPool::make_sure_of_a_thread() {
  const std::lock_guard lock(mutex_);
  std::string why;
  if (idle_ > waiting_ || threads_.size() == threads_max_ || start_thread(why)) return;
  if (threads_.empty())
    throw std::runtime_error("no thread for what blocks: " + why +
                             "; raise the limit of processes (ulimit -u, pids.max)");
}

void BlockingPool::add(detail::BlockingCall& call) {
  {
    const std::lock_guard lock(mutex_);
    call.behind = nullptr;
    *end_ = &call;
    end_ = &call.behind;
    ++waiting_;
  }
  changed_.notify_one();
}

// In their order; what is wanted of them leaves the queue.
template <class Wanted>
detail::BlockingCall* BlockingPool::cut_out(Wanted wanted) {
  detail::BlockingCall* cut = nullptr;
  detail::BlockingCall** cut_end = &cut;
  for (detail::BlockingCall** link = &first_; *link != nullptr;) {
    detail::BlockingCall& call = **link;
    if (!wanted(call)) {
      link = &call.behind;
      continue;
    }
    *link = call.behind;
    call.behind = nullptr;
    *cut_end = &call;
    cut_end = &call.behind;
    --waiting_;
  }
  end_ = &first_;
  while (*end_ != nullptr) end_ = &(*end_)->behind;
  return cut;
}

detail::BlockingCall* BlockingPool::take_back(unsigned worker) {
  const std::lock_guard lock(mutex_);
  return cut_out([&](const detail::BlockingCall& call) { return call.worker() == worker; });
}

bool BlockingPool::take_back(detail::BlockingCall& call) {
  const std::lock_guard lock(mutex_);
  return cut_out([&](const detail::BlockingCall& each) { return &each == &call; }) != nullptr;
}

void BlockingPool::wait_for(const detail::BlockingCall& call) {
  std::unique_lock lock(mutex_);
  ended_.wait(lock,
              [&] { return std::find(running_.begin(), running_.end(), &call) == running_.end(); });
}

void BlockingPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    changed_.wait(lock, [this] { return ends_ || first_ != nullptr; });
    --idle_;
    if (first_ == nullptr) return;
    detail::BlockingCall& call = *first_;
    first_ = call.behind;
    if (first_ == nullptr) end_ = &first_;
    --waiting_;
    running_.push_back(&call);  // there is room for each thread's
    lock.unlock();
    call.perform(call);
    lock.lock();
    std::erase(running_, &call);
    // Under the lock: whoever waits for its end takes it out of the inbox behind that.
    CHECK(inbox_of(call.worker()).add(call, Inbox::As::completion));
    ended_.notify_all();
  }
}

// ---- a call

namespace detail {

void BlockingCall::begin(std::coroutine_handle<> waiter) {
  Context& here = context();
  if (here.operations.canceled()) throw Canceled();
  if (here.blocking == nullptr) throw std::logic_error("nothing that blocks can be run here");
  here.blocking->make_sure_of_a_thread();
  worker_ = here.worker;
  job_ = here.jobs.enter(name_.text(), here.now);
  woken_.waiter = waiter;
  here.blocking->add(*this);
}

void BlockingCall::end() const {
  if (canceled_) throw Canceled();
}

void BlockingCall::wake() {
  context().ready.add(woken_);
  job_ = nullptr;
}

void BlockingCall::on_done(Posted& self) {
  auto& call = static_cast<BlockingCall&>(self);
  context().jobs.leave(call.job_, true, context().now);
  call.wake();
}

void BlockingCall::cancel() {
  canceled_ = true;
  context().jobs.leave(job_, false, context().now);
  wake();
}

void BlockingCall::leave() {
  if (job_ == nullptr) return;
  Context& here = context();
  if (!here.blocking->take_back(*this)) here.blocking->wait_for(*this);
  inbox_of(worker_).take_back(*this);
  here.jobs.leave(std::exchange(job_, nullptr), true, here.now);
}

}  // namespace detail
}  // namespace lastcall
