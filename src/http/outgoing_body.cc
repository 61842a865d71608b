#include "http/outgoing_body.h"

#include <algorithm>
#include <charconv>
#include <new>
#include <stdexcept>
#include <string>

#include "await/context.h"
#include "await/operations.h"
#include "base/check.h"
#include "base/metrics.h"
#include "http/exchange.h"

namespace lastcall {

bool OutgoingBody::begin(const Response& response, Framing framing,
                         std::optional<std::uint64_t> length, const DateCache& date) {
  DCHECK(!begun_);
  framing_ = framing;
  length_ = length.value_or(0);
  no_content_ = framing.head || !may_have_content(response.status());
  if (!head_.reserve(head_bytes_max(response))) return false;
  char* const end = write_head(head_.end(), response, framing, length_, date);
  head_.commit(static_cast<std::size_t>(end - head_.end()));
  begun_ = true;
  return true;
}

void OutgoingBody::begin_raw() {
  DCHECK(!begun_);
  framing_ = {.close = true, .content = Framing::Content::until_close};
  begun_ = true;
}

void OutgoingBody::inform(std::string_view answer) {
  if (is_taken() && !before_head_.append(answer)) throw std::bad_alloc();
  exchange_.note_moved();
}

void OutgoingBody::end_head(bool close) {
  DCHECK(has_head());
  framing_.close = close;
  char* const end = lastcall::end_head(head_.end(), framing_);
  head_.commit(static_cast<std::size_t>(end - head_.end()));
}

// How much may be written before somebody waits; where memory is short a little all the same, or
// nothing would ever move.
std::size_t OutgoingBody::room() const {
  const std::size_t most =
      memory_.has_room(limits::stream_bytes) ? holds_ : limits::stream_bytes_tight;
  return most - std::min(most, pending_.size());
}

bool OutgoingBody::is_taken() const {
  if (context().operations.canceled()) throw Canceled();
  return !abandoned_;
}

Task<bool> OutgoingBody::write(std::string_view bytes) {
  const bool taken = is_taken();
  if (ended_) throw std::logic_error("an answer's body has ended: nothing is written behind it");
  if (no_content_ || !taken) co_return false;
  if (framing_.content == Framing::Content::length && bytes.size() > length_ - written_)
    throw std::logic_error("more of an answer's body is written than was announced");
  for (;;) {
    const std::size_t size = std::min(bytes.size(), room());
    if (size > 0) append_piece(bytes.substr(0, size));
    bytes.remove_prefix(size);
    if (bytes.empty()) co_return true;
    context().metrics.add("writes_waited");
    co_await bell_.wait();
    if (!is_taken()) co_return false;
  }
}

// All of it or nothing: a chunk that is broken could not be told from what is behind it.
void OutgoingBody::append_piece(std::string_view bytes) {
  constexpr std::size_t around_chunk = 20;
  const bool chunked = framing_.content == Framing::Content::chunked;
  if (!pending_.reserve(bytes.size() + around_chunk)) throw std::bad_alloc();
  if (chunked) {
    char* const at = pending_.end();
    char* const end = std::to_chars(at, at + around_chunk, bytes.size(), 16).ptr;
    pending_.commit(static_cast<std::size_t>(end - at));
    (void)pending_.append("\r\n");  // there is room; so below
  }
  (void)pending_.append(bytes);
  if (chunked) (void)pending_.append("\r\n");
  written_ += bytes.size();
  exchange_.note_moved();
}

void OutgoingBody::end(std::span<const Field> trailers) {
  if (ended_) throw std::logic_error("an answer's body ends once");
  Response checked;  // knows what a field may be
  for (const Field& field : trailers) checked.field(field.name, field.value);
  if (framing_.content == Framing::Content::chunked && !no_content_ && !abandoned_) {
    const std::string last = std::string("0\r\n").append(checked.fields()).append("\r\n");
    if (!pending_.append(last)) throw std::bad_alloc();
  }
  ended_ = true;
  exchange_.note_moved();
}

void OutgoingBody::take(OutBuffer& out) {
  if (head_.empty()) {
    out.take(pending_);
  } else {
    out.take(head_);
    if (!out.append(pending_.bytes())) return;
    pending_.clear();
  }
  bell_.ring();
}

bool OutgoingBody::finish() noexcept {
  const bool short_of_it = framing_.content == Framing::Content::length && written_ < length_;
  if (failed_ || (short_of_it && !no_content_)) return false;
  if (ended_) return true;
  ended_ = true;
  const bool chunked = framing_.content == Framing::Content::chunked && !no_content_;
  failed_ = chunked && !pending_.append("0\r\n\r\n");
  return !failed_;
}

void OutgoingBody::abandon() {
  abandoned_ = true;
  before_head_.clear();
  head_.clear();
  pending_.clear();
  bell_.ring();
}

void OutgoingBody::clear() {
  DCHECK(!bell_.is_awaited());
  begun_ = ended_ = no_content_ = failed_ = abandoned_ = false;
  before_head_.clear();
  head_.clear();
  pending_.clear();
  written_ = length_ = 0;
  holds_ = limits::stream_bytes;
}

// ---- what a handler has of it

Task<bool> ResponseBody::write(std::string_view bytes) { return exchange_->out.write(bytes); }

void ResponseBody::hold(std::size_t bytes) { exchange_->out.hold(bytes); }
void ResponseBody::end(std::span<const Field> trailers) { exchange_->out.end(trailers); }

}  // namespace lastcall
