#include "server/unseen_handshakes.h"

#include <doctest/doctest.h>

namespace lastcall {
namespace {

TcpCounts cookies(std::int64_t sent) { return {.cookies_sent = sent, .listen_overflows = 0}; }
TcpCounts overflows(std::int64_t count) { return {.cookies_sent = 0, .listen_overflows = count}; }

}  // namespace

TEST_CASE("quiet: no SYN cookie for so long that the clients of earlier ones have come") {
  UnseenHandshakes unseen;
  unseen.begin(cookies(5));
  unseen.on_signal(cookies(5), 1000);
  CHECK(unseen.quiet(1000));
  unseen.look(cookies(7), 2000);
  CHECK_FALSE(unseen.quiet(2000));
  CHECK_FALSE(unseen.quiet(2000 + limits::cookies_quiet_ms - 1));
  CHECK(unseen.quiet(2000 + limits::cookies_quiet_ms));
  CHECK(unseen.cookies(4000) == 2);
  CHECK(unseen.overflows(4000) == 0);
}

TEST_CASE("cookies sent just before the signal may be of clients who are about to come") {
  UnseenHandshakes unseen;
  unseen.begin(cookies(5));
  unseen.look(cookies(6), 500);
  unseen.on_signal(cookies(6), 1000);
  CHECK_FALSE(unseen.quiet(1000));
  CHECK(unseen.cookies(1000) == 1);
  CHECK(unseen.cookies(4000) == 0);
}

TEST_CASE("cookies of a week ago concern nobody") {
  UnseenHandshakes unseen;
  unseen.begin(cookies(5));
  unseen.look(cookies(600), 1000);
  unseen.look(cookies(600), 600'000);
  unseen.on_signal(cookies(601), 601'000);
  CHECK_FALSE(unseen.quiet(601'000));
  CHECK(unseen.cookies(601'000) == 1);
  unseen.look(cookies(601), 602'100);
  CHECK(unseen.quiet(601'000 + limits::cookies_quiet_ms));
  CHECK(unseen.cookies(601'000 + limits::cookies_quiet_ms) == 0);
}

TEST_CASE("who met a full accept queue comes again by itself, later each time") {
  UnseenHandshakes unseen;
  unseen.begin(overflows(0));
  unseen.on_signal(overflows(0), 1000);
  unseen.look(overflows(3), 2000);
  CHECK_FALSE(unseen.quiet(2000 + limits::overflows_quiet_ms - 1));
  CHECK(unseen.quiet(2000 + limits::overflows_quiet_ms));
  CHECK(unseen.overflows(9000) == 3);
  CHECK(unseen.cookies(9000) == 0);
}

TEST_CASE("where the kernel does not say, nobody waits") {
  UnseenHandshakes unseen;
  unseen.begin({});
  unseen.on_signal({}, 1000);
  CHECK(unseen.quiet(1000));
  CHECK(unseen.cookies(1000) == -1);
  CHECK(unseen.overflows(1000) == -1);
}

}  // namespace lastcall
