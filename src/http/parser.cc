#include "http/parser.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/token.h"

namespace lastcall {

// llhttp's callbacks, each one line: the parser is in `data`.
struct ParserCallbacks {
  using P = llhttp_t;
  static Parser& of(P* p) { return *static_cast<Parser*>(p->data); }
  static int target(P* p, const char* at, size_t n) { return of(p).on_target({at, n}); }
  static int version(P* p, const char* at, size_t n) { return of(p).on_version({at, n}); }
  static int name(P* p, const char* at, size_t n) { return of(p).on_field_name({at, n}); }
  static int value(P* p, const char* at, size_t n) { return of(p).on_field_value({at, n}); }
  static int field_end(P* p) { return of(p).on_field_end(); }
  static int head_end(P* p) { return of(p).on_head_end(); }
  static int body(P* p, const char* at, size_t n) { return of(p).on_body({at, n}); }
  static int extension(P* p, const char*, size_t n) { return of(p).on_chunk_extension(n); }
  static int chunk_head(P* p) { return of(p).on_chunk_head(p->content_length); }
  static int chunk_end(P* p) { return of(p).on_chunk_end(); }
  static int end(P* p) { return of(p).on_end(); }

  static llhttp_settings_t settings() {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_url = target;
    s.on_version = version;
    s.on_header_field = name;
    s.on_header_value = value;
    s.on_header_value_complete = field_end;
    s.on_headers_complete = head_end;
    s.on_body = body;
    s.on_chunk_extension_name = extension;
    s.on_chunk_extension_value = extension;
    s.on_chunk_header = chunk_head;
    s.on_chunk_complete = chunk_end;
    s.on_message_complete = end;
    return s;
  }
};

namespace {

const llhttp_settings_t settings = ParserCallbacks::settings();

// The piece lies right behind what the view has of it (invariant 1).
void extend(std::string_view& view, std::string_view piece) {
  if (view.data() == nullptr) {
    view = piece;
  } else {
    view = {view.data(), static_cast<std::size_t>(piece.data() + piece.size() - view.data())};
  }
}

void rebase(std::string_view& view, const char* from, const char* to) {
  if (view.data() != nullptr) view = {to + (view.data() - from), view.size()};
}

bool frames_message(std::string_view name) {
  return same_token(name, "Content-Length") || same_token(name, "Transfer-Encoding");
}

// Calls `each` for every tab from `from` on in the value of a field that frames the message, up to
// the blank line or until it says false. `line`: where the line of `from` begins, which has not
// ended before that.
template <class Each>
void framing_tabs(std::string_view head, std::size_t line, std::size_t from, Each each) {
  if (head.find('\t', from) == std::string_view::npos) return;  // nearly always
  for (std::size_t end; line < head.size(); line = end + 1) {
    end = std::min(head.find('\n', std::max(line, from)), head.size());
    const std::string_view text = head.substr(line, end - line);
    if (line > 0 && (text.empty() || text == "\r")) return;
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || !frames_message(text.substr(0, colon))) continue;
    const std::size_t value = std::max(from, line + colon) - line;
    for (auto tab = text.find('\t', value); tab != std::string_view::npos;
         tab = text.find('\t', tab + 1)) {
      if (!each(line + tab)) return;
    }
  }
}

}  // namespace

// ---- one request, from its first byte to its last

void Parser::reset() {
  stage_ = Stage::between;
  status_ = 0;
  blank_bytes_ = 0;
  blank_cr_ = false;
  host_bytes_ = 0;
  exchange_ = nullptr;
}

bool Parser::skip_blank(std::string_view& bytes) {
  DCHECK(stage_ == Stage::between);
  while (!bytes.empty() && (blank_cr_ || bytes.front() == '\r' || bytes.front() == '\n')) {
    const bool bare_cr = blank_cr_ && bytes.front() != '\n';
    blank_cr_ = bytes.front() == '\r';
    bytes.remove_prefix(1);
    if (bare_cr || ++blank_bytes_ > limits::leading_blank_bytes_max) {
      fail(400);
      return false;
    }
  }
  return true;
}

// A fresh start for each request: nothing of the one before (Upgrade, close) leaks into it.
inline void Parser::begin_again() {
  llhttp_init(&llhttp_, HTTP_REQUEST, &settings);
  llhttp_set_lenient_version(&llhttp_, 1);
  llhttp_.data = this;
}

