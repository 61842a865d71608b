#include "http/preconditions.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "http/date.h"
#include "http/parser.h"

using namespace lastcall;

namespace {

constexpr std::int64_t modified = 784'111'777;  // Sun, 06 Nov 1994 08:49:37 GMT
const std::string on_time = http_date(modified);
const std::string before = http_date(modified - 1);
const std::string later = http_date(modified + 1);

// A request with such lines, read.
struct Asked {
  explicit Asked(const std::string& lines, const std::string& method = "GET") {
    parser.begin(exchange);
    text = method + " / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n";
    std::string_view bytes = text;
    REQUIRE(parser.feed(bytes) == Parser::Result::complete);
  }
  Memory memory{{}};
  Exchange exchange{memory};
  ParserLimits limits;
  Parser parser{limits};
  std::string text;
};

int failed(const std::string& lines, const std::string& method = "GET",
           const std::string& etag = "\"a,b\"") {
  return failed_precondition(Asked(lines, method).exchange.request,
                             {.etag = etag, .modified = modified});
}

// "0-9", "416", or nothing for all of it.
std::string range(const std::string& lines, std::uint64_t bytes = 100, bool strong = true,
                  const std::string& method = "GET") {
  const Validators has{
      .etag = strong ? "\"a\"" : "W/\"a\"", .modified = modified, .strong = strong};
  const ByteRange found = wanted_range(Asked(lines, method).exchange.request, has, bytes);
  if (found.kind == ByteRange::Kind::unsatisfiable) return "416";
  if (found.kind == ByteRange::Kind::whole) {
    CHECK(found.first == 0);
    CHECK(found.bytes == bytes);
    return {};
  }
  CHECK(found.bytes > 0);
  CHECK(found.first + found.bytes <= bytes);
  return std::to_string(found.first) + "-" + std::to_string(found.first + found.bytes - 1);
}

}  // namespace

TEST_CASE("If-None-Match compares weakly, in a list whose tags may hold commas") {
  CHECK(failed("If-None-Match: \"a,b\"\r\n") == 304);
  CHECK(failed("If-None-Match: W/\"a,b\"\r\n") == 304);
  CHECK(failed("If-None-Match: \"x\", W/\"y,z\" ,\"a,b\"\r\n") == 304);
  CHECK(failed("If-None-Match: \"x\"\r\nIf-None-Match: \"a,b\"\r\n") == 304);
  CHECK(failed("If-None-Match: *\r\n") == 304);
  CHECK(failed("If-None-Match: \"a\", \"b\"\r\n") == 0);
  CHECK(failed("If-None-Match: a,b\r\n") == 0);
  CHECK(failed("If-None-Match: \"a,b\r\n") == 0);
  CHECK(failed("If-None-Match:\r\n") == 0);
  CHECK(failed("If-None-Match: \"x, \"a,b\"\r\n") == 0);
  CHECK(failed("If-None-Match: \"a,b\"\r\n", "HEAD") == 304);
  CHECK(failed("If-None-Match: \"a,b\"\r\nContent-Length: 0\r\n", "POST") == 412);
}

TEST_CASE("If-Match compares strongly") {
  CHECK(failed("If-Match: \"a,b\"\r\n") == 0);
  CHECK(failed("If-Match: *\r\n") == 0);
  CHECK(failed("If-Match: \"x\"\r\n") == 412);
  CHECK(failed("If-Match: W/\"a,b\"\r\n") == 412);
  CHECK(failed("If-Match: W/\"a,b\"\r\n", "GET", "W/\"a,b\"") == 412);
  CHECK(failed("If-Match: *\r\n", "GET", "W/\"a,b\"") == 0);
}

