#include "http/writer.h"

#include <doctest/doctest.h>

#include <string>

#include "http/buffers.h"
#include "http/date.h"

using namespace lastcall;

namespace {

std::string written(const Response& response, Framing framing) {
  BodyBudget budget;
  SlabPool pool(budget);
  OutBuffer out(pool);
  DateCache date;
  date.update(784111777);
  write_response(out, response, framing, date);
  return std::string(out.bytes());
}

}  // namespace

TEST_CASE("an answer has Date, Content-Length and its body") {
  Response response;
  response.body("hello").field("X-A", "b");
  CHECK(written(response, {}) ==
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\n"
        "Content-Type: text/plain\r\nX-A: b\r\n\r\nhello");
}

TEST_CASE("HEAD has the fields of GET and no body; 204 and 304 have no length") {
  Response response;
  response.body("hello");
  const std::string head = written(response, {.head = true});
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(head.find("Content-Length: 5") != std::string::npos);
  for (const int status : {204, 304}) {
    response.status(status);
    const std::string text = written(response, {});
    CHECK(text.find("Content-Length") == std::string::npos);
    CHECK(text.ends_with("\r\n\r\n"));
  }
}

TEST_CASE("a close is said, and keeping alive is said to 1.0 only") {
  const Response response;
  CHECK(written(response, {.close = true}).find("Connection: close\r\n") != std::string::npos);
  CHECK(written(response, {.http_1_0 = true}).find("Connection: keep-alive\r\n") !=
        std::string::npos);
  CHECK(written(response, {}).find("Connection") == std::string::npos);
}
