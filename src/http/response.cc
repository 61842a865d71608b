#include <lastcall/response.h>

#include <algorithm>
#include <new>
#include <stdexcept>

#include <lastcall/client.h>
#include <lastcall/request.h>
#include <lastcall/shared_content.h>

#include "base/limits.h"
#include "base/token.h"
#include "http/exchange.h"
#include "http/hop_by_hop.h"
#include "http/writer.h"

namespace lastcall {
namespace {

constexpr std::string_view ours[] = {"Content-Length", "Transfer-Encoding", "Connection", "Date"};

// RFC 6265 section 4.1.1.
bool is_cookie_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("\",;\\").find(c) == std::string_view::npos;
  });
}

bool is_cookie_attribute(std::string_view value) {
  return is_field_value(value) && value.find(';') == std::string_view::npos;
}

std::string_view text_of(CookieScope::SameSite same_site) {
  switch (same_site) {
    case CookieScope::SameSite::unsaid: return "";
    case CookieScope::SameSite::lax: return "; SameSite=Lax";
    case CookieScope::SameSite::strict: return "; SameSite=Strict";
    case CookieScope::SameSite::none: return "; SameSite=None";
  }
  return "";
}

// Every character that RFC 3986 has, and nothing else.
bool is_uri_reference(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
  });
}

}  // namespace

Response& Response::status(int code) {
  if (code < 200 || code > 599) throw std::invalid_argument("a final status is 200 to 599");
  status_ = code;
  return *this;
}

Response& Response::field(std::string_view name, std::string_view value) {
  if (!is_token(name)) throw std::invalid_argument("a field name is a token");
  if (!is_field_value(value))
    throw std::invalid_argument("a field value has no control characters");
  if (std::any_of(std::begin(ours), std::end(ours),
                  [&](std::string_view own) { return same_token(own, name); })) {
    throw std::invalid_argument("this field is set by the server itself");
  }
  if (same_token(name, "Content-Type")) return content_type(value);
  fields_.append(name).append(": ").append(value).append("\r\n");
  return *this;
}

Response& Response::cookie(std::string_view name, std::string_view value,
                           const CookieScope& scope) {
  if (!is_token(name)) throw std::invalid_argument("a cookie's name is a token");
  if (!is_cookie_value(value))
    throw std::invalid_argument(
        "a cookie's value has no white space, quotes, commas, semicolons, backslashes, nor what is "
        "beyond ASCII");
  if (!is_cookie_attribute(scope.path) || !is_cookie_attribute(scope.domain))
    throw std::invalid_argument("a cookie's path and domain have no semicolon, nor controls");
  if (scope.same_site == CookieScope::SameSite::none && !scope.secure)
    throw std::invalid_argument("a cookie for all sites has to be secure");
  std::string line(name);
  line.append("=").append(value);
  if (!scope.path.empty()) line.append("; Path=").append(scope.path);
  if (!scope.domain.empty()) line.append("; Domain=").append(scope.domain);
  if (scope.max_age) line.append("; Max-Age=").append(std::to_string(scope.max_age->count()));
  line.append(scope.secure ? "; Secure" : "").append(scope.http_only ? "; HttpOnly" : "");
  return field("Set-Cookie", line.append(text_of(scope.same_site)));
}

Response& Response::redirect(std::string_view location, int code) {
  if (code != 301 && code != 302 && code != 303 && code != 307 && code != 308)
    throw std::invalid_argument("a redirect is 301, 302, 303, 307 or 308");
  if (!is_uri_reference(location))
    throw std::invalid_argument("a location is a URI: percent-encode what it cannot hold");
  return status(code).body("").field("Location", location);
}

Response& Response::close() {
  closes_ = true;
  return *this;
}

Response& Response::content_type(std::string_view type) {
  if (!is_field_value(type)) throw std::invalid_argument("a field value has no control characters");
  content_type_.assign(type);
  return *this;
}

Response& Response::body(std::string_view content) {
  if (has_file_) drop_file();
  body_.assign(content);
  if (is_shared()) drop_shared();  // behind it: `content` may be of that
  return *this;
}

