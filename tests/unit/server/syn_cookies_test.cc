#include "server/syn_cookies.h"

#include <doctest/doctest.h>

namespace lastcall {

TEST_CASE("quiet: no SYN cookie for so long that the clients of earlier ones have come") {
  SynCookies cookies;
  cookies.begin(5);
  cookies.look(5, 1000);
  CHECK(cookies.quiet(1000));
  cookies.look(7, 2000);
  CHECK_FALSE(cookies.quiet(2000));
  CHECK_FALSE(cookies.quiet(2000 + limits::cookies_quiet_ms - 1));
  CHECK(cookies.quiet(2000 + limits::cookies_quiet_ms));
  CHECK(cookies.in_doubt(4000) == 2);
}

TEST_CASE("cookies sent between start and signal may be of clients who are about to come") {
  SynCookies cookies;
  cookies.begin(5);
  cookies.look(6, 1000);
  CHECK_FALSE(cookies.quiet(1000));
  CHECK(cookies.in_doubt(1000) == 1);
  CHECK(cookies.in_doubt(4000) == 0);
}

TEST_CASE("where the kernel does not say, nobody waits") {
  SynCookies cookies;
  cookies.begin(-1);
  cookies.look(-1, 1000);
  CHECK(cookies.quiet(1000));
  CHECK(cookies.in_doubt(1000) == -1);
}

}  // namespace lastcall
