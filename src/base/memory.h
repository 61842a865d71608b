// What a worker's clients may make it hold, in bytes: its account of all of it, and what this
// process may have.
//
// Charged: places of connections, heads, bodies, what waits to be parsed, answers, coroutine
// frames and jobs. Not charged, and why --memory is half of what there is: the kernel's buffers of
// sockets, rings, stacks, what handlers hold, and what malloc(3) rounds up.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/limits.h"

namespace lastcall {

// Room is asked for before anything is let in. What is here already is charged, room or no room:
// each connection stops receiving soon, so the account is passed by little.
class Memory {
 public:
  struct Bounds {
    std::size_t all = std::size_t{512} << 20;
    std::size_t bodies = std::size_t{256} << 20;  // of it
    // Heads may take half of it: who sends halves of them keeps nobody from being served.
    [[nodiscard]] std::size_t heads() const { return all / 2; }
  };

  explicit Memory(Bounds bounds) : bounds_(bounds) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  [[nodiscard]] std::size_t used() const { return charged_ + frames_; }
  [[nodiscard]] std::size_t charged() const { return charged_; }  // without frames
  [[nodiscard]] std::size_t frames() const { return frames_; }
  [[nodiscard]] std::size_t peak() const { return peak_; }  // since `restart_peak`
  void restart_peak() { peak_ = used(); }

  [[nodiscard]] bool has_room(std::size_t bytes) const { return fits(bytes, used(), bounds_.all); }
  [[nodiscard]] bool has_room_for_body(std::size_t bytes) const {
    return has_room(bytes) && fits(bytes, bodies_, bounds_.bodies);
  }
  [[nodiscard]] bool has_room_for_head(std::size_t bytes) const {
    return has_room(bytes) && fits(bytes, heads_, bounds_.heads());
  }
  // Small answers always fit; larger ones leave a quarter to requests, so that clients that read
  // nothing do not keep out those who send.
  // `freed`: what of bodies goes before.
  [[nodiscard]] bool has_room_for_answer(std::size_t bytes, std::size_t freed = 0) const {
    return bytes <= limits::small_answer_bytes ||
           (fits(bytes, used() - freed, bounds_.all) &&
            fits(bytes, bodies_ - freed, bounds_.bodies - quarter(bounds_.bodies)));
  }
  // The last quarter is for what has begun. `own`: what whoever asks holds already.
  [[nodiscard]] bool scarce(std::size_t own = 0) const {
    return used() > bounds_.all - quarter(bounds_.all) + own;
  }
  // From half of it on clients are held back, until an eighth of all is free again.
  [[nodiscard]] bool half_used() const { return used() > bounds_.all / 2; }
  [[nodiscard]] bool well_below_half() const { return used() <= bounds_.all / 8 * 3; }

  void charge(std::size_t bytes) {
    charged_ += bytes;
    peak_ = std::max(peak_, used());
  }
  void release(std::size_t bytes) { charged_ -= bytes; }
  void charge_body(std::size_t bytes) {
    bodies_ += bytes;
    charge(bytes);
  }
  void charge_head(std::size_t bytes) {
    heads_ += bytes;
    charge(bytes);
  }
  void release_head(std::size_t bytes) {
    heads_ -= bytes;
    release(bytes);
  }
  void release_body(std::size_t bytes) {
    bodies_ -= bytes;
    release(bytes);
  }
  // Of coroutines and background jobs: counted where they are made, and told once a turn.
  void set_frames(std::size_t bytes) { frames_ = bytes; }

 private:
  [[nodiscard]] static std::size_t quarter(std::size_t bytes) { return bytes / 4; }
  [[nodiscard]] static bool fits(std::size_t bytes, std::size_t used, std::size_t most) {
    return used <= most && bytes <= most - used;
  }

  const Bounds bounds_;
  std::size_t charged_ = 0;
  std::size_t bodies_ = 0;
  std::size_t heads_ = 0;
  std::size_t frames_ = 0;
  std::size_t peak_ = 0;
};

// The smallest of the machine's memory and the limits of all cgroups that this process is in, v2
// (memory.max) or v1 (memory.limit_in_bytes).
[[nodiscard]] std::size_t usable_memory();

// What of the process is in memory (proc(5) statm); 0: not known.
[[nodiscard]] std::size_t resident_bytes();

// From here on malloc(3) keeps up to `most` bytes of what is freed at the end of each of its heaps,
// and takes blocks of any size from there: else each page of a large content is one that the kernel
// has to fill with zeros first. Only glibc's; malloc_trim(3) gives all of it back.
void keep_freed_memory(std::size_t most);

// The machine's part alone, of a file as proc(5) has /proc/meminfo; limits::memory_unknown where it
// does not say.
[[nodiscard]] std::size_t machine_memory(const char* meminfo);

// The limit part alone, of the cgroup file system at `root`, for a process whose /proc/self/cgroup
// reads `membership`; 0: no limit.
[[nodiscard]] std::size_t memory_limit(const char* root, const char* membership);

}  // namespace lastcall
