// A peer's bytes in, an answer out: llhttp's glue for the client (lastcall/client.h).
//
// Fed whatever arrives, however it was cut. It stops behind the head, and behind the content; what
// is in between are pieces that lie in the bytes that were fed.
//
// Invariants
//  1. After `failed` nothing further is parsed.
//  2. No lenient flag of llhttp is set: an answer that two readers may take differently is none.
//  3. `end` is told only of an answer that is complete: by its length, by its last chunk, or by
//     the peer's FIN where neither frames it (RFC 9112 section 6.3).
#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <lastcall/client.h>

#include "base/limits.h"

namespace lastcall {

class ResponseParser {
 public:
  enum class Result : std::uint8_t {
    incomplete,     // all bytes were taken
    informational,  // a head without an answer (RFC 9110 section 15.2); the next begins
    head,           // it is known; what follows in `bytes` is content
    end,            // the answer is complete; the rest of `bytes` is not part of it
    too_large,      // its head, its trailers, or what else is no content
    failed,         // that is no answer of HTTP/1.x
  };

  ResponseParser() = default;
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // The next byte begins an answer; `to_head`: to a HEAD, and so without content; `may_switch`: a
  // 101 was asked for, and ends it.
  void begin(bool to_head, bool may_switch = false);
  // Takes bytes off, up to the next event. Pieces of content are in `pieces` until the next call.
  // Throws std::bad_alloc, and is of no use then.
  [[nodiscard]] Result feed(std::string_view& bytes);
  // The peer's FIN: is the answer complete by it?
  [[nodiscard]] bool on_fin();
  [[nodiscard]] const std::vector<std::string_view>& pieces() const { return pieces_; }
  // Behind `informational`; behind `head`, or behind `end` if that came first.
  [[nodiscard]] ClientResponse take_head();
  [[nodiscard]] bool has_head() const { return has_head_; }
  // Behind `end`: another request may follow on this connection.
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  // Behind the head: how long it is, if it says so, whether there is content or not; whether
  // anything but a FIN tells its end; how long the peer keeps an idle connection, as it says.
  [[nodiscard]] std::optional<std::uint64_t> length() const { return length_; }
  [[nodiscard]] bool is_framed() const { return chunked_ || length_.has_value(); }
  [[nodiscard]] std::optional<Ms> keep_alive_for() const { return keep_alive_for_; }
  [[nodiscard]] bool has_switched() const { return switched_; }
  // Behind `end`.
  [[nodiscard]] std::span<const Field> trailers() const { return trailers_; }

 private:
  friend struct ResponseCallbacks;
  struct Span {  // of a field in the text of the head
    std::size_t name, name_end, value_end;
  };

  void begin_again();
  [[nodiscard]] bool count_others(const char* begin, const char* end);
  [[nodiscard]] bool is_well_framed(int status);
  void note_keep_alive(std::string_view parameters);
  void add_spans(const std::vector<char>& text, std::vector<Field>& fields) const;
  int on_name(std::string_view piece);
  int on_value(std::string_view piece);
  int on_field_end();
  int on_head_end();
  int on_piece(std::string_view piece);
  int on_end();

  llhttp_t llhttp_;
  std::vector<Span> spans_;
  Span field_{};  // that is being taken
  std::vector<std::string_view> pieces_;
  ClientResponse head_;
  std::vector<char> trailer_text_;
  std::vector<Field> trailers_;
  std::optional<std::uint64_t> length_;
  std::optional<Ms> keep_alive_for_;
  std::size_t others_ = 0;  // bytes that are no content, since the last that were
  bool to_head_ = false;
  bool may_switch_ = false;
  bool switched_ = false;
  bool chunked_ = false;
  bool begun_ = false;  // since the head before, if that was informational
  bool has_head_ = false;
  bool complete_ = false;
  bool may_keep_ = false;  // the head says so
  bool keep_alive_ = false;
  bool too_large_ = false;
  bool no_memory_ = false;
};

}  // namespace lastcall
