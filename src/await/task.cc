#include <lastcall/request.h>
#include <lastcall/task.h>

#include <array>
#include <cstdlib>
#include <exception>

#include "base/check.h"
#include "base/limits.h"

namespace lastcall::detail {
namespace {

// Freed frames of this thread, by size in steps of 128 bytes; larger ones go to malloc.
struct FramePool {
  static constexpr std::size_t step = 128;
  static constexpr std::size_t classes = 16;
#ifdef __SANITIZE_ADDRESS__
  static constexpr std::size_t kept = 0;  // a frame that is used after its end must be seen
#else
  static constexpr std::size_t kept = 1024;  // per class
#endif
  struct Free {
    Free* next;
  };

  FramePool() = default;
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;
  ~FramePool() { trim(); }

  void trim() {
    for (Free*& head : heads) {
      while (head != nullptr) std::free(std::exchange(head, head->next));
    }
    counts.fill(0);
  }

  std::array<Free*, classes> heads{};
  std::array<std::size_t, classes> counts{};
  std::size_t live = 0;
};

thread_local FramePool pool;
constinit thread_local std::size_t bytes_live = 0;
constinit thread_local std::size_t errors_kept = 0;

struct AmongMany : std::exception {
  [[nodiscard]] const char* what() const noexcept override {
    return "an error, one of so many in the same instant that its text was not kept";
  }
};

std::size_t class_of(std::size_t bytes) { return (bytes - 1) / FramePool::step; }

}  // namespace

void* frame_allocate(std::size_t bytes) noexcept {
  const std::size_t index = class_of(bytes);
  void* frame = nullptr;
  if (index < FramePool::classes && pool.heads[index] != nullptr) {
    frame = std::exchange(pool.heads[index], pool.heads[index]->next);
    --pool.counts[index];
  } else {
    frame = std::malloc(index < FramePool::classes ? (index + 1) * FramePool::step : bytes);
  }
  if (frame == nullptr) return nullptr;
  ++pool.live;
  bytes_live += bytes;
  return frame;
}

void frame_free(void* frame, std::size_t bytes) noexcept {
  --pool.live;
  bytes_live -= bytes;
  const std::size_t index = class_of(bytes);
  if (index >= FramePool::classes || pool.counts[index] == FramePool::kept) {
    std::free(frame);
    return;
  }
  auto* free = static_cast<FramePool::Free*>(frame);
  free->next = pool.heads[index];
  pool.heads[index] = free;
  ++pool.counts[index];
}

void KeptError::forget() noexcept { --errors_kept; }

void KeptError::keep(bool counted) noexcept {
  error_ = std::current_exception();
  counted_ = counted;
  if (counted) ++errors_kept;
}

PromiseBase::Ended PromiseBase::keep_exception(KeptError& error, bool root) noexcept {
  try {
    throw;
  } catch (const Canceled&) {
    return Ended::canceled;
  } catch (const Incomplete& incomplete) {
    error.status = incomplete.status;
    return Ended::incomplete;
  } catch (const std::bad_alloc&) {
    return Ended::without_memory;
  } catch (...) {
    if (root && errors_kept >= limits::errors_kept) return Ended::among_many;
    error.keep(root);
    return Ended::by_error;
  }
}

void PromiseBase::rethrow() const {
  switch (ended) {
    case Ended::well: return;
    case Ended::by_error: error.rethrow();
    case Ended::among_many: throw AmongMany();
    case Ended::canceled: throw Canceled();
    case Ended::incomplete: throw Incomplete{error.status};
    case Ended::without_memory: throw std::bad_alloc();
  }
}

void check_frame(bool usable) noexcept {
  CHECK(usable &&
        "a task is started once, where it has a frame, and asked for its result when done");
}

std::size_t frames_live() noexcept { return pool.live; }

std::size_t frame_bytes_live() noexcept { return bytes_live; }

void frames_trim() noexcept { pool.trim(); }

}  // namespace lastcall::detail