void Parser::begin(Exchange& exchange) {
  CHECK(stage_ == Stage::between);
  begin_again();
  exchange_ = &exchange;
  head_ = nullptr;
  head_size_ = line_ = body_bytes_ = extension_bytes_ = trailer_bytes_ = 0;
  version_ = {};
  field_ = {};
  trailer_fields_ = blank_bytes_ = 0;
  chunk_digits_ = -1;
  stage_ = Stage::head;
  keep_alive_ = true;
  close_asked_ = keep_alive_asked_ = chunked_ = last_chunk_ = false;
  expects_continue_ = complete_ = discards_content_ = by_another_name_ = false;
}

void Parser::discard_rest(Exchange& other) {
  CHECK(stage_ == Stage::body);
  discards_content_ = true;
  other.answered = other.head_owned = true;
  exchange_ = &other;
}

Parser::Result Parser::feed(std::string_view& bytes) {
  DCHECK(exchange_ != nullptr);
  while (!bytes.empty() && stage_ != Stage::failed) {
    const Result result = must_own(bytes) ? feed_owned(bytes) : feed_in_place(bytes);
    if (result != Result::incomplete) return result;
  }
  return stage_ == Stage::failed ? Result::failed : Result::incomplete;
}

// A further piece of a head, or a first one that llhttp may not see as it has come.
bool Parser::must_own(std::string_view bytes) const {
  if (stage_ == Stage::body) return false;
  if (exchange_->head_owned) return true;
  bool found = false;
  framing_tabs(bytes, 0, 0, [&](std::size_t) { return !(found = true); });
  return found;
}

// The first piece of a request, or a piece of its body: parsed where it lies.
Parser::Result Parser::feed_in_place(std::string_view& bytes) {
  if (head_ == nullptr) head_ = bytes.data();
  const char* stopped = nullptr;
  const Result result = run(bytes.data(), bytes.data() + bytes.size(), stopped);
  if (result == Result::failed) return result;
  if (result == Result::complete) {
    bytes.remove_prefix(static_cast<std::size_t>(stopped - bytes.data()));
    return result;
  }
  if (stage_ != Stage::body) {
    head_size_ = bytes.size();
    if (head_size_ > limits_.header_bytes_max) return head_too_long();
    if (incomplete_head(bytes) == Result::failed) return Result::failed;
    line_ = bytes.rfind('\n') + 1;  // npos + 1 is 0
  }
  if (!exchange_->head_owned && !own_head(head_size_, head_size_)) return failed(503);
  bytes = {};
  return own_content();
}

// Joined to the pieces before, and parsed there.
Parser::Result Parser::feed_owned(std::string_view& bytes) {
  if (head_ == nullptr) head_ = bytes.data();  // not a byte of it is taken yet
  DCHECK(head_size_ == 0 || head_ == exchange_->head.data());
  DCHECK(head_size_ <= limits_.header_bytes_max);
  const std::size_t size = std::min(bytes.size(), limits_.header_bytes_max - head_size_);
  if (size == 0) return head_too_long();
  if (!own_head(head_size_, head_size_ + size)) return failed(503);
  char* const head = exchange_->head.data();
  char* const at = exchange_->head.end();
  DCHECK(at == head + head_size_);
  std::memcpy(at, bytes.data(), size);
  exchange_->head.commit(size);
  const std::size_t before = std::exchange(head_size_, head_size_ + size);
  const std::string_view piece(at, size);
  framing_tabs({head, head_size_}, line_, before, [&](std::size_t tab) {
    head[tab] = ' ';
    return true;
  });
  if (const auto newline = piece.rfind('\n'); newline != std::string_view::npos)
    line_ = before + newline + 1;
  const char* stopped = at + size;
  const Result result = stage_ == Stage::unknown_method ? scan_unknown_method(at + size, stopped)
                                                        : run(at, at + size, stopped);
  if (result == Result::failed) return result;
  bytes.remove_prefix(result == Result::complete ? static_cast<std::size_t>(stopped - at) : size);
  if (result == Result::complete) return result;
  if (stage_ == Stage::head && incomplete_head(piece) == Result::failed) return Result::failed;
  return own_content();
}

Parser::Result Parser::own_content() {
  if (!exchange_->own_body() && deny_content() != 0) return Result::failed;
  return Result::incomplete;
}

// There is no room for it. A handler that reads it as it comes is told; the rest is only counted,
// so that what is behind it is found.
int Parser::deny_content() {
  if (!exchange_->deny_content()) return fail(503);
  discards_content_ = true;
  return 0;
}

