// What the epoll engine knows of each watch, found by its number: an open-addressing table, so
// that an idle connection costs some 20 bytes here however many workers share the numbers.
//
// Invariants
//  1. A descriptor has one place; `find` meets it before any empty place.
//  2. At most 7/8 of the places are taken.
//  3. References are good until the next `add` or `remove`.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lastcall {

struct Watch {
  static constexpr std::uint32_t none = UINT32_MAX;

  int fd = -1;                   // -1: the place is empty
  std::uint32_t generation = 0;  // rejects an event that was meant for an earlier use of the number
  std::uint32_t operations = none;  // the first that is outstanding on it
  bool readable : 1 = false;        // a receive has not met EAGAIN since it was told so
  bool writable : 1 = false;        // a send has not
  bool listed : 1 = false;          // in the list of those to look at in this turn
  bool registered : 1 = false;      // with epoll
  bool nonblocking : 1 = false;     // we have made it so
  bool refused : 1 = false;         // epoll has refused it, as it refuses regular files
  bool to_the_end : 1 = false;      // a short receive does not mean that nothing is left
  bool borrowed : 1 = false;  // only polled: somebody else's, who may close it behind our back
};
static_assert(sizeof(Watch) == 16);

enum class Does : std::uint8_t {
  accept,
  accept_once,
  receive,
  receive_once,
  read,
  send,
  send_two,
  send_file,
  connect,
  poll
};

// One that is outstanding on a descriptor: 32 bytes, of which an idle connection needs one.
struct Operation {
  std::uint64_t ticket = 0;          // packed
  void* memory = nullptr;            // to be sent, or read into; a connect's address
  std::uint32_t size = 0;            // of the memory; a poll's events
  std::uint32_t done = 0;            // bytes sent
  std::uint32_t next = Watch::none;  // on the same watch, or among the unused
  Does does = Does::poll;
};
static_assert(sizeof(Operation) == 32);

// send(2), or sendmsg(2), of what such an operation has not sent yet; never blocks.
[[nodiscard]] ssize_t send_rest(int socket, const Operation& operation);

// accept(2), read(2), connect(2) and sendfile(2) block where the descriptor does; the others are
// told not to.
[[nodiscard]] inline bool would_block(Does does) {
  return does == Does::accept || does == Does::accept_once || does == Does::read ||
         does == Does::connect || does == Does::send_file;
}

class Watches {
 public:
  // Null if it is not here.
  [[nodiscard]] Watch* find(int fd);
  void reserve(std::size_t watches);  // in all; may throw std::bad_alloc, having changed nothing
  // It must not be here yet. Beyond what is reserved it may throw likewise.
  Watch& add(int fd);
  void remove(int fd);  // it must be here
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  [[nodiscard]] std::size_t home(int fd) const;  // where a search for it begins
  [[nodiscard]] std::size_t after(std::size_t place) const;
  [[nodiscard]] std::size_t search(int fd) const;  // its place, or the empty one it would take
  void grow();

  std::vector<Watch> places_;
  std::size_t size_ = 0;
};

}  // namespace lastcall
