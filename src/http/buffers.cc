#include "http/buffers.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace lastcall {

SlabPool::~SlabPool() {
  DCHECK(lent_ == 0);
  trim();
}

char* SlabPool::take() {
  char* slab = nullptr;
  if (free_ != nullptr) {
    slab = reinterpret_cast<char*>(std::exchange(free_, free_->next));
    --kept_;
  } else {
    slab = static_cast<char*>(std::malloc(limits::slab_bytes));
    if (slab == nullptr) return nullptr;
  }
  ++lent_;
  memory_.charge(limits::slab_bytes);
  return slab;
}

void SlabPool::give(char* slab) {
  CHECK(lent_ > 0);
  DCHECK(slab != nullptr);
  --lent_;
  memory_.release(limits::slab_bytes);
  if (kept_ == limits::slabs_kept) {
    std::free(slab);
    return;
  }
  auto* const free = reinterpret_cast<Free*>(slab);
  free->next = free_;
  free_ = free;
  ++kept_;
}

void SlabPool::trim() {
  while (free_ != nullptr) std::free(std::exchange(free_, free_->next));
  kept_ = 0;
}

void LargeContent::take(std::string& own) noexcept {
  own_.swap(own);
  memory_.charge_body(charged_ = own_.capacity());
}

void LargeContent::take(std::shared_ptr<const std::string>& shared) noexcept {
  shared_.swap(shared);
  if (shared_.use_count() == 1) memory_.charge_body(charged_ = shared_->capacity());
}

void OutBuffer::clear() {
  content_.reset();
  if (slab_ != nullptr) pool_.give(slab_);
  slab_ = nullptr;
  slab_size_ = 0;
  heap_.clear();
}

bool OutBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return true;
  char* const at = reserve(bytes.size());
  if (at == nullptr) return false;
  std::memcpy(at, bytes.data(), bytes.size());
  commit(bytes.size());
  return true;
}

void OutBuffer::take(HeldBytes& bytes) {
  DCHECK(empty());
  clear();
  heap_.swap(bytes);
}

void OutBuffer::send(Io& io, int socket, std::size_t from, std::size_t bytes, Ticket ticket) {
  const std::string_view first = batch().substr(std::min(from, batch().size()), bytes);
  if (first.size() == bytes) {
    io.submit_send(socket, first, ticket);
    return;
  }
  const std::size_t begin = from + first.size() - batch().size();
  const std::string_view second = content_->bytes().substr(begin, bytes - first.size());
  if (first.empty()) {
    io.submit_send(socket, second, ticket);
    return;
  }
  content_->sending_.first = first;
  content_->sending_.second = second;
  io.submit_send_two(socket, content_->sending_, ticket);
}

char* OutBuffer::grow(std::size_t bytes) {
  if (slab_ == nullptr && heap_.empty() && bytes <= limits::slab_bytes) {
    slab_ = pool_.take();
    return slab_;
  }
  if (slab_ == nullptr) return heap_.reserve(bytes) ? heap_.end() : nullptr;
  if (!heap_.reserve(slab_size_ + bytes)) return nullptr;
  (void)heap_.append({slab_, slab_size_});  // there is room
  pool_.give(std::exchange(slab_, nullptr));
  slab_size_ = 0;
  return heap_.end();
}

}  // namespace lastcall
