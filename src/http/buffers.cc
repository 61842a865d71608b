#include "http/buffers.h"

#include <algorithm>

#include "base/check.h"
#include "base/limits.h"

namespace lastcall {

SlabPool::~SlabPool() {
  DCHECK(lent_ == 0);
  for (char* slab : free_) delete[] slab;
}

char* SlabPool::take() {
  ++lent_;
  if (free_.empty()) return new char[limits::slab_bytes];
  char* slab = free_.back();
  free_.pop_back();
  return slab;
}

void SlabPool::give(char* slab) {
  CHECK(lent_ > 0);
  DCHECK(slab != nullptr);
  --lent_;
  if (free_.size() < limits::slabs_kept) {
    free_.push_back(slab);
  } else {
    delete[] slab;
  }
}

void OutBuffer::clear() {
  if (capacity_ == limits::slab_bytes) {
    pool_.give(data_);
  } else {
    pool_.budget().used -= capacity_;
    delete[] data_;
  }
  data_ = nullptr;
  size_ = capacity_ = 0;
}

void OutBuffer::grow(std::size_t needed) {
  DCHECK(needed > capacity_);
  if (capacity_ == 0 && needed <= limits::slab_bytes) {
    data_ = pool_.take();
    capacity_ = limits::slab_bytes;
    return;
  }
  // Past one slab: a heap block, never of a slab's own size, which is how `clear` tells the two.
  const std::size_t capacity = std::max({needed, 2 * capacity_, 2 * limits::slab_bytes});
  char* block = new char[capacity];
  if (size_ > 0) std::memcpy(block, data_, size_);
  const std::size_t size = size_;
  clear();
  pool_.budget().used += capacity;
  data_ = block;
  size_ = size;
  capacity_ = capacity;
}

}  // namespace lastcall
