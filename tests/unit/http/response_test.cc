#include <lastcall/response.h>

#include <doctest/doctest.h>

#include <stdexcept>

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
