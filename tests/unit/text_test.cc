// Durations, sizes, options, addresses, routes and answers as text.
#include <doctest/doctest.h>

#include <stdexcept>

#include "buffers.h"
#include "duration.h"
#include "options.h"
#include "response.h"
#include "router.h"
#include "sockets.h"
#include "token.h"

using namespace lastcall;

TEST_CASE("durations are whole numbers with a unit") {
  CHECK(parse_duration("5s") == 5000);
  CHECK(parse_duration("250ms") == 250);
  CHECK(parse_duration("1m30s") == 90'000);
  CHECK(parse_duration("2h") == 7'200'000);
  CHECK(parse_duration("0") == 0);
  CHECK(parse_duration("0s") == 0);
  for (const char* wrong : {"", "5", "s", "5 s", "-5s", "5sec", "1.5s", "25h", "5s5",
                            "99999999999s", "18446744073709551616ms", "+5s", "5S"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_duration(wrong));
  }
}

TEST_CASE("a formatted duration reads back as itself") {
  for (const Ms ms : {0, 1, 250, 1000, 1500, 60'000, 3'600'000, 90'000}) {
    CHECK(parse_duration(format_duration(ms)) == ms);
  }
}

TEST_CASE("sizes are bytes, or with a binary unit") {
  CHECK(parse_size("512") == 512);
  CHECK(parse_size("16KiB") == 16 * 1024);
  CHECK(parse_size("1MiB") == 1024 * 1024);
  CHECK(parse_size("2GiB") == 2048ull * 1024 * 1024);
  for (const char* wrong : {"", "KiB", "1KB", "1 KiB", "-1", "1.5MiB", "99999999999999999999",
                            "18446744073709551615GiB"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_size(wrong));
  }
  CHECK(format_size(16 * 1024) == "16KiB");
  CHECK(format_size(1000) == "1000");
}

TEST_CASE("a budget that does not fit names its numbers") {
  Options options;
  CHECK(options.invalid().empty());
  options.drain_window = std::chrono::seconds(13);
  const std::string wrong = options.invalid();
  for (const char* part : {"13s", "15s", "30s", "31s", "--grace-period"}) {
    CAPTURE(part);
    CHECK(wrong.find(part) != std::string::npos);
  }
  options.grace_period = std::chrono::seconds(31);
  CHECK(options.invalid().empty());
  options.pre_stop = std::chrono::milliseconds(1);
  CHECK_FALSE(options.invalid().empty());
}

TEST_CASE("an option out of range says so and says the range") {
  Options options;
  options.max_header_bytes = 10;
  CHECK(options.invalid().find("--max-header-bytes is 10") == 0);
  options = {};
  options.listen = "localhost:80";
  CHECK(options.invalid().find("literal") != std::string::npos);
  options.listen = "127.0.0.1";
  CHECK(options.invalid().find("ADDRESS:PORT") != std::string::npos);
  options.listen = "127.0.0.1:70000";
  CHECK(options.invalid().find("0 to 65535") != std::string::npos);
  options.listen = "[::1]:80";
  CHECK(options.invalid().empty());
}

TEST_CASE("addresses print as they were written") {
  for (const char* text : {"127.0.0.1:8080", "[::1]:80", "[::]:0", "0.0.0.0:65535"}) {
    Address address;
    CHECK(Address::parse(text, address).empty());
    CHECK(address.text() == text);
  }
}

TEST_CASE("routes are found by exact path, GET answers HEAD, any answers all") {
  Router router;
  const Plain handler = [](Request&, Response&, void*) {};
  router.add({Method::get, "/a", handler, nullptr, nullptr});
  router.add({Method::post, "/a", handler, nullptr, nullptr});
  router.add({Method::any, "/b", handler, nullptr, nullptr});
  CHECK(router.find(Method::get, "/a")->method == Method::get);
  CHECK(router.find(Method::head, "/a")->method == Method::get);
  CHECK(router.find(Method::put, "/a") == nullptr);
  CHECK(router.find(Method::other, "/b") != nullptr);
  CHECK(router.find(Method::get, "/a/") == nullptr);
  CHECK(router.allowed("/a") == "GET, HEAD, POST");
  CHECK(router.allowed("/c").empty());
  CHECK_THROWS_AS(router.add({Method::get, "/a", handler, nullptr, nullptr}),
                  std::invalid_argument);
  CHECK_THROWS_AS(router.add({Method::get, "a", handler, nullptr, nullptr}), std::invalid_argument);
}

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

TEST_CASE("an out buffer grows from a slab to the heap and keeps its bytes") {
  BodyBudget budget;
  SlabPool pool(budget);
  {
    OutBuffer out(pool);
    std::string expected;
    for (int i = 0; i < 3000; ++i) {
      out.append("0123456789");
      expected += "0123456789";
    }
    CHECK(out.bytes() == expected);
    CHECK(pool.lent() == 0);  // it has left its slab
    out.clear();
    out.append("x");
    CHECK(pool.lent() == 1);
  }
  CHECK(pool.lent() == 0);
}

TEST_CASE("lists are taken apart at commas, and trimmed") {
  std::string_view list = " a ,b,, c\t";
  CHECK(take_element(list) == "a");
  CHECK(take_element(list) == "b");
  CHECK(take_element(list).empty());
  CHECK(take_element(list) == "c");
  CHECK(list.empty());
}
