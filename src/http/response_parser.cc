#include "http/response_parser.h"

#include <charconv>
#include <new>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "base/token.h"

namespace lastcall {
namespace {

// What a callback says to llhttp.
constexpr int stop = -1;
constexpr int without_content = 1;                          // of on_headers_complete
constexpr std::size_t usual_bytes = 256, usual_fields = 8;  // of a head

}  // namespace

// llhttp's callbacks, each one line: the parser is in `data`. Those that need memory are called by
// `within`, since no exception may pass through llhttp.
struct ResponseCallbacks {
  using P = llhttp_t;
  using Parser = ResponseParser;
  static Parser& of(P* p) { return *static_cast<Parser*>(p->data); }
  template <class... A>
  static int within(P* p, int (Parser::*callback)(A...), A... arguments) noexcept {
    try {
      return (of(p).*callback)(arguments...);
    } catch (const std::bad_alloc&) {
      of(p).no_memory_ = true;
      return stop;
    }
  }
  static int name(P* p, const char* at, size_t n) {
    return within(p, &Parser::on_name, std::string_view(at, n));
  }
  static int value(P* p, const char* at, size_t n) {
    return within(p, &Parser::on_value, std::string_view(at, n));
  }
  static int body(P* p, const char* at, size_t n) {
    return within(p, &Parser::on_piece, std::string_view(at, n));
  }
  static int field_end(P* p) { return within(p, &Parser::on_field_end); }
  static int head_end(P* p) { return within(p, &Parser::on_head_end); }
  static int end(P* p) { return of(p).on_end(); }

  static llhttp_settings_t settings() {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_header_field = name;
    s.on_header_value = value;
    s.on_header_value_complete = field_end;
    s.on_headers_complete = head_end;
    s.on_body = body;
    s.on_message_complete = end;
    return s;
  }
};

namespace {

const llhttp_settings_t settings = ResponseCallbacks::settings();

}  // namespace

void ResponseParser::begin(bool to_head, bool may_switch) {
  to_head_ = to_head;
  may_switch_ = may_switch;
  others_ = 0;
  switched_ = false;
  has_head_ = complete_ = keep_alive_ = too_large_ = no_memory_ = false;
  pieces_.clear();
  begin_again();
}

// An answer is parsed from its first byte; of one before, which was informational, nothing is left.
void ResponseParser::begin_again() {
  llhttp_init(&llhttp_, HTTP_RESPONSE, &settings);
  llhttp_.data = this;
  head_ = {};
  spans_.clear();
  field_ = {};
  trailer_text_.clear();
  trailers_.clear();
  complete_ = chunked_ = false;
  length_.reset();
  keep_alive_for_.reset();
  begun_ = true;
}

ResponseParser::Result ResponseParser::feed(std::string_view& bytes) {
  pieces_.clear();
  if (!begun_) begin_again();
  const char* const begin = bytes.empty() ? "" : bytes.data();
  const auto error = llhttp_execute(&llhttp_, begin, bytes.size());
  if (no_memory_) throw std::bad_alloc();
  const bool all = error == HPE_OK;
  const char* const end = all ? begin + bytes.size() : llhttp_get_error_pos(&llhttp_);
  if (too_large_ || !count_others(begin, end)) return Result::too_large;
  if (!all && error != HPE_PAUSED) return Result::failed;
  bytes.remove_prefix(static_cast<std::size_t>(end - begin));
  if (all) return Result::incomplete;
  if (!complete_) {
    llhttp_resume(&llhttp_);
    return Result::head;
  }
  if (has_head_) return Result::end;
  begun_ = false;
  return Result::informational;
}

// Of what is no content: heads, and what stands between two pieces of it, or behind the last.
bool ResponseParser::count_others(const char* begin, const char* end) {
  if (!pieces_.empty()) {
    begin = pieces_.back().data() + pieces_.back().size();
    others_ = 0;
  }
  others_ += static_cast<std::size_t>(end - begin);
  return others_ <= limits::response_head_bytes_max;
}

bool ResponseParser::on_fin() {
  const auto error = llhttp_finish(&llhttp_);
  return complete_ && has_head_ && (error == HPE_OK || error == HPE_PAUSED);
}

ClientResponse ResponseParser::take_head() {
  CHECK(has_head_ || !begun_);
  return std::move(head_);
}

// ---- what llhttp calls, in the order of an answer

int ResponseParser::on_name(std::string_view piece) {
  std::vector<char>& text = has_head_ ? trailer_text_ : head_.text_;
  if (text.empty()) {
    text.reserve(usual_bytes);
    spans_.reserve(usual_fields);
  }
  text.insert(text.end(), piece.begin(), piece.end());
  field_.name_end = text.size();
  return 0;
}

int ResponseParser::on_value(std::string_view piece) {
  std::vector<char>& text = has_head_ ? trailer_text_ : head_.text_;
  text.insert(text.end(), piece.begin(), piece.end());
  return 0;
}

int ResponseParser::on_field_end() {
  if (spans_.size() == limits::fields_max) {
    too_large_ = true;
    return stop;
  }
  field_.value_end = has_head_ ? trailer_text_.size() : head_.text_.size();
  spans_.push_back(field_);
  field_.name = field_.value_end;
  return 0;
}

int ResponseParser::on_head_end() {
  const int status = llhttp_.status_code;
  if (llhttp_.http_major != 1 || status < 100 || status > 599) return stop;
  switched_ = status == 101;
  if (switched_ && !may_switch_) return stop;  // nobody asked for it (RFC 9110 section 15.2.2)
  add_spans(head_.text_, head_.fields_);
  spans_.clear();
  field_ = {};  // of the trailers, from here on
  if (!is_well_framed(status)) return stop;
  has_head_ = status >= 200 || switched_;
  head_.status_ = status;
  return to_head_ || status < 200 ? without_content : HPE_PAUSED;
}

void ResponseParser::add_spans(const std::vector<char>& text, std::vector<Field>& fields) const {
  const std::string_view all(text.data(), text.size());
  fields.reserve(spans_.size());
  for (const Span& span : spans_) {
    fields.push_back({all.substr(span.name, span.name_end - span.name),
                      trim(all.substr(span.name_end, span.value_end - span.name_end))});
  }
}

// "timeout=5, max=1000": in seconds.
void ResponseParser::note_keep_alive(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string_view parameter = take_element(parameters);
    const auto equals = parameter.find('=');
    if (equals == std::string_view::npos ||
        !same_token(trim(parameter.substr(0, equals)), "timeout"))
      continue;
    const std::string_view text = trim(parameter.substr(equals + 1));
    unsigned seconds = 0;
    constexpr std::size_t digits_max = 6;
    if (!text.empty() && all_digits(text) && text.size() <= digits_max)
      std::from_chars(text.data(), text.data() + text.size(), seconds),
          keep_alive_for_ = seconds * Ms{1000};
  }
}