TEST_CASE("dates count where no tag is given, and are dates") {
  CHECK(failed("If-Modified-Since: " + on_time + "\r\n") == 304);
  CHECK(failed("If-Modified-Since: " + later + "\r\n") == 304);
  CHECK(failed("If-Modified-Since: " + before + "\r\n") == 0);
  CHECK(failed("If-Modified-Since: yesterday\r\n") == 0);
  CHECK(failed("If-Modified-Since: " + on_time + "\r\nIf-Modified-Since: " + on_time + "\r\n") ==
        0);
  CHECK(failed("If-Modified-Since: " + on_time + "\r\nContent-Length: 0\r\n", "POST") == 0);
  CHECK(failed("If-Unmodified-Since: " + on_time + "\r\n") == 0);
  CHECK(failed("If-Unmodified-Since: " + before + "\r\n") == 412);
  CHECK(failed("If-Unmodified-Since: never\r\n") == 0);
}

// RFC 9110 section 13.2.2.
TEST_CASE("a tag goes before a date, and what must match before what must not") {
  CHECK(failed("If-None-Match: \"x\"\r\nIf-Modified-Since: " + on_time + "\r\n") == 0);
  CHECK(failed("If-Match: \"a,b\"\r\nIf-Unmodified-Since: " + before + "\r\n") == 0);
  CHECK(failed("If-Match: \"x\"\r\nIf-None-Match: \"a,b\"\r\n") == 412);
  CHECK(failed("If-Match: \"a,b\"\r\nIf-None-Match: \"a,b\"\r\n") == 304);
}

TEST_CASE("one range of bytes") {
  CHECK(range("Range: bytes=0-9\r\n") == "0-9");
  CHECK(range("Range: bytes=90-\r\n") == "90-99");
  CHECK(range("Range: bytes=90-99999999999999999999999\r\n") == "90-99");
  CHECK(range("Range: bytes=-10\r\n") == "90-99");
  CHECK(range("Range: bytes=-1000\r\n") == "0-99");
  CHECK(range("Range: Bytes=0-0\r\n") == "0-0");
  CHECK(range("Range: bytes=99-99\r\n") == "99-99");
  CHECK(range("Range: bytes=100-\r\n") == "416");
  CHECK(range("Range: bytes=99999999999999999999999-\r\n") == "416");
  CHECK(range("Range: bytes=-0\r\n") == "416");
  CHECK(range("Range: bytes=0-\r\n", 0) == "416");
  CHECK(range("Range: bytes=-5\r\n", 0) == "");
}

TEST_CASE("what is no single range of bytes is answered with all of it") {
  for (const char* value : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5", "bytes=9-5",
                            "bytes=0-1,3-4", "bytes=0-1, ", "lines=0-1", "bytes=0 - 1",
                            "bytes=+1-2", "bytes=--1", "bytes=0x0-1", "bytes=0-1-2"}) {
    CAPTURE(value);
    CHECK(range(std::string("Range: ") + value + "\r\n") == "");
  }
  CHECK(range("Range: bytes=0-1\r\nRange: bytes=3-4\r\n") == "");
  CHECK(range("Range: bytes=18446744073709551616-18446744073709551615\r\n") == "");
  CHECK(range("Range: bytes=00000000000000000000000-1\r\n") == "0-1");
  CHECK(range("") == "");
  CHECK(range("Range: bytes=0-1\r\n", 100, true, "HEAD") == "");
}

TEST_CASE("a range of another state is answered with all of this one") {
  CHECK(range("Range: bytes=0-1\r\nIf-Range: \"a\"\r\n") == "0-1");
  CHECK(range("Range: bytes=0-1\r\nIf-Range: \"b\"\r\n") == "");
  CHECK(range("Range: bytes=0-1\r\nIf-Range: W/\"a\"\r\n") == "");
  CHECK(range("Range: bytes=0-1\r\nIf-Range: W/\"a\"\r\n", 100, false) == "");
  CHECK(range("Range: bytes=0-1\r\nIf-Range: " + on_time + "\r\n") == "0-1");
  CHECK(range("Range: bytes=0-1\r\nIf-Range: " + on_time + "\r\n", 100, false) == "");
  CHECK(range("Range: bytes=0-1\r\nIf-Range: " + later + "\r\n") == "");
  CHECK(range("Range: bytes=0-1\r\nIf-Range: nonsense\r\n") == "");
}
