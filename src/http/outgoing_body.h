// What a handler has written of an answer that goes on, and the connection has not taken yet
// (lastcall/response_body.h). Bounded: whoever writes waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <lastcall/request.h>
#include <lastcall/task.h>

#include "await/bell.h"
#include "base/limits.h"
#include "http/buffers.h"
#include "http/held_bytes.h"
#include "http/writer.h"

namespace lastcall {

class OutgoingBody {
 public:
  OutgoingBody(Exchange& exchange, Memory& memory)
      : exchange_(exchange),
        memory_(memory),
        before_head_(memory, HeldBytes::Part::body),
        head_(memory, HeldBytes::Part::body),
        pending_(memory, HeldBytes::Part::body) {}
  OutgoingBody(const OutgoingBody&) = delete;
  OutgoingBody& operator=(const OutgoingBody&) = delete;

  // ---- the handler's side

  // The head is as the response says now, but for whether the connection goes on: that is said when
  // it is handed over. `length`: of the content, if that was announced. False: there is no memory.
  [[nodiscard]] bool begin(const Response& response, Framing framing,
                           std::optional<std::uint64_t> length, const DateCache& date);
  // Of a tunnel that no answer has begun.
  void begin_raw();
  // Sends what stands before the head: informational answers. Throws std::bad_alloc.
  void inform(std::string_view answer);
  [[nodiscard]] Task<bool> write(std::string_view bytes);
  void hold(std::size_t bytes) { holds_ = bytes; }
  void end(std::span<const Field> trailers);

  // ---- the connection's

  [[nodiscard]] bool begun() const { return begun_; }
  [[nodiscard]] bool is_used() const { return begun_ || abandoned_ || failed_ || informs(); }
  [[nodiscard]] bool informs() const { return !before_head_.empty(); }
  void take_before_head(OutBuffer& out) { out.take(before_head_); }
  [[nodiscard]] bool has_ended() const { return ended_; }
  [[nodiscard]] bool closes() const { return framing_.close; }
  // Is a close the only thing that tells its end?
  [[nodiscard]] bool ends_by_close() const {
    return begun_ && framing_.content == Framing::Content::until_close && !no_content_;
  }
  [[nodiscard]] std::uint64_t written() const { return written_; }  // bytes of the content
  [[nodiscard]] bool has_pending() const {
    return !head_.empty() || !pending_.empty() || informs();
  }
  [[nodiscard]] bool has_head() const { return !head_.empty(); }  // which was not handed over yet
  void end_head(bool close);
  // What is pending goes to `out`, which is empty, and whoever writes may go on. Where memory is
  // short the head goes alone.
  void take(OutBuffer& out);
  // Its handler has ended. False: it is not what was announced, or there is no memory for its end.
  [[nodiscard]] bool finish() noexcept;
  void fail() { failed_ = true; }  // its handler has thrown
  void abandon();                  // nobody takes it any more
  void clear();

 private:
  [[nodiscard]] bool is_taken() const;  // throws Canceled once the drain's deadline has passed
  [[nodiscard]] std::size_t room() const;
  void append_piece(std::string_view bytes);

  Exchange& exchange_;  // in which it stands
  Memory& memory_;
  HeldBytes before_head_;
  HeldBytes head_;
  HeldBytes pending_;  // of the content
  Bell bell_;          // rung when there is room
  Framing framing_;
  std::size_t holds_ = limits::stream_bytes;
  std::uint64_t length_ = 0;  // as announced
  std::uint64_t written_ = 0;
  bool begun_ = false;
  bool ended_ = false;
  bool no_content_ = false;
  bool failed_ = false;
  bool abandoned_ = false;
};

}  // namespace lastcall
