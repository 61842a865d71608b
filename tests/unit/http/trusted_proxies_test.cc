#include "http/trusted_proxies.h"

#include <doctest/doctest.h>

#include <vector>

using namespace lastcall;

namespace {

TrustedProxies trusting(std::string_view networks) {
  TrustedProxies proxies;
  REQUIRE(proxies.parse(networks).empty());
  return proxies;
}

std::string client(const TrustedProxies& proxies, std::string_view peer,
                   const std::vector<std::string_view>& lines) {
  std::vector<Field> fields = {{"Host", "a"}};
  for (const std::string_view line : lines) fields.push_back({"x-forwarded-for", line});
  return proxies.client(peer, fields);
}

}  // namespace

TEST_CASE("a network is an address and the length of its prefix") {
  const auto proxies = trusting("10.0.0.0/8, 192.0.2.7,fd00::/8,2001:db8::/33, ");
  for (const char* address : {"10.1.2.3", "10.255.255.255", "192.0.2.7", "fd12::1",
                              "::ffff:10.0.0.1", "2001:db8:7fff::1"})
    CHECK(proxies.trusts(address));
  for (const char* address :
       {"11.0.0.0", "192.0.2.8", "fe80::1", "2001:db8:8000::1", "", "proxy", "10.1.2.3:80"})
    CHECK_FALSE(proxies.trusts(address));
  CHECK(trusting("0.0.0.0/0").trusts("203.0.113.9"));
  CHECK_FALSE(trusting("0.0.0.0/0").trusts("2001:db8::1"));
  CHECK(trusting("::/0").trusts("2001:db8::1"));
  CHECK(trusting("").empty());
}

TEST_CASE("what is no network is named") {
  TrustedProxies proxies;
  for (const char* wrong : {"proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "fd00::/129",
                            "10.0.0.0/8x", "/8", "10.0.0.0/-1"})
    CHECK(proxies.parse(std::string("10.0.0.0/8,") + wrong).find(wrong) == 0);
}

TEST_CASE("the client is the last that none of ours has named, read from the right") {
  const auto proxies = trusting("10.0.0.0/8");
  CHECK(client(proxies, "10.0.0.1", {"198.51.100.7"}) == "198.51.100.7");
  CHECK(client(proxies, "10.0.0.1", {"6.6.6.6, 198.51.100.7, 10.0.0.2"}) == "198.51.100.7");
  CHECK(client(proxies, "10.0.0.1", {"6.6.6.6", "198.51.100.7", "10.0.0.2"}) == "198.51.100.7");
  CHECK(client(proxies, "10.0.0.1", {"10.0.0.3, 10.0.0.2"}) == "10.0.0.3");  // all are ours
  CHECK(client(proxies, "10.0.0.1", {}) == "10.0.0.1");
}

TEST_CASE("whoever is not trusted is the client, whatever it says") {
  const auto proxies = trusting("10.0.0.0/8");
  CHECK(client(proxies, "203.0.113.9", {"198.51.100.7"}) == "203.0.113.9");
  CHECK(client(trusting(""), "10.0.0.1", {"198.51.100.7"}) == "10.0.0.1");
}

TEST_CASE("an entry with a port is the address alone, and one that is none ends the search") {
  const auto proxies = trusting("10.0.0.0/8,fd00::/8");
  CHECK(client(proxies, "10.0.0.1", {"198.51.100.7:4711"}) == "198.51.100.7");
  CHECK(client(proxies, "10.0.0.1", {"[2001:db8::1]:4711"}) == "2001:db8::1");
  CHECK(client(proxies, "10.0.0.1", {"[2001:db8::1]"}) == "2001:db8::1");
  CHECK(client(proxies, "fd00::1", {"2001:db8::1"}) == "2001:db8::1");
  CHECK(client(proxies, "10.0.0.1", {"198.51.100.7, unknown, 10.0.0.2"}) == "10.0.0.2");
  CHECK(client(proxies, "10.0.0.1", {"198.51.100.7,"}) == "10.0.0.1");
}
