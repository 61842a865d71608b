// Memory that answers are sent from: small slabs from a LIFO pool, so that the slab of the last
// answer, still warm in the cache, is that of the next one. What outgrows a slab is charged to the
// budget of all bodies.
//
// One `SlabPool` per worker. (Receive buffers are lent by the kernel: io.h.)
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>
#include <vector>

#include "http/body_budget.h"

namespace lastcall {

class SlabPool {
 public:
  explicit SlabPool(BodyBudget& budget) : budget_(budget) {}
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;
  ~SlabPool();

  [[nodiscard]] char* take();  // limits::slab_bytes of memory
  void give(char* slab);
  [[nodiscard]] std::size_t lent() const { return lent_; }
  [[nodiscard]] BodyBudget& budget() { return budget_; }

 private:
  BodyBudget& budget_;
  std::vector<char*> free_;
  std::size_t lent_ = 0;
};

// The bytes of one batch of answers, contiguous: one send takes them all. Starts in a slab and
// moves to the heap when it outgrows it. The address is stable while nothing is appended, which
// is what a send in flight needs.
class OutBuffer {
 public:
  explicit OutBuffer(SlabPool& pool) : pool_(pool) {}
  OutBuffer(const OutBuffer&) = delete;
  OutBuffer& operator=(const OutBuffer&) = delete;
  ~OutBuffer() { clear(); }

  // Room for `bytes` more at the returned address; make them count with `commit`.
  char* reserve(std::size_t bytes) {
    if (capacity_ - size_ < bytes) grow(size_ + bytes);
    return data_ + size_;
  }
  void commit(std::size_t bytes) { size_ += bytes; }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void clear();  // gives the memory back

  // No more answers should be added to it, until these are sent.
  [[nodiscard]] bool full() const {
    const bool room = pool_.budget().has_room_for_answer(limits::small_answer_bytes + 1);
    return size_ >= (room ? limits::output_bytes_max : limits::slab_bytes);
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::string_view bytes() const { return {data_, size_}; }

 private:
  void grow(std::size_t needed);

  SlabPool& pool_;
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace lastcall