// RFC 9112 sections 6.1 and 9.3. One coding is taken off here, and no other was asked for.
bool ResponseParser::is_well_framed(int status) {
  bool close = false;
  bool keep_alive = false;
  bool has_length = false;
  unsigned codings = 0;
  for (const Field& field : head_.fields_) {
    if (same_token(field.name, "Transfer-Encoding")) {
      if (!same_token(field.value, "chunked") || ++codings > 1) return false;
    } else if (same_token(field.name, "Content-Length")) {
      std::uint64_t length = 0;
      const auto read =
          std::from_chars(field.value.data(), field.value.data() + field.value.size(), length);
      if (field.value.empty() || !all_digits(field.value) || read.ec != std::errc{}) return false;
      length_ = length;
      has_length = length > 0;
    } else if (same_token(field.name, "Keep-Alive")) {
      note_keep_alive(field.value);
    } else if (same_token(field.name, "Connection")) {
      for (std::string_view list = field.value; !list.empty();) {
        const std::string_view option = take_element(list);
        close = close || same_token(option, "close");
        keep_alive = keep_alive || same_token(option, "keep-alive");
      }
    }
  }
  chunked_ = codings > 0;
  const bool http_1_0 = llhttp_.http_minor == 0;
  if (codings > 0 && http_1_0) return false;
  const bool says_content = codings > 0 || has_length;
  if (status < 200 && says_content) return false;
  // What has no content (RFC 9112 section 6.3) may be followed by some all the same, which some
  // send: it would be taken for the next answer. Only who says that there is none is believed.
  const bool has_none = to_head_ || status == 304;
  const bool may_follow = status == 204 ? says_content : has_none && (says_content || !length_);
  may_keep_ = !close && (keep_alive || !http_1_0) && !may_follow;
  return true;
}

int ResponseParser::on_piece(std::string_view piece) {
  DCHECK(has_head_);
  if (!piece.empty()) pieces_.push_back(piece);
  return 0;
}

int ResponseParser::on_end() {
  DCHECK(!complete_);
  complete_ = true;
  if (has_head_ && !spans_.empty()) {
    trailers_.clear();
    try {
      add_spans(trailer_text_, trailers_);
    } catch (const std::bad_alloc&) {
      no_memory_ = true;
    }
  }
  keep_alive_ = may_keep_ && llhttp_should_keep_alive(&llhttp_) != 0;
  return HPE_PAUSED;
}

}  // namespace lastcall