Parser::Result Parser::run(const char* begin, const char* end, const char*& stopped) {
  DCHECK(begin <= end);
  piece_end_ = end;
  for (;;) {
    if (chunk_digits_ >= 0 && !count_chunk_digits(begin, end)) return failed(400);
    const bool in_trailers = last_chunk_;
    const auto error = llhttp_execute(&llhttp_, begin, static_cast<std::size_t>(end - begin));
    if (error != HPE_OK && error != HPE_PAUSED) return on_error(error, end, stopped);
    const char* const at = error == HPE_OK ? end : llhttp_get_error_pos(&llhttp_);
    if (in_trailers) trailer_bytes_ += static_cast<std::size_t>(at - begin);
    if (trailer_bytes_ > limits_.header_bytes_max) return failed(431);
    if (error == HPE_OK) return Result::incomplete;
    begin = at;
    if (complete_) {
      stopped = at;
      stage_ = Stage::between;
      return Result::complete;
    }
    llhttp_resume(&llhttp_);
  }
}

bool Parser::own_head(std::size_t bytes, std::size_t capacity) {
  const char* const from = head_;
  if (!exchange_->own_head({head_, bytes}, capacity)) return false;
  head_ = exchange_->head.data();
  rebase(version_, from, head_);
  rebase(field_.name, from, head_);
  rebase(field_.value, from, head_);
  return true;
}

bool Parser::own() {
  DCHECK(stage_ == Stage::between && complete_);
  return own_head(head_size_, head_size_) && exchange_->own_body();
}

// ---- failing

Parser::Result Parser::failed(int status) {
  fail(status);
  return Result::failed;
}

int Parser::fail(int status) {
  if (status_ == 0) status_ = status;
  stage_ = Stage::failed;
  keep_alive_ = false;
  return HPE_USER;
}

Parser::Result Parser::head_too_long() {
  note_method();
  return failed(version_.data() == nullptr ? 414 : 431);
}

// llhttp waits for fields behind a request line without a version: HTTP/0.9.
Parser::Result Parser::incomplete_head(std::string_view piece) {
  if (version_.data() != nullptr || piece.find('\n') == std::string_view::npos)
    return Result::incomplete;
  note_method();
  return failed(400);
}

Parser::Result Parser::on_error(llhttp_errno_t error, const char* end, const char*& stopped) {
  if (error != HPE_INVALID_METHOD) note_method();
  if (status_ != 0) return Result::failed;
  const char* text = llhttp_get_error_reason(&llhttp_);
  const std::string_view reason = text == nullptr ? "" : text;
  // Or one of RTSP's, which llhttp knows and HTTP does not.
  if (error == HPE_INVALID_METHOD || reason == "Invalid method for HTTP/x.x request")
    return scan_unknown_method(end, stopped);
  // A well-formed number beyond 64 bits: too large, not malformed.
  if (reason == "Content-Length overflow" || reason == "Chunk size overflow") return failed(413);
  return failed(error == HPE_PAUSED_H2_UPGRADE ? 505 : 400);
}

// llhttp stops at the first byte that fits no method it knows. Whether that is an unknown method
// (501) or no method at all (400) is told by the whole token, wherever the bytes were cut. One that
// has a route is begun again, from its end.
Parser::Result Parser::scan_unknown_method(const char* end, const char*& stopped) {
  const char* const token_end = std::find_if_not(head_, end, is_token_char);
  const auto size = static_cast<std::size_t>(token_end - head_);
  if (size > limits::method_bytes_max) return failed(501);
  if (token_end == end) {
    stage_ = Stage::unknown_method;
    return Result::incomplete;
  }
  if (size == 0 || *token_end != ' ') return failed(400);
  const std::string_view method(head_, size);
  const bool routed =
      limits_.any_method ||
      (limits_.methods != nullptr && std::find(limits_.methods->begin(), limits_.methods->end(),
                                               method) != limits_.methods->end());
  if (!routed || by_another_name_) return failed(501);
  constexpr std::string_view another_name = "POST";
  begin_again();
  by_another_name_ = true;
  stage_ = Stage::head;
  exchange_->request.target_ = version_ = {};
  (void)llhttp_execute(&llhttp_, another_name.data(), another_name.size());
  return run(token_end, end, stopped);
}

// llhttp takes leading zeros without end; a chunk size has at most 16 digits here. Only looks
// ahead: llhttp reads the same bytes after.
bool Parser::count_chunk_digits(const char* at, const char* end) {
  const char* const digits_end = std::find_if_not(at, end, is_hex);
  const auto digits =
      static_cast<std::size_t>(chunk_digits_) + static_cast<std::size_t>(digits_end - at);
  if (digits > limits::chunk_digits_max) return false;
  chunk_digits_ = digits_end == end ? static_cast<std::int8_t>(digits) : std::int8_t{-1};
  return true;
}

