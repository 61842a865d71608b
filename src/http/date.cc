#include "http/date.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

#include <fmt/core.h>

#include "base/token.h"

namespace lastcall {
namespace {

constexpr std::array<std::string_view, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> long_days = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Whatever the locale says.
char* put_date(char* at, std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  return fmt::format_to(at, "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                        days[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                        months[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900,
                        utc.tm_hour, utc.tm_min, utc.tm_sec);
}

// A text that is cut piece by piece; once a piece is missing, it stays so.
class Pieces {
 public:
  explicit Pieces(std::string_view text) : rest_(text) {}

  Pieces& literal(std::string_view text) {
    good_ = good_ && rest_.starts_with(text);
    if (good_) rest_.remove_prefix(text.size());
    return *this;
  }
  // `digits` of them; where `padded`, the first may be a space.
  Pieces& number(int& value, std::size_t digits, bool padded = false) {
    std::string_view text = rest_.substr(0, digits);
    const std::size_t all = text.size();
    if (padded && text.starts_with(' ')) text.remove_prefix(1);
    good_ = good_ && all == digits && all_digits(text);
    value = 0;
    if (!good_) return *this;
    for (const char c : text) value = value * 10 + (c - '0');
    rest_.remove_prefix(digits);
    return *this;
  }
  template <std::size_t Size>
  Pieces& one_of(int& index, const std::array<std::string_view, Size>& names) {
    const auto at = std::find_if(names.begin(), names.end(),
                                 [&](std::string_view name) { return rest_.starts_with(name); });
    good_ = good_ && at != names.end();
    if (good_) rest_.remove_prefix(at->size());
    index = static_cast<int>(at - names.begin());
    return *this;
  }
  Pieces& time(std::tm& utc) {
    return number(utc.tm_hour, 2)
        .literal(":")
        .number(utc.tm_min, 2)
        .literal(":")
        .number(utc.tm_sec, 2);
  }
  [[nodiscard]] bool ends() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

// Sun, 06 Nov 1994 08:49:37 GMT, or with other names of days, dashes, and a year of two digits.
bool parse_gmt(std::string_view text, const std::array<std::string_view, 7>& names,
               std::string_view between, std::size_t year_digits, std::tm& utc) {
  int day = 0;
  return Pieces(text)
      .one_of(day, names)
      .literal(", ")
      .number(utc.tm_mday, 2)
      .literal(between)
      .one_of(utc.tm_mon, months)
      .literal(between)
      .number(utc.tm_year, year_digits)
      .literal(" ")
      .time(utc)
      .literal(" GMT")
      .ends();
}

bool parse_fixdate(std::string_view text, std::tm& utc) {
  return parse_gmt(text, days, " ", 4, utc);
}

// Sunday, 06-Nov-94 08:49:37 GMT. A year that seems more than 50 years ahead is in the past.
bool parse_rfc850(std::string_view text, std::tm& utc) {
  const bool is = parse_gmt(text, long_days, "-", 2, utc);
  std::tm today{};
  const std::time_t now = std::time(nullptr);
  gmtime_r(&now, &today);
  const int year = today.tm_year + 1900;
  utc.tm_year += year - year % 100;
  if (utc.tm_year > year + 50) utc.tm_year -= 100;
  return is;
}

// Sun Nov  6 08:49:37 1994
bool parse_asctime(std::string_view text, std::tm& utc) {
  int day = 0;
  return Pieces(text)
      .one_of(day, days)
      .literal(" ")
      .one_of(utc.tm_mon, months)
      .literal(" ")
      .number(utc.tm_mday, 2, true)
      .literal(" ")
      .time(utc)
      .literal(" ")
      .number(utc.tm_year, 4)
      .ends();
}

bool is_day(int year, int month, int day) {
  constexpr std::array<int, 12> lengths = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day >= 1 && day <= lengths[static_cast<std::size_t>(month)] + (leap && month == 1);
}

}  // namespace

std::string http_date(std::int64_t seconds) {
  std::array<char, 64> text;
  return {text.data(), put_date(text.data(), seconds)};
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  std::tm utc{};
  if (!parse_fixdate(text, utc) && !parse_rfc850(text, utc) && !parse_asctime(text, utc))
    return std::nullopt;
  const bool is_time = utc.tm_hour < 24 && utc.tm_min < 60 && utc.tm_sec <= 60;  // a leap second
  if (!is_time || !is_day(utc.tm_year, utc.tm_mon, utc.tm_mday)) return std::nullopt;
  utc.tm_year -= 1900;
  return timegm(&utc);
}

void DateCache::update(std::int64_t wall_seconds) {
  if (wall_seconds == seconds_) return;
  seconds_ = wall_seconds;
  constexpr std::string_view name = "Date: ";
  std::array<char, 64> date;
  put_date(date.data(), wall_seconds);
  std::memcpy(line_, name.data(), name.size());
  std::memcpy(line_ + name.size(), date.data(), http_date_bytes);
  std::memcpy(line_ + name.size() + http_date_bytes, "\r\n", 2);
}

}  // namespace lastcall
