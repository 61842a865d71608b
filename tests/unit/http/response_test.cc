#include <lastcall/response.h>

#include <doctest/doctest.h>
#include <malloc.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <lastcall/shared_content.h>

#include "wire.h"

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

TEST_CASE("a body is copied, taken over where it is large, or shared with the program") {
  Response response;
  std::string large(100'000, 'x');
  const char* const at = large.data();
  response.body(std::move(large));
  CHECK(response.body().data() == at);
  CHECK(response.body().size() == 100'000);
  std::string little = "little";
  response.body(std::move(little));
  CHECK(response.body() == "little");
  response.body(SharedContent("kept"));  // copied: there is no exchange that it could live by
  CHECK(response.body() == "kept");
}

TEST_CASE("a content that is shared stays as it is, whatever an answer does, and is let go") {
  Wire wire;
  const auto kept = std::make_shared<const std::string>(100'000, 'k');
  const SharedContent content(kept);
  long uses = 0;
  std::string seen;
  wire.router.add({Method::get, "/kept", [&](Request& request, Response& response) {
                     response.body("before").body(content);
                     CHECK(response.body().data() == kept->data());
                     const auto then = request.query_value("then").value_or("");
                     if (then == "append") response.append(", and more");
                     if (then == "part") response.body(response.body().substr(99'990));
                     if (then == "other") response.body(std::string(50'000, 'o'));
                     if (then == "again") response.body(content);
                     if (then == "clear") response.clear();
                     seen = response.body();
                     uses = kept.use_count();
                   }});
  const int socket = wire.connect();
  for (const std::string then : {"", "append", "part", "other", "again", "clear"}) {
    CAPTURE(then);
    const std::string answer =
        wire.ask(socket, "GET /kept?then=" + then + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(answer.substr(answer.find("\r\n\r\n") + 4) == seen);
    CHECK(uses == (then.empty() || then == "again" ? 3 : 2));
    CHECK(kept.use_count() == 2);  // nobody but us has it
    CHECK(*kept == std::string(100'000, 'k'));
  }
  CHECK(wire.ask(socket, "HEAD /kept HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("\r\n\r\n"));
  CHECK(kept.use_count() == 2);
  CHECK_THROWS_AS(SharedContent(std::shared_ptr<const std::string>()), std::invalid_argument);
}
