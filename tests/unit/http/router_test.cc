#include "http/router.h"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace lastcall;

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
  CHECK(router.knows("/a"));
  CHECK_FALSE(router.knows("/c"));
  CHECK_THROWS_AS(router.add({Method::get, "/a", handler, nullptr, nullptr}),
                  std::invalid_argument);
  CHECK_THROWS_AS(router.add({Method::get, "a", handler, nullptr, nullptr}), std::invalid_argument);
}

TEST_CASE("a HEAD's own route is found, wherever it stands") {
  const Plain handler = [](Request&, Response&, void*) {};
  for (const bool get_first : {true, false}) {
    Router router;
    router.add({get_first ? Method::get : Method::head, "/", handler, nullptr, nullptr});
    router.add({get_first ? Method::head : Method::get, "/", handler, nullptr, nullptr});
    CHECK(router.find(Method::head, "/")->method == Method::head);
    CHECK(router.find(Method::get, "/")->method == Method::get);
  }
}

TEST_CASE("Allow lists methods that have a name, each once, and OPTIONS always") {
  const Plain handler = [](Request&, Response&, void*) {};
  Router router;
  router.add({Method::post, "/a", handler, nullptr, nullptr});
  router.add({Method::get, "/a", handler, nullptr, nullptr});
  router.add({Method::head, "/a", handler, nullptr, nullptr});
  router.add({Method::other, "/dav", handler, nullptr, nullptr});
  router.add({Method::any, "/b", handler, nullptr, nullptr});
  CHECK(router.allowed("/a") == "GET, HEAD, POST, OPTIONS");
  CHECK(router.allowed("/dav") == "OPTIONS");
  CHECK(router.allowed("/b") == all_methods);
  CHECK(router.allowed("*") == all_methods);
}

TEST_CASE("what no handler would ever get is refused, and so is a probe's path") {
  const Plain handler = [](Request&, Response&, void*) {};
  Router router;
  router.add({.method = Method::get, .path = "/livez", .plain = handler, .probe = true});
  for (const Method method : {Method::trace, Method::connect}) {
    CHECK_THROWS_AS(router.add({method, "/a", handler, nullptr, nullptr}), std::invalid_argument);
  }
  for (const Method method : {Method::get, Method::post, Method::any}) {
    CHECK_THROWS_AS(router.add({method, "/livez", handler, nullptr, nullptr}),
                    std::invalid_argument);
  }
}
