#include "await/inbox.h"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include <lastcall/background.h>
#include <lastcall/log.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "io/io.h"

namespace lastcall {
namespace {

std::atomic<unsigned> workers_open{0};  // one more than the highest number of one that was

}  // namespace

Inbox& inbox_of(unsigned worker) {
  static auto& all = *new std::array<Inbox, workers_max>;  // never destroyed: threads may come late
  return all.at(worker);
}

void Inbox::open(unsigned worker, Io& io, int wake_fd, const Metrics& metrics,
                 std::size_t jobs_max) {
  if (workers_open.load() <= worker) workers_open = worker + 1;
  const std::lock_guard lock(mutex_);
  CHECK(first_ == nullptr);
  io_ = &io;
  wake_fd_ = wake_fd;
  metrics_ = &metrics;
  jobs_max_ = jobs_max;
  takes_jobs_ = takes_callables_ = true;
  refused_ = 0;
}

bool Inbox::add(detail::Posted& posted, As what) noexcept {
  const std::lock_guard lock(mutex_);
  if (io_ == nullptr) return false;
  const bool job = what == As::job;
  const bool room = size_ < limits::posts_max && (job || takes_callables_) &&
                    (!job || (takes_jobs_ && jobs_ + running_jobs() < jobs_max_));
  if (!room && what != As::completion) return false;
  posted.next = nullptr;
  *end_ = &posted;
  end_ = &posted.next;
  ++size_;
  jobs_ += job;
  if (!some_.exchange(true, std::memory_order_release) && wake_fd_ >= 0) io_->wake(wake_fd_);
  return true;
}

void Inbox::take_back(detail::Posted& posted) noexcept {
  for (detail::Posted** link = &running_; *link != nullptr; link = &(*link)->next) {
    if (*link != &posted) continue;
    *link = posted.next;
    return;
  }
  const std::lock_guard lock(mutex_);
  for (detail::Posted** link = &first_; *link != nullptr; link = &(*link)->next) {
    if (*link != &posted) continue;
    *link = posted.next;
    if (end_ == &posted.next) end_ = link;
    --size_;
    return;
  }
}

void Inbox::run(Metrics& metrics) {
  if (!has_some()) return;
  DCHECK(running_ == nullptr);
  {
    const std::lock_guard lock(mutex_);
    running_ = std::exchange(first_, nullptr);
    end_ = &first_;
    size_ = jobs_ = 0;
    some_.store(false, std::memory_order_relaxed);
  }
  while (running_ != nullptr) {
    detail::Posted& posted = *std::exchange(running_, running_->next);
    try {
      posted.run(posted);
    } catch (const std::exception& error) {
      metrics.add("posts_failed");
      log::error("what was posted to a worker failed: {}", error.what());
    } catch (...) {
      metrics.add("posts_failed");
      log::error("what was posted to a worker failed");
    }
  }
}

std::size_t Inbox::waiting() const {
  if (!has_some()) return 0;  // mostly: asked in each turn
  const std::lock_guard lock(mutex_);
  return size_;
}

std::size_t Inbox::running_jobs() const {
  const std::uint64_t all = metrics_->get("jobs_running");
  return all - std::min(all, metrics_->get("blocking_calls"));
}

void Inbox::refuse_callables() {
  const std::lock_guard lock(mutex_);
  takes_callables_ = false;
}

void Inbox::refuse_all() {
  const std::lock_guard lock(mutex_);
  takes_jobs_ = takes_callables_ = false;
}

bool Inbox::close_if_empty() {
  const std::lock_guard lock(mutex_);
  if (first_ == nullptr) io_ = nullptr;
  return first_ == nullptr;
}

void Inbox::count_refused() noexcept {
  const std::lock_guard lock(mutex_);
  ++refused_;
}

void Inbox::note_refused(Metrics& metrics) {
  const std::lock_guard lock(mutex_);
  metrics.add("posts_refused", std::exchange(refused_, 0));
}

namespace detail {

bool add_posted(unsigned worker, Posted& posted) noexcept {
  if (worker >= workers_max) return false;
  if (inbox_of(worker).add(posted, Inbox::As::callable)) return true;
  inbox_of(worker).count_refused();
  return false;
}

// Each worker in turn; of those behind it the first that takes it.
bool add_job(Posted& posted) noexcept {
  static std::atomic<unsigned> next{0};
  const unsigned all = workers_open.load(std::memory_order_relaxed);
  if (all == 0) return false;
  const unsigned first = next.fetch_add(1, std::memory_order_relaxed) % all;
  for (unsigned i = 0; i < all; ++i) {
    if (inbox_of((first + i) % all).add(posted, Inbox::As::job)) return true;
  }
  inbox_of(first).count_refused();
  return false;
}

}  // namespace detail
}  // namespace lastcall
