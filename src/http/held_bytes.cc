#include "http/held_bytes.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace lastcall {

std::size_t HeldBytes::growth(std::size_t bytes, std::size_t to_come) const {
  DCHECK(bytes <= to_come);
  const std::size_t needed = size_ + bytes;
  if (needed <= capacity_) return 0;
  // A body comes on and on; the rest is little each, of many.
  const std::size_t more = part_ == Part::body ? capacity_ : capacity_ / 2;
  const std::size_t spare = std::max(needed, capacity_ + more) - needed;
  return std::max(needed + std::min(spare, to_come - bytes), limits::held_bytes_min) - capacity_;
}

bool HeldBytes::reserve(std::size_t bytes, std::size_t to_come) {
  if (begin_ + size_ + bytes <= capacity_) return true;
  if (begin_ > 0) {  // the front has been dropped: it may do
    std::memmove(data_, data_ + begin_, size_);
    begin_ = 0;
  }
  const std::size_t more = growth(bytes, to_come);
  if (more == 0) return true;
  auto* const grown = static_cast<char*>(std::realloc(data_, capacity_ + more));
  if (grown == nullptr) return false;
  data_ = grown;
  capacity_ += more;
  charge(more);
  return true;
}

void HeldBytes::give_room_back() {
  if (size_ == 0) return clear();
  if (begin_ > 0) std::memmove(data_, data_ + begin_, size_);
  begin_ = 0;
  auto* const smaller = static_cast<char*>(std::realloc(data_, size_));
  if (smaller == nullptr) return;
  data_ = smaller;
  release(capacity_ - size_);
  capacity_ = size_;
}

void HeldBytes::charge(std::size_t bytes) {
  switch (part_) {
    case Part::head: memory_.charge_head(bytes); return;
    case Part::body: memory_.charge_body(bytes); return;
    case Part::rest: memory_.charge(bytes); return;
  }
}

void HeldBytes::release(std::size_t bytes) {
  switch (part_) {
    case Part::head: memory_.release_head(bytes); return;
    case Part::body: memory_.release_body(bytes); return;
    case Part::rest: memory_.release(bytes); return;
  }
}

bool HeldBytes::append(std::string_view bytes, std::size_t to_come) {
  if (bytes.empty()) return true;
  if (!reserve(bytes.size(), to_come)) return false;
  std::memcpy(end(), bytes.data(), bytes.size());
  commit(bytes.size());
  return true;
}

void HeldBytes::drop_front(std::size_t bytes) {
  DCHECK(bytes <= size_);
  begin_ += bytes;
  size_ -= bytes;
  if (size_ == 0) clear();
}

void HeldBytes::swap(HeldBytes& other) noexcept {
  DCHECK(&memory_ == &other.memory_ && part_ == other.part_);
  std::swap(data_, other.data_);
  std::swap(begin_, other.begin_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
}

void HeldBytes::give_back() {
  std::free(data_);
  release(capacity_);
  data_ = nullptr;
  begin_ = size_ = capacity_ = 0;
}

}  // namespace lastcall
