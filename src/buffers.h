// Memory that answers are sent from: small slabs from a LIFO pool, so that the slab of the last
// answer, still warm in the cache, is that of the next one.
//
// One `SlabPool` per worker. (Receive buffers are lent by the kernel: io.h.)
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>
#include <vector>

namespace lastcall {

class SlabPool {
 public:
  SlabPool() = default;
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;
  ~SlabPool();

  [[nodiscard]] char* take();  // limits::slab_bytes of memory
  void give(char* slab);
  [[nodiscard]] std::size_t lent() const { return lent_; }

 private:
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
