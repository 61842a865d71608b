// Bytes in, one `Request` at a time out: llhttp's glue, and what llhttp leaves to a server.
//
// A parser belongs to one connection. It is fed whatever arrives, however it was cut, and stops
// behind each complete request, so that the connection knows what is left. Whether a request is
// accepted never depends on where the bytes were cut.
//
// Invariants
//  1. The raw head of the request being parsed is contiguous: in the receive buffer it came in,
//     or from its second piece on in the exchange. So all views into it are plain pointers.
//  2. After `failed` nothing further is parsed.
//  3. No lenient flag of llhttp is set but the version's, which is checked here (RFC 9110
//     section 2.5: a higher minor is served).
//  4. llhttp sees the bytes that have come, but for one kind: a tab in the value of Content-Length
//     or Transfer-Encoding, which is optional white space there, is a space to it.
//
// Where llhttp is stricter than the grammar, so are we, since others on the way may read it
// differently: white space in chunk extensions, obs-fold, a bare LF. A chunk size has 16 digits at
// most, and a host in brackets is an IPv6 address: IPvFuture is nobody's.
#pragma once

#include <llhttp.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <lastcall/options.h>

#include "base/limits.h"
#include "http/exchange.h"

namespace lastcall {

struct ParserLimits {
  std::size_t header_bytes_max = Options{}.max_header_bytes;
  std::size_t body_bytes_max = Options{}.max_body_bytes;
  // Methods that have a route, which llhttp may not know: to it each is a POST, whose framing is
  // that of any method (RFC 9112 section 6.3). Null: none.
  const std::vector<std::string>* methods = nullptr;
  bool any_method = false;  // they all have
};

class Parser {
 public:
  enum class Result : std::uint8_t {
    incomplete,  // all bytes were taken
    complete,    // the exchange holds a request; `bytes` is what follows it
    failed,      // answer `status()`, then close
  };

  // Where in a request the next byte belongs.
  enum class Stage : std::uint8_t {
    between,         // before the first byte of a request; only CRLFs have come
    head,            // in the request line or the fields
    unknown_method,  // llhttp does not know it: is the token at least well-formed?
    body,            // in the content, or its trailers
    failed,
  };

  explicit Parser(const ParserLimits& limits) : limits_(limits) {}
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  void reset();  // as for a new connection
  // The rest of this request's content is counted, and not kept: whether it is complete is all that
  // matters.
  void discard_content() { discards_content_ = true; }
  // The same, where the exchange of the request goes elsewhere: `other` stands in for it.
  void discard_rest(Exchange& other);
  // Skips blank lines before a request (RFC 9112 section 2.2). False: too many.
  [[nodiscard]] bool skip_blank(std::string_view& bytes);
  // The next byte that is fed begins a request, which goes into `exchange`.
  void begin(Exchange& exchange);
  // Takes bytes up to the end of the request. Before the memory of `bytes` goes away while the
  // result is `incomplete`, the exchange owns all that was taken.
  [[nodiscard]] Result feed(std::string_view& bytes);
  // Gives a complete request memory of its own, for a handler that outlives the receive buffer.
  // False: there is no memory for it.
  [[nodiscard]] bool own();

  [[nodiscard]] Stage stage() const { return stage_; }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  // The client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
  [[nodiscard]] bool expects_continue() const {
    return stage_ == Stage::body && expects_continue_ && body_bytes_ == 0;
  }
  void continue_sent() { expects_continue_ = false; }
  [[nodiscard]] std::size_t body_bytes() const { return body_bytes_; }
  // Is the request's framing that of one with content? Chunked it may be empty all the same.
  [[nodiscard]] bool has_content() const {
    return chunked_ || body_bytes_ > 0 || llhttp_.content_length > 0;
  }
  // Of its content, all that is known of: what has come, and what is announced.
  [[nodiscard]] std::uint64_t content_bytes() const {
    return body_bytes_ + content_left().value_or(0);
  }
  // Nobody has the content that is still to come.
  [[nodiscard]] bool discards_content() const { return discards_content_; }
  // How much of the content is to come; nothing where it is chunked, and nobody knows.
  [[nodiscard]] std::optional<std::uint64_t> content_left() const {
    return chunked_ ? std::nullopt : std::optional<std::uint64_t>(llhttp_.content_length);
  }

 private:
  friend struct ParserCallbacks;

  [[nodiscard]] bool must_own(std::string_view bytes) const;
  Result feed_in_place(std::string_view& bytes);
  Result feed_owned(std::string_view& bytes);
  Result own_content();
  int deny_content();
  Result run(const char* begin, const char* end, const char*& stopped);
  Result incomplete_head(std::string_view piece);
  Result on_error(llhttp_errno_t error, const char* end, const char*& stopped);
  Result scan_unknown_method(const char* end, const char*& stopped);
  void begin_again();
  [[nodiscard]] bool count_chunk_digits(const char* at, const char* end);
  [[nodiscard]] bool own_head(std::size_t bytes, std::size_t capacity);
  Result failed(int status);
  int fail(int status);  // the same, for a callback
  Result head_too_long();
  void note_method();
  [[nodiscard]] std::size_t head_bytes() const;

  // What ParserCallbacks call; non-zero stops llhttp.
  int on_target(std::string_view piece);
  int on_version(std::string_view piece);
  int on_field_name(std::string_view piece);
  int on_field_value(std::string_view piece);
  int on_field_end();
  int on_trailer(std::string_view piece, bool is_value);
  int on_head_end();
  int on_body(std::string_view piece);
  int on_chunk_extension(std::size_t bytes);
  int on_chunk_head(std::uint64_t bytes);
  int on_chunk_end();
  int on_end();

  // The checks of a complete head; 0, or the status to fail with.
  int check_request_line();
  int check_target();
  int check_fields();
  [[nodiscard]] bool is_host(std::string_view host);
  void set_body_limit();
  void note_connection(std::string_view list);
  [[nodiscard]] int note_expectation(std::string_view list);

  llhttp_t llhttp_;
  const ParserLimits& limits_;
  Exchange* exchange_ = nullptr;
  const char* head_ = nullptr;       // the request's first byte
  std::size_t head_size_ = 0;        // bytes of it that were taken; at its end, the blank line too
  const char* piece_end_ = nullptr;  // of what llhttp has been given
  std::size_t line_ = 0;             // where the line begins that is being taken, of an owned head
  std::string_view version_;         // "1.1"
  Field field_;
  std::size_t body_bytes_ = 0;
  std::size_t body_limit_ = 0;  // of it
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;  // all that follows the last chunk's size
  std::uint16_t trailer_fields_ = 0;
  std::uint16_t blank_bytes_ = 0;
  std::array<char, 31> host_{};    // of the request before, which had a good one
  std::uint8_t host_bytes_ = 0;    // 0: there was none, or it was longer
  bool blank_cr_ = false;          // a CR has come, its LF has not
  std::int8_t chunk_digits_ = -1;  // of the chunk size being read; -1: not reading one
  Stage stage_ = Stage::between;
  int status_ = 0;
  bool keep_alive_ = true;
  bool close_asked_ = false;
  bool keep_alive_asked_ = false;
  bool chunked_ = false;
  bool last_chunk_ = false;
  bool expects_continue_ = false;
  bool complete_ = false;
  bool discards_content_ = false;
  bool by_another_name_ = false;  // llhttp takes its method for a POST
};

}  // namespace lastcall
