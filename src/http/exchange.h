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

#include "http/body_budget.h"

namespace lastcall {

// Growing memory of one body, charged to the budget; empty and uncharged while the body is a view.
class BodyBuffer {
 public:
  explicit BodyBuffer(BodyBudget& budget) : budget_(budget) {}
  BodyBuffer(const BodyBuffer&) = delete;
  BodyBuffer& operator=(const BodyBuffer&) = delete;
  ~BodyBuffer() { clear(); }

  [[nodiscard]] bool append(std::string_view bytes);  // false: the budget is used up
  // Frees the body, charges `bytes` for the answer, once. False: over budget.
  [[nodiscard]] bool charge_answer(std::size_t bytes);
  [[nodiscard]] std::string_view bytes() const { return {data_.get(), size_}; }
  void clear();

 private:
  BodyBudget& budget_;
  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;  // as charged
  bool is_answers_ = false;
};

struct Exchange {
  explicit Exchange(BodyBudget& budget) : body(budget) {}

  // Moves the raw head, and every view into it, to memory of the exchange with room for
  // `capacity` bytes; once there, to larger memory where that is needed.
  void own_head(std::string_view raw, std::size_t capacity);
  // Moves a body that is still a view into a receive buffer. False: the budget is used up.
  [[nodiscard]] bool own_body();
  // Nobody waits for the answer any more: the client has gone, or the deadline has cut it. The
  // coroutine runs on, and can see it.
  void abandon();
  void clear();

  Request request;
  Response response;
  BodyBuffer body;
  std::unique_ptr<char[]> head;  // owned memory of the raw head, once it needed any
  std::size_t head_capacity = 0;
  bool head_owned = false;

  // Of a coroutine handler.
  Task<> task;
  class Connection* connection = nullptr;  // null: nobody waits for its answer
  class Worker* worker = nullptr;
};

class ExchangePool {
 public:
  explicit ExchangePool(BodyBudget& budget) : budget_(budget) {}
  [[nodiscard]] Exchange* take();
  void give(Exchange* exchange);
  [[nodiscard]] std::size_t lent() const { return lent_; }

 private:
  static constexpr std::size_t kept_ = 1024;
  BodyBudget& budget_;
  std::vector<std::unique_ptr<Exchange>> free_;
  std::size_t lent_ = 0;
};

}  // namespace lastcall
