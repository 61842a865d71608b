#include <lastcall/response.h>

#include <doctest/doctest.h>
#include <malloc.h>

#include <stdexcept>
#include <string>

using namespace lastcall;

TEST_CASE("a handler cannot split an answer or set what is the server's") {
  Response response;
  CHECK_THROWS_AS(response.field("A", "b\r\nC: d"), std::invalid_argument);
  CHECK_THROWS_AS(response.field("A\r\nB", "c"), std::invalid_argument);
  CHECK_THROWS_AS(response.field("", "c"), std::invalid_argument);
  CHECK_THROWS_AS(response.field("content-length", "3"), std::invalid_argument);
  CHECK_THROWS_AS(response.field("Transfer-Encoding", "chunked"), std::invalid_argument);
  CHECK_THROWS_AS(response.content_type("a\nb"), std::invalid_argument);
  CHECK_THROWS_AS(response.status(100), std::invalid_argument);
  CHECK_THROWS_AS(response.status(600), std::invalid_argument);
}

TEST_CASE("one large answer does not stay with a response that is used again") {
  const auto held = [] { return mallinfo2().uordblks + mallinfo2().hblkhd; };
  Response response;
  const std::string large(4 << 20, 'x');
  const std::size_t before = held();
  response.content_type(large).field("X", large).body(large);
  if (held() == before) return;  // a sanitizer's malloc, which does not say
  CHECK(held() > before + 3 * large.size());
  response.clear();
  CHECK(held() < before + large.size() / 4);
  CHECK(response.content_type() == "text/plain");
}
