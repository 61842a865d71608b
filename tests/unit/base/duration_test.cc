#include <lastcall/duration.h>

#include <doctest/doctest.h>

#include "base/limits.h"

using namespace lastcall;

TEST_CASE("durations are whole numbers with a unit") {
  CHECK(parse_duration("5s") == 5000);
  CHECK(parse_duration("250ms") == 250);
  CHECK(parse_duration("1m30s") == 90'000);
  CHECK(parse_duration("2h") == 7'200'000);
  CHECK(parse_duration("0") == 0);
  CHECK(parse_duration("0s") == 0);
  for (const char* wrong : {"", "5", "s", "5 s", "-5s", "5sec", "1.5s", "25h", "5s5",
                            "99999999999s", "18446744073709551616ms", "+5s", "5S"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_duration(wrong));
  }
}

TEST_CASE("a formatted duration reads back as itself") {
  for (const Ms ms : {0, 1, 250, 1000, 1500, 60'000, 3'600'000, 90'000}) {
    CHECK(parse_duration(format_duration(ms)) == ms);
  }
}

TEST_CASE("sizes are bytes, or with a binary unit") {
  CHECK(parse_size("512") == 512);
  CHECK(parse_size("16KiB") == 16 * 1024);
  CHECK(parse_size("1MiB") == 1024 * 1024);
  CHECK(parse_size("2GiB") == 2048ull * 1024 * 1024);
  for (const char* wrong : {"", "KiB", "1KB", "1 KiB", "-1", "1.5MiB", "99999999999999999999",
                            "18446744073709551615GiB"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_size(wrong));
  }
  CHECK(format_size(16 * 1024) == "16KiB");
  CHECK(format_size(1000) == "1000");
}
