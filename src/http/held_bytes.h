// Growing bytes in memory of their own, charged to the worker's account: a body, what waits to be
// parsed, answers. Where the system has no memory nothing is thrown, and nothing is lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/memory.h"

namespace lastcall {

class HeldBytes {
 public:
  enum class Part : std::uint8_t { head, body, rest };  // of the account

  HeldBytes(Memory& memory, Part part) : memory_(memory), part_(part) {}
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;
  ~HeldBytes() { clear(); }

  // Room for `bytes` more, and for some of what is to come behind them: in all `to_come`, where
  // that is known. Moves what is held. False: there is no memory, and nothing has changed.
  [[nodiscard]] bool reserve(std::size_t bytes, std::size_t to_come = SIZE_MAX);
  [[nodiscard]] bool append(std::string_view bytes,
                            std::size_t to_come = SIZE_MAX);  // as `reserve`
  // What `reserve` would charge.
  [[nodiscard]] std::size_t growth(std::size_t bytes, std::size_t to_come = SIZE_MAX) const;
  void drop_front(std::size_t bytes);    // the memory of the rest stays where it is
  void give_room_back();                 // what `reserve` has added; moves what is held
  void swap(HeldBytes& other) noexcept;  // of the same part of the same account
  void clear() {                         // gives the memory back
    if (data_ != nullptr) give_back();
  }

  // Where the next bytes go, once there is room; `commit` makes them count.
  [[nodiscard]] char* end() { return data() + size_; }
  void commit(std::size_t bytes) { size_ += bytes; }
  // Do these stand there, and were not counted yet?
  [[nodiscard]] bool has_at_end(std::string_view bytes) const {
    return begin_ + size_ + bytes.size() <= capacity_ && bytes.data() == data_ + begin_ + size_;
  }

  [[nodiscard]] char* data() { return data_ + begin_; }
  [[nodiscard]] std::string_view bytes() const { return {data_ + begin_, size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }  // as charged

 private:
  void give_back();
  void charge(std::size_t bytes);
  void release(std::size_t bytes);

  Memory& memory_;
  char* data_ = nullptr;
  std::size_t begin_ = 0;  // of what is held
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  Part part_;
};

}  // namespace lastcall
