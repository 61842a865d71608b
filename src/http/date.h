// The Date field, formatted once a second (RFC 9110 section 6.6.1).
#pragma once

#include <cstdint>
#include <string_view>

namespace lastcall {

class DateCache {
 public:
  void update(std::int64_t wall_seconds);
  [[nodiscard]] std::string_view line() const { return {line_, sizeof line_}; }  // with its CRLF

 private:
  std::int64_t seconds_ = -1;
  char line_[37];  // "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
};

}  // namespace lastcall
