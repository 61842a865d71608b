// Memory that answers are sent from: small slabs from a LIFO pool, so that the slab of the last
// answer, still warm in the cache, is that of the next one. What outgrows a slab is charged as a
// body; a large content stays where its handler has put it.
//
// One `SlabPool` per worker. (Receive buffers are lent by the kernel: io.h.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "http/held_bytes.h"
#include "io/io.h"

namespace lastcall {

class SlabPool {
 public:
  explicit SlabPool(Memory& memory) : memory_(memory) {}
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;
  ~SlabPool();

  [[nodiscard]] char* take();  // limits::slab_bytes of memory; null: there is none
  void give(char* slab);
  void trim();  // what is free goes back to the system
  [[nodiscard]] std::size_t lent() const { return lent_; }
  [[nodiscard]] Memory& memory() { return memory_; }

 private:
  struct Free {
    Free* next;
  };

  Memory& memory_;
  Free* free_ = nullptr;
  std::size_t kept_ = 0;
  std::size_t lent_ = 0;
};

// A large content as its handler has made it, or as the program keeps it. What nobody but us holds
// is charged as a body.
class LargeContent {
 public:
  explicit LargeContent(Memory& memory) : memory_(memory) {}
  LargeContent(const LargeContent&) = delete;
  LargeContent& operator=(const LargeContent&) = delete;
  ~LargeContent() { memory_.release_body(charged_); }

  void take(std::string& own) noexcept;  // once, one of the two
  void take(std::shared_ptr<const std::string>& shared) noexcept;
  [[nodiscard]] std::string_view bytes() const { return shared_ ? *shared_ : own_; }

 private:
  friend class OutBuffer;

  Memory& memory_;
  std::string own_;
  std::shared_ptr<const std::string> shared_;
  std::size_t charged_ = 0;
  TwoPieces sending_;
};

// The bytes of one batch of answers, contiguous, and behind them the content of the last, if that
// is large: one send takes them all. Starts in a slab and moves to the heap when it outgrows it.
// The address is stable while nothing is appended, which is what a send in flight needs.
class OutBuffer {
 public:
  explicit OutBuffer(SlabPool& pool) : pool_(pool), heap_(pool.memory(), HeldBytes::Part::body) {}
  OutBuffer(const OutBuffer&) = delete;
  OutBuffer& operator=(const OutBuffer&) = delete;
  ~OutBuffer() { clear(); }

  // Room for `bytes` more at the returned address; make them count with `commit`. Null: there is no
  // memory, and nothing has changed.
  [[nodiscard]] char* reserve(std::size_t bytes) {
    if (slab_ != nullptr && limits::slab_bytes - slab_size_ >= bytes) return slab_ + slab_size_;
    return grow(bytes);
  }
  void commit(std::size_t bytes) {
    slab_ != nullptr ? void(slab_size_ += bytes) : heap_.commit(bytes);
  }
  [[nodiscard]] bool append(std::string_view bytes);  // as `reserve`
  void take(HeldBytes& bytes);                        // a body's; only while it is empty
  void end_with(std::unique_ptr<LargeContent> content) { content_ = std::move(content); }
  void clear();  // gives the memory back
  // Of the whole: `bytes` from `from` on.
  void send(Io& io, int socket, std::size_t from, std::size_t bytes, Ticket ticket);

  // No more answers should be added to it, until these are sent.
  [[nodiscard]] bool full() const {
    if (size() < limits::slab_bytes) return false;
    if (content_ != nullptr) return true;
    const bool room = pool_.memory().has_room_for_answer(limits::small_answer_bytes + 1);
    return !room || size() >= limits::output_bytes_max;
  }

  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const {
    const std::size_t batch = slab_ != nullptr ? slab_size_ : heap_.size();
    return content_ == nullptr ? batch : batch + content_->bytes().size();
  }
  [[nodiscard]] std::string_view batch() const {
    return slab_ != nullptr ? std::string_view{slab_, slab_size_} : heap_.bytes();
  }

 private:
  char* grow(std::size_t bytes);

  SlabPool& pool_;
  char* slab_ = nullptr;  // null: the bytes are on the heap, or there are none
  std::size_t slab_size_ = 0;
  HeldBytes heap_;
  std::unique_ptr<LargeContent> content_;
};

}  // namespace lastcall
