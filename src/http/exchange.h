// One request and its answer, with the memory that both stand in.
//
// A connection takes an exchange from its worker's pool with the first byte of a request and gives
// it back when the answer is written. A coroutine handler keeps it: it outlives the connection if
// the client goes first. Nothing here is allocated for a plain request that arrives in one piece:
// head and body are then views into the lent receive buffer, and the vectors keep their capacity.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include <lastcall/request.h>
#include <lastcall/response.h>
#include <lastcall/task.h>

#include "http/held_bytes.h"

namespace lastcall {

// The memory of one body: the request's, or what is charged for the answer to it. Empty and
// uncharged while the body is a view.
class BodyBuffer {
 public:
  explicit BodyBuffer(Memory& memory) : memory_(memory), held_(memory, HeldBytes::Part::body) {}
  BodyBuffer(const BodyBuffer&) = delete;
  BodyBuffer& operator=(const BodyBuffer&) = delete;
  ~BodyBuffer() { clear(); }

  [[nodiscard]] bool append(std::string_view bytes);  // false: there is no room, or no memory
  // Frees the body, and charges `bytes` for an answer that has to wait. False: there is no room.
  [[nodiscard]] bool charge_answer(std::size_t bytes);
  // Is there room for an answer that need not wait, or has that waited?
  [[nodiscard]] bool has_room_for_answer(std::size_t bytes) const {
    return is_answers_ || memory_.has_room_for_answer(bytes, held_.capacity());
  }
  [[nodiscard]] std::string_view bytes() const { return held_.bytes(); }
  [[nodiscard]] std::size_t capacity() const { return held_.capacity(); }
  void clear();

 private:
  Memory& memory_;
  HeldBytes held_;
  std::size_t answer_bytes_ = 0;  // as charged
  bool is_answers_ = false;
};

struct Exchange {
  explicit Exchange(Memory& memory);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Moves the raw head, and every view into it, to memory of the exchange with room for
  // `capacity` bytes; once there, to larger memory where that is needed. False: there is no room,
  // or no memory, and nothing has changed.
  [[nodiscard]] bool own_head(std::string_view raw, std::size_t capacity);
  // Moves a body that is still a view into a receive buffer. False: likewise.
  [[nodiscard]] bool own_body();
  [[nodiscard]] bool add_field(const Field& field) {  // false: likewise
    if (request.fields_.size() == request.fields_.capacity() && !grow_fields()) return false;
    request.fields_.push_back(field);
    return true;
  }
  // Of itself and its list of fields, as charged.
  [[nodiscard]] std::size_t bytes() const {
    return sizeof *this + request.fields_.capacity() * sizeof(Field);
  }
  // Nobody waits for the answer any more: the client has gone, or the deadline has cut it. The
  // coroutine runs on, and can see it.
  void abandon();
  void clear();

  Request request;
  Response response;
  BodyBuffer body;
  bool probes = false;  // asked for on the admin listener: there is always room
  HeldBytes head;       // owned memory of the raw head, once it needed any
  bool head_owned = false;

  // Of a coroutine handler.
  Task<> task;
  const struct Route* route = nullptr;     // while it is counted as under way there
  class Connection* connection = nullptr;  // null: nobody waits for its answer
  class Worker* worker = nullptr;

 private:
  [[nodiscard]] bool grow_fields();

  Memory& memory_;
};

class ExchangePool {
 public:
  explicit ExchangePool(Memory& memory) : memory_(memory) { free_.reserve(limits::exchanges_kept); }
  [[nodiscard]] Exchange* take();  // null: there is no memory
  void give(Exchange* exchange);
  void trim() { free_.clear(); }  // what is free goes back to the system
  [[nodiscard]] std::size_t lent() const { return lent_; }

 private:
  Memory& memory_;
  std::vector<std::unique_ptr<Exchange>> free_;
  std::size_t lent_ = 0;
};

}  // namespace lastcall