Response& Response::body(std::string&& content) {
  // Little is copied: the memory that it goes to is kept.
  if (content.size() <= limits::exchange_kept_bytes) return body(std::string_view(content));
  if (has_file_) drop_file();
  if (is_shared()) drop_shared();
  body_ = std::move(content);
  return *this;
}

Response& Response::body(const SharedContent& content) {
  if (exchange_ == nullptr) return body(content.bytes());
  if (has_file_) drop_file();
  body_.clear();
  exchange_->shared_answer = content.content_;
  shared_ = content.bytes();
  return *this;
}

Response& Response::append(std::string_view content) {
  if (has_file_) drop_file();
  if (!is_shared()) {
    body_.append(content);
    return *this;
  }
  body_.assign(shared_).append(content);
  drop_shared();
  return *this;
}

void Response::drop_shared() {
  shared_ = {};
  exchange_->shared_answer.reset();
}

Task<ResponseBody> Response::begin() { co_return begin_as(std::nullopt); }
Task<ResponseBody> Response::begin(std::uint64_t length) { co_return begin_as(length); }

void Response::check_may_begin() const {
  const bool waits = exchange_ != nullptr && exchange_->task;
  if (!waits || begun())
    throw std::logic_error("an answer begins once, in the coroutine of its handler");
}

void Response::inform(int status, std::span<const Field> fields) {
  check_may_begin();
  if (status < 102 || status > 199)
    throw std::invalid_argument("an informational status is 102 to 199 here");
  Response checked;  // knows what a field may be
  checked.content_type("");
  for (const Field& field : fields) checked.field(field.name, field.value);
  if (exchange_->request.minor_version() == 0) return;
  std::string lines = "HTTP/1.1 ";
  lines.append(std::to_string(status)).append(" ").append(reason_phrase(status)).append("\r\n");
  exchange_->out.inform(lines.append(checked.fields()).append("\r\n"));
}

Task<ResponseBody> Response::switch_protocols(std::string_view protocol) {
  check_may_begin();
  if (!is_token(protocol)) throw std::invalid_argument("a protocol's name is a token");
  if (has_file_) drop_file();
  status_ = 101;
  content_type_.clear();
  fields_.append("Upgrade: ").append(protocol).append("\r\n");
  if (exchange_->calls == nullptr) {
    exchange_->out.abandon();
  } else if (!exchange_->calls->begin_tunnel(*exchange_)) {
    throw std::bad_alloc();
  }
  co_return ResponseBody(*exchange_);
}

// It has been parsed: what stands in it is what an answer may have.
Response& Response::relay(const ClientResponse& answer) {
  clear();
  content_type_.clear();
  status_ = answer.status();
  const HopByHop hop_by_hop(answer.fields());
  for (const Field& field : answer.fields()) {
    if (!hop_by_hop.passes(field.name)) continue;
    has_date_ = has_date_ || same_token(field.name, "Date");
    fields_.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return *this;
}

// A client that has gone gets nothing, and no head either. A tunnel has begun by itself.
ResponseBody Response::begin_as(std::optional<std::uint64_t> length) {
  if (exchange_ != nullptr && exchange_->task && exchange_->tunnel) return ResponseBody(*exchange_);
  check_may_begin();
  if (has_file_) drop_file();
  if (exchange_->calls == nullptr) {
    exchange_->out.abandon();
  } else if (!exchange_->calls->begin_answer(*exchange_, length)) {
    throw std::bad_alloc();
  }
  return ResponseBody(*exchange_);
}

bool Response::begun() const { return exchange_ != nullptr && exchange_->out.begun(); }

void Response::clear() {
  if (has_file_) drop_file();
  if (is_shared()) drop_shared();
  status_ = 200;
  closes_ = has_date_ = false;
  // One large answer does not bloat a pool for ever: nothing but a swap frees a string's memory.
  for (std::string* text : {&content_type_, &fields_, &body_}) {
    text->clear();
    if (text->capacity() > limits::exchange_kept_bytes) std::string().swap(*text);
  }
  content_type_.assign("text/plain");
}

}  // namespace lastcall
