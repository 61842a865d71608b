#include "io/sockets.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>

using namespace lastcall;

TEST_CASE("addresses print as they were written") {
  for (const char* text : {"127.0.0.1:8080", "[::1]:80", "[::]:0", "0.0.0.0:65535"}) {
    Address address;
    CHECK(Address::parse(text, address).empty());
    CHECK(address.text() == text);
  }
}

TEST_CASE("a port is claimed by one at a time, each port apart") {
  const Descriptor first = claim_port(1);
  const Descriptor other = claim_port(2);
  CHECK(first.error == 0);
  CHECK(other.error == 0);
  CHECK(claim_port(1).error == EADDRINUSE);
  ::close(first.fd);
  const Descriptor again = claim_port(1);
  CHECK(again.error == 0);
  ::close(again.fd);
  ::close(other.fd);
}
