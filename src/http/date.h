// Dates as HTTP writes them (RFC 9110 section 5.6.7); the Date field, formatted once a second
// (section 6.6.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lastcall {

inline constexpr std::size_t http_date_bytes = 29;  // "Sun, 06 Nov 1994 08:49:37 GMT"

// Of seconds since 1970, in the years 1 to 9999.
[[nodiscard]] std::string http_date(std::int64_t seconds);
// All three forms that a recipient must know; nothing for any other text.
[[nodiscard]] std::optional<std::int64_t> parse_http_date(std::string_view text);

class DateCache {
 public:
  void update(std::int64_t wall_seconds);
  [[nodiscard]] std::string_view line() const { return {line_, sizeof line_}; }  // with its CRLF

 private:
  std::int64_t seconds_ = -1;
  char line_[6 + http_date_bytes + 2];  // "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
};

}  // namespace lastcall
