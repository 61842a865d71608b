// An answer as a handler makes it (RFC 9110, RFC 9112).
//
// Everything a handler passes is copied; nothing of it has to live on. What HTTP itself decides
// (Date, Content-Length, Connection, no body to HEAD, nor with 204, 205 and 304) is not the
// handler's business.
#pragma once

#include <string>
#include <string_view>

namespace lastcall {

class Response {
 public:
  // A final status, 200 to 599; 200 unless set. Throws std::invalid_argument beyond.
  Response& status(int code);
  // Appends a field. Throws std::invalid_argument for a name that is no token, a value with control
  // characters, and for Content-Length, Transfer-Encoding, Connection and Date, which are ours.
  Response& field(std::string_view name, std::string_view value);
  Response& content_type(std::string_view type);  // "text/plain" unless set; empty: not sent
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

}  // namespace lastcall
