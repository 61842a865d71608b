#include "http/exchange.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace lastcall {

bool BodyBuffer::append(std::string_view bytes) {
  if (size_ + bytes.size() > capacity_) {
    const std::size_t capacity =
        std::bit_ceil(std::max(size_ + bytes.size(), limits::receive_buffer_bytes));
    if (!budget_.has_room(capacity - capacity_)) return false;
    std::unique_ptr<char[]> grown(new char[capacity]);
    if (size_ > 0) std::memcpy(grown.get(), data_.get(), size_);
    data_ = std::move(grown);
    budget_.used += capacity - capacity_;
    capacity_ = capacity;
  }
  std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  return true;
}

bool BodyBuffer::charge_answer(std::size_t bytes) {
  if (is_answers_) return true;
  clear();
  if (!budget_.has_room_for_answer(bytes)) return false;
  budget_.used += bytes;
  capacity_ = bytes;
  is_answers_ = true;
  return true;
}

void BodyBuffer::clear() {
  DCHECK(budget_.used >= capacity_ && size_ <= capacity_);
  budget_.used -= capacity_;
  data_.reset();
  size_ = capacity_ = 0;
  is_answers_ = false;
}

void Exchange::own_head(std::string_view raw, std::size_t capacity) {
  DCHECK(raw.size() <= capacity);
  if (head_owned && capacity <= head_capacity) return;
  std::unique_ptr<char[]> previous;  // `raw` may stand in it
  if (head_capacity < capacity) {
    previous = std::move(head);
    head_capacity = std::bit_ceil(capacity);
    head.reset(new char[head_capacity]);
  }
  std::memcpy(head.get(), raw.data(), raw.size());
  head_owned = true;
  const auto move = [&](std::string_view& view) {
    const bool inside = view.data() >= raw.data() && view.data() <= raw.data() + raw.size();
    if (inside) view = {head.get() + (view.data() - raw.data()), view.size()};
  };
  move(request.method_name_);
  move(request.target_);
  move(request.path_);
  move(request.query_);
  move(request.host_);
  for (Field& field : request.fields_) {
    move(field.name);
    move(field.value);
  }
}

bool Exchange::own_body() {
  if (request.body_.empty() || request.body_.data() == body.bytes().data()) return true;
  if (!body.append(request.body_)) return false;
  request.body_ = body.bytes();
  return true;
}

void Exchange::abandon() {
  CHECK(connection != nullptr);
  connection = nullptr;
  request.client_gone_ = true;
}

void Exchange::clear() {
  constexpr std::size_t head_kept = 32 * 1024;
  request.method_name_ = request.target_ = request.path_ = request.query_ = {};
  request.host_ = request.body_ = {};
  request.fields_.clear();
  request.client_gone_ = false;
  request.minor_version_ = 1;
  request.method_ = Method::other;
  response.clear();
  body.clear();
  head_owned = false;
  if (head_capacity > head_kept) {
    head.reset();
    head_capacity = 0;
  }
  connection = nullptr;
  worker = nullptr;
}

Exchange* ExchangePool::take() {
  ++lent_;
  if (free_.empty()) return new Exchange(budget_);
  Exchange* exchange = free_.back().release();
  free_.pop_back();
  DCHECK(!exchange->task && exchange->connection == nullptr && exchange->body.bytes().empty());
  return exchange;
}

void ExchangePool::give(Exchange* exchange) {
  CHECK(lent_ > 0);
  --lent_;
  CHECK(!exchange->task || exchange->task.done());
  exchange->task.reset();
  exchange->clear();
  std::unique_ptr<Exchange> owned(exchange);
  if (free_.size() < kept_) free_.push_back(std::move(owned));
}

}  // namespace lastcall
