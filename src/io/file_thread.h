// Writes and syncs files for a loop, on a thread of its own: neither can be tried without blocking.
//
// Invariants
//  1. What was added is reported by `take_done` exactly once, unless `take_back` returned it.
//  2. The memory and the descriptor that it names are used until then.
//  3. One after the other, in the order in which it was added.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "io/io.h"

namespace lastcall {

class FileThread {
 public:
  struct Work {
    Ticket ticket;
    int fd = -1;
    std::string_view bytes;  // pwrite(2) of these at `offset`; empty: fdatasync(2)
    std::uint64_t offset = 0;
  };

  // `wake_fd` is an eventfd(2), written to when something is done.
  explicit FileThread(int wake_fd) : wake_fd_(wake_fd) {}
  FileThread(const FileThread&) = delete;
  FileThread& operator=(const FileThread&) = delete;
  ~FileThread();

  // Memory for so many at once: `add` then needs none. Throws std::bad_alloc.
  void reserve(std::size_t all);
  // The first starts the thread. Where none can be had the work is done at once, in the caller's.
  void add(const Work& work);
  // Not begun yet: then it never will be.
  [[nodiscard]] bool take_back(Ticket ticket);
  [[nodiscard]] bool knows(Ticket ticket);  // added, and not taken
  void take_done(std::vector<Completion>& into);

 private:
  bool start();
  void run();

  const int wake_fd_;
  std::thread thread_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool denied_said_ = false;   // that there is no thread
  std::vector<Work> waiting_;  // the first of them is under way where `busy_`
  bool busy_ = false;
  bool ends_ = false;
  std::vector<Completion> done_;
};

}  // namespace lastcall
