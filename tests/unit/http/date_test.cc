#include "http/date.h"

#include <doctest/doctest.h>

#include <array>
#include <clocale>
#include <ctime>
#include <string>

using namespace lastcall;

TEST_CASE("a date is written as HTTP wants it") {
  CHECK(http_date(784'111'777) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(http_date(951'782'400) == "Tue, 29 Feb 2000 00:00:00 GMT");
  CHECK(http_date(0).size() == http_date_bytes);
  DateCache cache;
  cache.update(784'111'777);
  CHECK(cache.line() == "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

TEST_CASE("all three forms of a date are read") {
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784'111'777);
  CHECK(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT") == 784'111'777);
  CHECK(parse_http_date("Sun Nov  6 08:49:37 1994") == 784'111'777);
  CHECK(parse_http_date("Sat Dec 31 23:59:60 2016") == 1'483'228'800);  // a leap second
}

// RFC 9110 section 5.6.7.
TEST_CASE("a year of two digits that seems more than 50 years ahead is in the past") {
  const std::time_t now = std::time(nullptr);
  std::tm today{};
  gmtime_r(&now, &today);
  const auto year_of = [](int year) {
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "Monday, 01-Jan-%02d 00:00:00 GMT", year % 100);
    const std::time_t seconds = parse_http_date(text.data()).value_or(0);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    return utc.tm_year + 1900;
  };
  const int year = today.tm_year + 1900;
  CHECK(year_of(year) == year);
  CHECK(year_of(year + 50) == year + 50);
  CHECK(year_of(year + 51) == year - 49);
  CHECK(year_of(year - 40) == year - 40);
}

TEST_CASE("what is no date is none") {
  for (const char* text :
       {"", "now", "0", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 06 Nov -994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 06 08:49:37 94"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_http_date(text).has_value());
  }
}

TEST_CASE("every day since 1970 is read as it was written") {
  for (std::int64_t day = 0; day < 80'000; day += 7) {
    const std::int64_t seconds = day * 86'400 + day % 86'400;
    CHECK(parse_http_date(http_date(seconds)) == seconds);
  }
}
