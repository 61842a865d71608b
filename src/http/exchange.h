// One request and its answer, with the memory that both stand in.
//
// A connection takes an exchange from its worker's pool with the first byte of a request and gives
// it back when the answer is written. A coroutine handler keeps it: it outlives the connection if
// the client goes first. Nothing here is allocated for a plain request that arrives in one piece:
// head and body are then views into the lent receive buffer, and the vectors keep their capacity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <lastcall/request.h>
#include <lastcall/response.h>
#include <lastcall/task.h>

#include "http/buffers.h"
#include "http/file_content.h"
#include "http/held_bytes.h"
#include "http/incoming_body.h"
#include "http/outgoing_body.h"
#include "http/peer.h"
#include "http/router.h"

namespace lastcall {

// The memory of one body: the request's, or what is charged for the answer to it. Empty and
// uncharged while the body is a view.
class BodyBuffer {
 public:
  explicit BodyBuffer(Memory& memory) : memory_(memory), held_(memory, HeldBytes::Part::body) {}
  BodyBuffer(const BodyBuffer&) = delete;
  BodyBuffer& operator=(const BodyBuffer&) = delete;
  ~BodyBuffer() { clear(); }

  // As HeldBytes::append. False: there is no room, or no memory.
  [[nodiscard]] bool append(std::string_view bytes, std::size_t to_come = SIZE_MAX);
  // Bytes that have been put where the next ones go (HeldBytes::end): they count from here on.
  // False: they stand elsewhere.
  [[nodiscard]] bool take_in_place(std::string_view bytes);
  [[nodiscard]] bool has_in_place(std::string_view bytes) const { return held_.has_at_end(bytes); }
  void give_room_back() { held_.give_room_back(); }
  // Frees the body, and charges `bytes` for an answer that has to wait. False: there is no room.
  [[nodiscard]] bool charge_answer(std::size_t bytes);
  // Is there room for an answer that need not wait, or has that waited?
  [[nodiscard]] bool has_room_for_answer(std::size_t bytes) const {
    return is_answers_ || memory_.has_room_for_answer(bytes, held_.capacity());
  }
  [[nodiscard]] std::string_view bytes() const { return held_.bytes(); }
  void swap(HeldBytes& other) noexcept { held_.swap(other); }  // of a body
  [[nodiscard]] std::size_t capacity() const { return held_.capacity(); }
  void clear();

