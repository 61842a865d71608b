#include "http/writer.h"

#include <doctest/doctest.h>

#include <string>

#include "http/buffers.h"
#include "http/date.h"

using namespace lastcall;

namespace {

std::string written(const Response& response, Framing framing) {
  Memory memory({});
  SlabPool pool(memory);
  OutBuffer out(pool);
  DateCache date;
  date.update(784111777);
  (void)write_response(out, response, framing, date);
  return std::string(out.batch());
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

TEST_CASE("205 says that there is no content, whatever the handler gave") {
  Response response;
  response.status(205).body("hello");
  const std::string text = written(response, {});
  CHECK(text.starts_with("HTTP/1.1 205 Reset Content\r\n"));
  CHECK(text.find("Content-Length: 0\r\n") != std::string::npos);
  CHECK(text.find("Content-Type") == std::string::npos);
  CHECK(text.ends_with("\r\n\r\n"));
}

TEST_CASE("an empty content type is not sent") {
  Response response;
  response.body("hello").content_type("");
  CHECK(written(response, {}).find("Content-Type") == std::string::npos);
}

TEST_CASE("each registered status has its phrase") {
  // IANA's registry of status codes, those in use.
  for (const int status :
       {200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304,
        305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411,
        412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431,
        451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511}) {
    CHECK_MESSAGE(!reason_phrase(status).empty(), status);
  }
  CHECK(reason_phrase(299).empty());
}

TEST_CASE("a close is said, and keeping alive is said to 1.0 only") {
  const Response response;
  CHECK(written(response, {.close = true}).find("Connection: close\r\n") != std::string::npos);
  CHECK(written(response, {.http_1_0 = true}).find("Connection: keep-alive\r\n") !=
        std::string::npos);
  CHECK(written(response, {}).find("Connection") == std::string::npos);
}
