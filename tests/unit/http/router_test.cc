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
  CHECK(router.allowed("/a") == "GET, HEAD, POST");
  CHECK(router.allowed("/c").empty());
  CHECK_THROWS_AS(router.add({Method::get, "/a", handler, nullptr, nullptr}),
                  std::invalid_argument);
  CHECK_THROWS_AS(router.add({Method::get, "a", handler, nullptr, nullptr}), std::invalid_argument);
}
