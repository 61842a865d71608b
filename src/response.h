// An answer as a handler makes it, and the bytes that it becomes (RFC 9112).
//
// Everything a handler passes is copied; nothing of it has to live on. What HTTP itself decides
// (Date, Content-Length, Connection, no body to HEAD, 204 and 304) is not the handler's business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lastcall {

class OutBuffer;

class Response {
 public:
  // A final status, 200 to 599; 200 unless set. Throws std::invalid_argument beyond.
  Response& status(int code);
  // Appends a field. Throws std::invalid_argument for a name that is no token, a value with control
  // characters, and for Content-Length, Transfer-Encoding, Connection and Date, which are ours.
  Response& field(std::string_view name, std::string_view value);
  Response& content_type(std::string_view type);  // "text/plain" unless set
  Response& body(std::string_view content);       // replaces
  Response& append(std::string_view content);
  void clear();  // as new; memory is kept

  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::string_view fields() const { return fields_; }  // as lines, CRLF each
  [[nodiscard]] std::string_view content_type() const { return content_type_; }
  [[nodiscard]] std::string_view body() const { return body_; }

 private:
  int status_ = 200;
  std::string content_type_ = "text/plain";
  std::string fields_;
  std::string body_;
};

// How an answer is framed, which the connection knows and the handler need not.
struct Framing {
  bool head = false;      // the request was HEAD
  bool close = false;     // say `Connection: close`
  bool http_1_0 = false;  // the client speaks 1.0: keeping alive has to be said
};

// The Date field, formatted once a second (RFC 9110 section 6.6.1).
class DateCache {
 public:
  void update(std::int64_t wall_seconds);
  [[nodiscard]] std::string_view line() const { return {line_, sizeof line_}; }  // with its CRLF

 private:
  std::int64_t seconds_ = -1;
  char line_[37];  // "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
};

[[nodiscard]] std::string_view reason_phrase(int status);
// What of its body is sent: nothing in answer to HEAD, or with a status that has no content (RFC
// 9110 sections 9.3.2, 15.3.5 and 15.4.5).
[[nodiscard]] std::string_view content(const Response& response, bool head);
void write_response(OutBuffer& out, const Response& response, Framing framing,
                    const DateCache& date);

}  // namespace lastcall