// ---- what llhttp calls, in the order of a request

int Parser::on_target(std::string_view piece) {
  std::string_view& target = exchange_->request.target_;
  extend(target, piece);
  return 0;
}

int Parser::on_version(std::string_view piece) {
  extend(version_, piece);
  if (version_.size() < 3) return 0;
  if (const int status = check_request_line()) return fail(status);
  return 0;
}

int Parser::on_field_name(std::string_view piece) {
  if (stage_ == Stage::body) return on_trailer(piece, false);
  if (version_.size() < 3) return fail(400);  // llhttp takes a request line of HTTP/0.9
  extend(field_.name, piece);
  return 0;
}

int Parser::on_field_value(std::string_view piece) {
  if (stage_ == Stage::body) return on_trailer(piece, true);
  extend(field_.value, piece);
  return 0;
}

int Parser::on_trailer(std::string_view piece, bool is_value) {
  return discards_content_ || exchange_->add_to_trailer(piece, is_value) ? 0 : fail(503);
}

int Parser::on_field_end() {
  if (stage_ == Stage::body) {
    if (++trailer_fields_ > limits::trailer_fields_max) return fail(431);
    return discards_content_ || exchange_->end_trailer() ? 0 : fail(503);
  }
  if (exchange_->request.fields_.size() == limits::fields_max) return fail(431);
  // Of an empty value llhttp tells a place behind the line, or none.
  if (field_.value.empty()) field_.value = {field_.name.data() + field_.name.size(), 0};
  if (!exchange_->add_field({field_.name, trim(field_.value)})) return fail(503);
  field_ = {};
  return 0;
}

int Parser::on_head_end() {
  DCHECK(stage_ == Stage::head);
  if (version_.size() < 3) return fail(400);
  head_size_ = head_bytes();
  if (head_size_ > limits_.header_bytes_max) return fail(431);
  int status = check_target();
  if (status == 0) status = check_fields();
  if (status != 0) return fail(status);
  stage_ = Stage::body;
  llhttp_.upgrade = 0;  // Upgrade is ignored (RFC 9110 section 7.8): what follows is HTTP/1.1
  if (!chunked_) return 0;
  chunk_digits_ = 0;
  return HPE_PAUSED;  // for the position of the first chunk size
}

// Up to the end of the blank line, wherever the bytes were cut; never beyond what has come.
std::size_t Parser::head_bytes() const {
  const std::vector<Field>& fields = exchange_->request.fields_;
  const std::string_view last = fields.empty() ? version_ : fields.back().value;
  const char* at = last.data() + last.size();
  for (int lines = 0; lines < 2 && at != piece_end_; ++at) lines += *at == '\n';
  return static_cast<std::size_t>(at - head_);
}

int Parser::on_body(std::string_view piece) {
  body_bytes_ += piece.size();
  if (body_bytes_ > body_limit_) return fail(413);
  if (discards_content_) return 0;
  std::string_view& body = exchange_->request.body_;
  const bool joins =
      !body.empty() && exchange_->body.bytes().empty() && body.data() + body.size() == piece.data();
  if (exchange_->body.take_in_place(piece)) {
    body = exchange_->body.bytes();
  } else if (body.empty()) {
    body = piece;
  } else if (joins) {
    body = {body.data(), body.size() + piece.size()};
  } else {
    const std::size_t to_come = chunked_ ? SIZE_MAX : piece.size() + llhttp_.content_length;
    if (!exchange_->own_body() || !exchange_->body.append(piece, to_come)) return deny_content();
    body = exchange_->body.bytes();
  }
  return 0;
}

int Parser::on_chunk_extension(std::size_t bytes) {
  extension_bytes_ += bytes;
  return extension_bytes_ > limits::chunk_extension_bytes_max ? fail(413) : 0;
}

int Parser::on_chunk_head(std::uint64_t bytes) {
  if (bytes > body_limit_ - body_bytes_) return fail(413);
  if (bytes > 0) return 0;
  last_chunk_ = true;
  return HPE_PAUSED;  // for the position of the trailers
}

int Parser::on_chunk_end() {
  if (last_chunk_) return 0;
  chunk_digits_ = 0;
  return HPE_PAUSED;  // for the position of the next chunk size
}

int Parser::on_end() {
  DCHECK(!complete_);
  complete_ = true;
  return HPE_PAUSED;
}

}  // namespace lastcall
