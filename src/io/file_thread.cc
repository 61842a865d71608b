#include "io/file_thread.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include <lastcall/log.h>

#include "base/check.h"
#include "base/reserve.h"
#include "base/signal_mask.h"
#include "io/sockets.h"

namespace lastcall {
namespace {

int perform(const FileThread::Work& work) {
  const ssize_t result = work.bytes.empty()
                             ? ::fdatasync(work.fd)
                             : ::pwrite(work.fd, work.bytes.data(), work.bytes.size(),
                                        static_cast<off_t>(work.offset));
  return result < 0 ? -errno : static_cast<int>(result);
}

}  // namespace

FileThread::~FileThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    CHECK(waiting_.empty());
    ends_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

bool FileThread::start() {
  if (thread_.joinable()) return true;
  const SignalsBlocked blocked;
  try {
    thread_ = std::thread(&FileThread::run, this);
  } catch (const std::exception& error) {  // no thread, or no memory for it
    if (!std::exchange(denied_said_, true)) {
      log::warning(
          "no thread for files: {}; they are written by the worker itself, and clients wait",
          error.what());
    }
  }
  return thread_.joinable();
}

void FileThread::reserve(std::size_t all) {
  const std::lock_guard lock(mutex_);
  reserve_for(waiting_, all);
  reserve_for(done_, all);
}

void FileThread::add(const Work& work) {
  const bool beside = start();
  {
    const std::lock_guard lock(mutex_);
    DCHECK(waiting_.size() < waiting_.capacity() && done_.size() < done_.capacity());
    if (beside) {
      waiting_.push_back(work);
    } else {
      done_.push_back({.ticket = work.ticket, .result = perform(work)});
    }
  }
  if (beside) {
    changed_.notify_one();
  } else {
    wake_event(wake_fd_);
  }
}

bool FileThread::take_back(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  const auto first = waiting_.begin() + (busy_ ? 1 : 0);
  const auto at = std::find_if(
      first, waiting_.end(), [&](const Work& work) { return work.ticket.pack() == ticket.pack(); });
  if (at == waiting_.end()) return false;
  waiting_.erase(at);
  return true;
}

bool FileThread::knows(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  const auto is_it = [&](const auto& each) { return each.ticket.pack() == ticket.pack(); };
  return std::any_of(waiting_.begin(), waiting_.end(), is_it) ||
         std::any_of(done_.begin(), done_.end(), is_it);
}

void FileThread::take_done(std::vector<Completion>& into) {
  const std::lock_guard lock(mutex_);
  into.insert(into.end(), done_.begin(), done_.end());
  done_.clear();
}

void FileThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    DCHECK(!busy_);
    const Work work = waiting_.front();
    busy_ = true;
    lock.unlock();
    const int result = perform(work);
    lock.lock();
    busy_ = false;
    waiting_.erase(waiting_.begin());
    done_.push_back({.ticket = work.ticket, .result = result});
    wake_event(wake_fd_);
  }
}

}  // namespace lastcall
