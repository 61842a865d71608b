#include "io/sockets.h"

#include <doctest/doctest.h>

using namespace lastcall;

TEST_CASE("addresses print as they were written") {
  for (const char* text : {"127.0.0.1:8080", "[::1]:80", "[::]:0", "0.0.0.0:65535"}) {
    Address address;
    CHECK(Address::parse(text, address).empty());
    CHECK(address.text() == text);
  }
}