 private:
  Memory& memory_;
  HeldBytes held_;
  std::size_t answer_bytes_ = 0;  // as charged
  bool is_answers_ = false;
};

// What an exchange asks of the connection that it came by.
struct ConnectionCalls {
  // The head of an answer that goes on: false: there is no memory. Throws what a hook does.
  bool (*begin_answer)(Exchange& exchange, std::optional<std::uint64_t> length);
  bool (*begin_tunnel)(Exchange& exchange);         // likewise, behind which the connection is one
  void (*note_moved)(Exchange& exchange) noexcept;  // there is something to send, or to take
};

// What `Response::file` has chosen, and what stood before in what it has set.
struct FileAnswer {
  std::unique_ptr<FileContent> content;  // in the place of the body; null: that is whole there
  std::size_t fields_from = 0;           // of the response's fields,
  std::size_t fields_bytes = 0;          // those that it has added
  int status = 200;
  std::string type;
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
    if (request.fields_.size() == request.fields_.capacity() && !grow(request.fields_))
      return false;
    request.fields_.push_back(field);
    return true;
  }
  // A piece of the trailers, in the order in which they come: of a name, of a value, and its end.
  // False: likewise.
  [[nodiscard]] bool add_to_trailer(std::string_view piece, bool to_value);
  [[nodiscard]] bool end_trailer();
  // Who answers it: found once, when its head is known. What the path of the route captures is
  // decoded, which may fail: `route_failed` is then the status that says so.
  void find_route();
  [[nodiscard]] bool is_routed() const { return is_routed_; }
  // What has come of the content, or all of it.
  [[nodiscard]] std::string_view content() const { return request.body_; }
  void give_content(HeldBytes& to) {  // which is empty
    body.swap(to);
    request.body_ = {};
  }
  void take_content_back(HeldBytes& from) {
    body.swap(from);
    request.body_ = body.bytes();
  }
  void give_room_back() {  // that was reserved for more of it
    body.give_room_back();
    request.body_ = body.bytes();
  }
  void drop_content() {
    request.body_ = {};
    body.clear();
  }
  // What is held for an answer of so many bytes of content, and for nobody else.
  [[nodiscard]] std::size_t held_for_answer(std::size_t content) const {
    if (response.is_shared()) return shared_answer.use_count() == 1 ? content : 0;
    return content > limits::exchange_kept_bytes ? response.body_.capacity() : content;
  }
  void give_answer(LargeContent& to) noexcept {  // the content of it
    if (response.is_shared()) {
      response.shared_ = {};
      to.take(shared_answer);
    } else {
      to.take(response.body_);
    }
  }
  void end_handler();  // its answer is written, and more of its content comes, which nobody wants
  void forget_content() { request.body_ = {}; }
  // There was no room for all of what has come. False: no handler reads it as it comes.
  [[nodiscard]] bool deny_content() {
    if (in.state() != IncomingBody::State::receiving) return false;
    request.body_ = body.bytes();
    in.fail(503);
    return true;
  }
  void let_body_be_read() { request.body_to_be_read_ = false; }
  void keep_body_from_being_read() { request.body_to_be_read_ = true; }
  // The client has sent its FIN.
  void note_half_close() { request.half_closed_ = true; }
  // Of itself and its lists of fields, as charged.
  [[nodiscard]] std::size_t bytes() const {
    return sizeof *this +
           (request.fields_.capacity() + request.trailers_.capacity()) * sizeof(Field);
  }
  // Its handler is one that waits: from here on it may read, write, and be given up.
  void begin_waiting() { waited_ = true; }
  // Nobody waits for the answer any more: the client has gone, or the deadline has cut it. The
  // coroutine runs on, and can see it.
  void abandon();
  void clear();

  Request request;
  Response response;
  BodyBuffer body;
  const Router* router = nullptr;  // of the door it came by
  bool probes = false;             // asked for on the admin listener: there is always room
  HeldBytes head;                  // owned memory of the raw head, once it needed any
  bool head_owned = false;

  HeldBytes trailers;  // their text
  HeldBytes decoded;   // what parameters stand for, where they were encoded
  Peer peer;
  Router::Found found;   // by `find_route`
  int route_failed = 0;  // 400: an escape is malformed; 503: there was no memory to decode it

  IncomingBody in;
  OutgoingBody out;
  FileAnswer file_answer;
  std::shared_ptr<const std::string> shared_answer;  // in the place of the answer's body
  std::size_t read_all_max = 0;                      // bytes
  bool tunnel = false;                               // what comes is another protocol's
  bool answered = false;                             // what still comes of its content is discarded

  // Of a coroutine handler.
  Task<> task;
  const ConnectionCalls* calls = nullptr;  // set while there is a connection
  void note_moved() noexcept {
    if (calls != nullptr) calls->note_moved(*this);
  }
  class Connection* connection = nullptr;  // null: nobody waits for its answer
  class Worker* worker = nullptr;

 private:
  [[nodiscard]] bool grow(std::vector<Field>& fields);
  void forget_trailers();
  void forget_waiting();
  [[nodiscard]] int decode_parameters(std::size_t count);

  Memory& memory_;
  bool is_routed_ = false;
  bool waited_ = false;
  Field trailer_;  // being received
};

class ExchangePool {
 public:
  ExchangePool(Memory& memory, Io& io, const TrustedProxies* trusted)
      : memory_(memory), io_(io), trusted_(trusted) {
    free_.reserve(limits::exchanges_kept);
  }
  [[nodiscard]] Exchange* take();  // null: there is no memory
  void give(Exchange* exchange);
  void trim() { free_.clear(); }  // what is free goes back to the system
  [[nodiscard]] std::size_t lent() const { return lent_; }

 private:
  Memory& memory_;
  Io& io_;
  const TrustedProxies* const trusted_;
  std::vector<std::unique_ptr<Exchange>> free_;
  std::size_t lent_ = 0;
};

}  // namespace lastcall
