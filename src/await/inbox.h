// What other threads have for one worker: it runs within its next turn (lastcall/post.h).
//
// Invariants
//  1. What `add` has taken runs, exactly once: an inbox closes only while it is empty.
//  2. Whoever adds to an empty one wakes the worker; the others need not.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <lastcall/context.h>
#include <lastcall/post.h>

namespace lastcall {

class Io;
class Metrics;

class Inbox {
 public:
  // ---- its worker's
  void open(unsigned worker, Io& io, int wake_fd, const Metrics& metrics, std::size_t jobs_max);
  [[nodiscard]] bool has_some() const { return some_.load(std::memory_order_acquire); }
  void run(Metrics& metrics);                       // all there are now
  void take_back(detail::Posted& posted) noexcept;  // if it is here, and has not run
  [[nodiscard]] std::size_t waiting() const;
  void refuse_callables();              // from here on, but for jobs: there is nothing else to do
  void refuse_all();                    // the drain's deadline has passed
  [[nodiscard]] bool close_if_empty();  // nothing is taken any more
  void note_refused(Metrics& metrics);  // counted since

  // ---- any thread's
  enum class As : std::uint8_t { callable, job, completion };  // which is always taken
  [[nodiscard]] bool add(detail::Posted& posted, As what) noexcept;
  void count_refused() noexcept;

 private:
  [[nodiscard]] std::size_t running_jobs() const;

  mutable std::mutex mutex_;  // of what follows
  detail::Posted* first_ = nullptr;
  detail::Posted** end_ = &first_;
  std::size_t size_ = 0;
  std::size_t jobs_ = 0;  // of them
  std::size_t jobs_max_ = 0;
  Io* io_ = nullptr;  // null: closed
  int wake_fd_ = -1;
  const Metrics* metrics_ = nullptr;
  bool takes_callables_ = false;
  bool takes_jobs_ = false;
  std::size_t refused_ = 0;
  std::atomic<bool> some_{false};
  detail::Posted* running_ =
      nullptr;  // the worker's own: what `run` has taken, and is still to run
};

// Of the worker of that number, for the life of the process.
[[nodiscard]] Inbox& inbox_of(unsigned worker);

}  // namespace lastcall
