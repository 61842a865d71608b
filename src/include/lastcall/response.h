// An answer as a handler makes it (RFC 9110, RFC 9112).
//
// Everything a handler passes is copied; nothing of it has to live on. What HTTP itself decides
// (Date, Content-Length, Connection, no body to HEAD, nor with 204, 205 and 304) is not the
// handler's business.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <lastcall/response_body.h>

namespace lastcall {

// How far a cookie goes (RFC 6265 section 4.1.2). Without any of it: to this host, below the path
// of the request, until the browser ends.
struct CookieScope {
  enum class SameSite : std::uint8_t { unsaid, lax, strict, none };

  std::string path{};
  std::string domain{};
  std::optional<std::chrono::seconds> max_age{};  // 0: the browser forgets it
  bool secure = false;
  bool http_only = false;
  SameSite same_site = SameSite::unsaid;
};

class Response {
 public:
  Response() = default;
  Response(const Response&) = delete;
  Response& operator=(const Response&) = delete;

  // A final status, 200 to 599; 200 unless set. Throws std::invalid_argument beyond.
  Response& status(int code);
  // Appends a field; a name may come again. Throws std::invalid_argument for a name that is no
  // token, a value with control characters, and for Content-Length, Transfer-Encoding, Connection
  // and Date, which are ours.
  Response& field(std::string_view name, std::string_view value);
  // Appends a Set-Cookie. Throws std::invalid_argument for a name that is no token, for a value
  // with what a cookie cannot hold (white space, quotes, comma, semicolon, backslash, all beyond
  // ASCII: encode it), and for SameSite=None without `secure`, which browsers refuse.
  Response& cookie(std::string_view name, std::string_view value, const CookieScope& scope = {});
  // Elsewhere: Location, and no body. `code`: 301, 302, 303, 307 or 308 (RFC 9110 section 15.4).
  // Throws std::invalid_argument for another, and for a location with what no URI has.
  Response& redirect(std::string_view location, int code = 302);
  Response& content_type(std::string_view type);  // "text/plain" unless set; empty: not sent
  Response& body(std::string_view content);       // replaces
  Response& append(std::string_view content);
  // This is the connection's last answer, and says so.
  Response& close();
  // The answer goes on from here (response_body.h), `length` bytes if that is known. In a coroutine
  // only; throws std::logic_error elsewhere, and the second time.
  [[nodiscard]] Task<ResponseBody> begin();
  [[nodiscard]] Task<ResponseBody> begin(std::uint64_t length);
  void clear();  // as new; memory is kept

  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::string_view fields() const { return fields_; }  // as lines, CRLF each
  [[nodiscard]] std::string_view content_type() const { return content_type_; }
  [[nodiscard]] std::string_view body() const { return body_; }
  [[nodiscard]] bool closes() const { return closes_; }

 private:
  friend struct Exchange;
  ResponseBody begin_as(std::optional<std::uint64_t> length);

  int status_ = 200;
  bool closes_ = false;
  std::string content_type_ = "text/plain";
  std::string fields_;
  std::string body_;
  Exchange* exchange_ = nullptr;  // in which it stands
};

}  // namespace lastcall
