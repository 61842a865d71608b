#include "program/redis.h"

#include <doctest/doctest.h>

using namespace lastcall;

TEST_CASE("a Redis address is read from its URL") {
  RedisAddress address;
  CHECK(RedisAddress::parse("redis://me:p%40ss:w%2Fd@[::1]:7000/3", address).empty());
  CHECK(address.user == "me");
  CHECK(address.password == "p@ss:w/d");
  CHECK(address.host == "::1");
  CHECK(address.port == 7000);
  CHECK(address.database == 3);
  RedisAddress plain;
  CHECK(RedisAddress::parse("redis://redis-master", plain).empty());
  CHECK(plain.host == "redis-master");
  CHECK(plain.port == 6379);
  CHECK(plain.password.empty());
}
