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
#include <string_view>
#include <vector>

#include <lastcall/client.h>

namespace lastcall {

class ResponseParser {
 public:
  enum class Result : std::uint8_t {
    incomplete,  // all bytes were taken
    head,        // it is known; what follows in `bytes` is content
    end,         // the answer is complete; the rest of `bytes` is not part of it
    too_large,   // its head, its trailers, or what else is no content
    failed,      // that is no answer of HTTP/1.x
  };

  ResponseParser() = default;
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // The next byte begins an answer; `to_head`: to a HEAD, and so without content.
  void begin(bool to_head);
  // Takes bytes off, up to the next event. Pieces of content are in `pieces` until the next call.
  // Throws std::bad_alloc, and is of no use then.
  [[nodiscard]] Result feed(std::string_view& bytes);
  // The peer's FIN: is the answer complete by it?
  [[nodiscard]] bool on_fin();
  [[nodiscard]] const std::vector<std::string_view>& pieces() const { return pieces_; }
  // Behind `head`, or behind `end` if that came first.
  [[nodiscard]] ClientResponse take_head();
  [[nodiscard]] bool has_head() const { return has_head_; }
  // Behind `end`: another request may follow on this connection.
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }

 private:
  friend struct ResponseCallbacks;
  struct Span {  // of a field in the text of the head
    std::size_t name, name_end, value_end;
  };

  void begin_again();
  [[nodiscard]] bool count_others(const char* begin, const char* end);
  [[nodiscard]] bool is_well_framed(int status);
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
  std::size_t others_ = 0;  // bytes that are no content, since the last that were
  bool to_head_ = false;
  bool has_head_ = false;
  bool complete_ = false;
  bool may_keep_ = false;  // the head says so
  bool keep_alive_ = false;
  bool too_large_ = false;
  bool no_memory_ = false;
};

}  // namespace lastcall
