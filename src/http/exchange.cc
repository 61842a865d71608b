#include "http/exchange.h"

#include <algorithm>
#include <cstdint>
#include <new>

#include "base/check.h"
#include "base/token.h"
#include "http/percent.h"

namespace lastcall {

// ---- BodyBuffer

bool BodyBuffer::append(std::string_view bytes, std::size_t to_come) {
  return memory_.has_room_for_body(held_.growth(bytes.size(), to_come)) &&
         held_.append(bytes, to_come);
}

bool BodyBuffer::take_in_place(std::string_view bytes) {
  if (!held_.has_at_end(bytes)) return false;
  held_.commit(bytes.size());
  return true;
}

bool BodyBuffer::charge_answer(std::size_t bytes) {
  DCHECK(!is_answers_);
  clear();
  if (!memory_.has_room_for_answer(bytes)) return false;
  memory_.charge_body(bytes);
  answer_bytes_ = bytes;
  is_answers_ = true;
  return true;
}

void BodyBuffer::clear() {
  held_.clear();
  if (!is_answers_) return;
  memory_.release_body(answer_bytes_);
  answer_bytes_ = 0;
  is_answers_ = false;
}

// ---- Exchange

Exchange::Exchange(Memory& memory)
    : body(memory),
      head(memory, HeldBytes::Part::head),
      trailers(memory, HeldBytes::Part::head),
      decoded(memory, HeldBytes::Part::head),
      in(*this, memory),
      out(*this, memory),
      memory_(memory) {
  request.exchange_ = this;
  response.exchange_ = this;
}

bool Exchange::own_head(std::string_view raw, std::size_t capacity) {
  DCHECK(raw.size() <= capacity && (!head_owned || raw.data() == head.bytes().data()));
  if (head_owned && capacity <= head.capacity()) return true;
  const auto from = reinterpret_cast<std::uintptr_t>(raw.data());
  if (!head_owned) head.clear();
  const std::size_t more = capacity - head.size();
  if (!(probes || memory_.has_room_for_head(head.growth(more))) || !head.reserve(more))
    return false;
  if (!head_owned) (void)head.append(raw);  // there is room
  head_owned = true;
  const auto move = [&](std::string_view& view) {
    const auto at = reinterpret_cast<std::uintptr_t>(view.data());
    if (at >= from && at <= from + raw.size()) view = {head.data() + (at - from), view.size()};
  };
  move(request.method_name_);
  move(request.target_);
  move(request.path_);
  move(request.query_);
  move(request.host_);
  for (std::string_view& value : request.values_) move(value);
  for (Field& field : request.fields_) {
    move(field.name);
    move(field.value);
  }
  return true;
}

bool Exchange::own_body() {
  if (request.body_.empty() || request.body_.data() == body.bytes().data()) return true;
  if (!body.append(request.body_)) return false;
  request.body_ = body.bytes();
  return true;
}

bool Exchange::grow(std::vector<Field>& fields) {
  const std::size_t more = std::max<std::size_t>(8, fields.size()) * sizeof(Field);
  if (!probes && !memory_.has_room(more)) return false;
  try {
    fields.reserve(fields.size() + more / sizeof(Field));
  } catch (const std::bad_alloc&) {
    return false;
  }
  DCHECK(fields.capacity() * sizeof(Field) == fields.size() * sizeof(Field) + more);
  memory_.charge(more);
  return true;
}

// All of them stand in `trailers`, one behind the other: what has moved is found by its offset.
bool Exchange::add_to_trailer(std::string_view piece, bool to_value) {
  const char* const from = trailers.data();
  const bool room = memory_.has_room_for_head(trailers.growth(piece.size()));
  if (!room || !trailers.append(piece)) return false;
  const auto moved = [&](std::string_view& view) {
    if (view.data() != nullptr) view = {trailers.data() + (view.data() - from), view.size()};
  };
  if (trailers.data() != from) {
    moved(trailer_.name);
    moved(trailer_.value);
    for (Field& field : request.trailers_) {
      moved(field.name);
      moved(field.value);
    }
  }
  std::string_view& part = to_value ? trailer_.value : trailer_.name;
  const char* const begin = part.data() == nullptr ? trailers.end() - piece.size() : part.data();
  part = {begin, part.size() + piece.size()};
  return true;
}

bool Exchange::end_trailer() {
  std::vector<Field>& all = request.trailers_;
  if (all.size() == all.capacity() && !grow(all)) return false;
  all.push_back({trailer_.name, trim(trailer_.value)});
  trailer_ = {};
  return true;
}

void Exchange::find_route() {
  DCHECK(!is_routed_);
  if (router == nullptr) return;
  is_routed_ = true;
  if (const Route* literal =
          router->find_literal(request.method_, request.method_name_, request.path_)) {
    found = {.at = literal, .answers = true, .known = true};
    return;
  }
  found = router->find(request.method_, request.method_name_, request.path_, request.values_);
  if (found.captured == 0) return;
  request.parameters_ = &found.at->parameters;
  route_failed = decode_parameters(found.captured);
  if (route_failed != 0) found.answers = false;
}

// Only what is encoded needs memory of its own: its end is reserved for all at once, since it must
// not move.
int Exchange::decode_parameters(std::size_t count) {
  std::size_t encoded = 0;
  const auto is_encoded = [](std::string_view value) {
    return value.find('%') != std::string_view::npos;
  };
  for (std::size_t i = 0; i < count; ++i)
    encoded += is_encoded(request.values_[i]) ? request.values_[i].size() : 0;
  if (encoded == 0) return 0;
  if (!memory_.has_room_for_head(decoded.growth(encoded)) || !decoded.reserve(encoded)) return 503;
  for (std::size_t i = 0; i < count; ++i) {
    std::string_view& value = request.values_[i];
    if (!is_encoded(value)) continue;
    char* const at = decoded.end();
    const auto bytes = percent_decode(value, at);
    if (!bytes) return 400;
    decoded.commit(*bytes);
    value = {at, *bytes};
  }
  return 0;
}

void Exchange::end_handler() {
  answered = true;
  task.reset();
  drop_content();
  response.clear();
  in.clear();
}

void Exchange::abandon() {
  CHECK(connection != nullptr);
  peer.remember();
  connection = nullptr;
  calls = nullptr;
  request.client_gone_ = true;
  in.fail(0);
  out.abandon();
}

void Exchange::forget_trailers() {
  request.trailers_.clear();
  trailers.clear();
  trailer_ = {};
}

void Exchange::clear() {
  // One by one: a processor waits where it copies a view that was written a moment ago in halves.
  request.method_name_ = {};
  request.target_ = {};
  request.path_ = {};
  request.query_ = {};
  request.host_ = {};
  request.body_ = {};
  request.fields_.clear();
  request.minor_version_ = 1;
  request.method_ = Method::other;
  response.clear();
  body.clear();
  head.clear();
  head_owned = false;
  is_routed_ = false;
  found = {};
  request.parameters_ = nullptr;
  route_failed = 0;
  decoded.clear();
  if (!trailers.empty()) forget_trailers();
  peer.forget();
  answered = false;
  if (waited_) forget_waiting();
}

void Exchange::forget_waiting() {
  waited_ = tunnel = false;
  request.client_gone_ = request.half_closed_ = request.body_to_be_read_ = false;
  if (out.is_used()) out.clear();
  if (in.is_used()) in.clear();
  connection = nullptr;
  calls = nullptr;
  worker = nullptr;
}

// ---- ExchangePool

Exchange* ExchangePool::take() {
  Exchange* exchange = nullptr;
  if (free_.empty()) {
    exchange = new (std::nothrow) Exchange(memory_);
    if (exchange == nullptr) return nullptr;
    exchange->peer.io = &io_;
    exchange->peer.trusted = trusted_;
  } else {
    exchange = free_.back().release();
    free_.pop_back();
  }
  ++lent_;
  memory_.charge(exchange->bytes());
  DCHECK(!exchange->task && exchange->connection == nullptr && exchange->body.bytes().empty());
  return exchange;
}

void ExchangePool::give(Exchange* exchange) {
  CHECK(lent_ > 0);
  --lent_;
  memory_.release(exchange->bytes());
  CHECK(!exchange->task || exchange->task.done());
  exchange->task.reset();
  exchange->clear();
  std::unique_ptr<Exchange> owned(exchange);
  if (free_.size() < limits::exchanges_kept) free_.push_back(std::move(owned));
}

}  // namespace lastcall
