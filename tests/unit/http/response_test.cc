#include <lastcall/response.h>

#include <doctest/doctest.h>
#include <malloc.h>

#include <chrono>
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

TEST_CASE("a cookie is one line with its attributes, and a name may come again") {
  Response response;
  response.cookie("id", "7");
  CookieScope scope;
  scope.path = "/";
  scope.domain = "example.org";
  scope.max_age = std::chrono::hours(1);
  scope.secure = scope.http_only = true;
  scope.same_site = CookieScope::SameSite::none;
  response.cookie("session", "a.b", scope);
  CHECK(response.fields() ==
        "Set-Cookie: id=7\r\nSet-Cookie: session=a.b; Path=/; Domain=example.org; Max-Age=3600; "
        "Secure; HttpOnly; SameSite=None\r\n");
}

TEST_CASE("a cookie holds nothing that would end it early") {
  Response response;
  for (const char* value : {"a b", "a;b", "a,b", "\"a\"", "a\\b", "a\r\nb", "\xc3\xa4"})
    CHECK_THROWS_AS(response.cookie("id", value), std::invalid_argument);
  CHECK_THROWS_AS(response.cookie("a b", "c"), std::invalid_argument);
  CHECK_THROWS_AS(response.cookie("", "c"), std::invalid_argument);
  CookieScope scope;
  scope.path = "/; Domain=evil";
  CHECK_THROWS_AS(response.cookie("id", "7", scope), std::invalid_argument);
  scope.path.clear();
  scope.same_site = CookieScope::SameSite::none;
  CHECK_THROWS_AS(response.cookie("id", "7", scope), std::invalid_argument);
  CHECK(response.fields().empty());
}

TEST_CASE("a redirect says where, and has no body") {
  Response response;
  response.body("old").redirect("/users?a=%20", 303);
  CHECK(response.status() == 303);
  CHECK(response.fields() == "Location: /users?a=%20\r\n");
  CHECK(response.body().empty());
  CHECK_THROWS_AS(response.redirect("/a b"), std::invalid_argument);
  CHECK_THROWS_AS(response.redirect("/a\r\nSet-Cookie: b=c"), std::invalid_argument);
  CHECK_THROWS_AS(response.redirect("/", 200), std::invalid_argument);
  CHECK_THROWS_AS(response.redirect("/", 304), std::invalid_argument);
}
