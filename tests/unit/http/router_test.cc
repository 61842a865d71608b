#include "http/router.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>

#include "http/pattern_rank.h"

using namespace lastcall;

namespace {

const Handler nothing = [](Request&, Response&) {};

Route at(std::string path, Method method = Method::get) {
  return {.method = method, .path = std::move(path), .handler = nothing};
}

Route named(std::string name, std::string path) {
  Route route = at(std::move(path), Method::other);
  route.method_name = std::move(name);
  return route;
}

// Whose route is taken, as its path, and what was captured: "/users/{id} 7".
std::string taken(const Router& router, std::string_view path, Method method = Method::get,
                  std::string_view method_name = "") {
  Router::Captured captured;
  const Router::Found found = router.find(method, method_name, path, captured);
  if (found.route() == nullptr) return found.known ? "405" : "404";
  std::string text = found.route()->path;
  for (std::size_t i = 0; i < found.captured; ++i) text.append(" ").append(captured[i]);
  return text;
}

void check_refused(Router& router, const Route& route, std::string_view why) {
  try {
    router.add(route);
    FAIL("it was taken: " << route.path);
  } catch (const std::invalid_argument& error) {
    CHECK(std::string_view(error.what()).find(why) != std::string_view::npos);
  }
}

}  // namespace

TEST_CASE("routes are found by path, GET answers HEAD, any answers all") {
  Router router;
  router.add(at("/a"));
  router.add(at("/a", Method::post));
  router.add(at("/b", Method::any));
  CHECK(taken(router, "/a") == "/a");
  CHECK(taken(router, "/a", Method::head) == "/a");
  CHECK(taken(router, "/a", Method::put) == "405");
  CHECK(taken(router, "/b", Method::other, "MKCOL") == "/b");
  CHECK(taken(router, "/a/") == "404");
  CHECK(taken(router, "/c") == "404");
  CHECK(taken(router, "*", Method::options) == "405");
  CHECK_THROWS_AS(router.add(at("/a")), std::invalid_argument);
}

TEST_CASE("a HEAD's own route is found, wherever it stands") {
  for (const bool get_first : {true, false}) {
    Router router;
    router.add(at("/", get_first ? Method::get : Method::head));
    router.add(at("/", get_first ? Method::head : Method::get));
    Router::Captured unused;
    CHECK(router.find(Method::head, "", "/", unused).route()->method == Method::head);
    CHECK(router.find(Method::get, "", "/", unused).route()->method == Method::get);
  }
}

TEST_CASE("Allow lists each method once, by whichever pattern, and OPTIONS always") {
  Router router;
  router.add(at("/a", Method::post));
  router.add(at("/a"));
  router.add(at("/a", Method::head));
  router.add(at("/dav", Method::other));
  router.add(at("/b", Method::any));
  router.add(named("PURGE", "/p/{name}"));
  router.add(at("/p/7", Method::delete_));
  CHECK(router.allowed("/a") == "GET, HEAD, POST, OPTIONS");
  CHECK(router.allowed("/dav") == "OPTIONS");
  CHECK(router.allowed("/b") == all_methods);
  CHECK(router.allowed("*") == all_methods);
  CHECK(router.allowed("/p/7") == "DELETE, OPTIONS, PURGE");
  CHECK(router.allowed("/p/8") == "OPTIONS, PURGE");
}

TEST_CASE("what no handler would ever get is refused, and so is a probe's path") {
  Router router;
  router.add({.method = Method::get, .path = "/livez", .handler = nothing, .probe = true});
  check_refused(router, at("/a", Method::connect), "CONNECT");
  for (const Method method : {Method::get, Method::post, Method::any})
    check_refused(router, at("/livez", method), "taken");
  router.add(at("/{any...}", Method::any));
  CHECK(taken(router, "/livez", Method::post) == "405");  // whatever pattern fits it
  CHECK(router.allowed("/livez") == "GET, HEAD, OPTIONS");
}

TEST_CASE("TRACE goes to who names it") {
  Router router;
  router.add(at("/a", Method::any));
  router.add(at("/b", Method::trace));
  CHECK(taken(router, "/a", Method::trace) == "405");
  CHECK(taken(router, "/b", Method::trace) == "/b");
}

TEST_CASE("a pattern that could be read in two ways is refused") {
  Router router;
  check_refused(router, at("a"), "begins with '/'");
  check_refused(router, at(""), "begins with '/'");
  check_refused(router, at("/a?b=c"), "no query");
  check_refused(router, at("/a{id}"), "whole segment");
  check_refused(router, at("/{id}.json"), "whole segment");
  check_refused(router, at("/{}"), "name");
  check_refused(router, at("/{a b}"), "name");
  check_refused(router, at("/{...}"), "name");
  check_refused(router, at("/{a{b}}"), "name");
  check_refused(router, at("/{id}/{id}"), "two parameters");
  check_refused(router, at("/{rest...}/a"), "comes last");
  check_refused(router, at("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"), "too many");
  router.add(at("/users/{id}"));
  check_refused(router, at("/users/{name}"), "taken");  // the same paths
  router.add(at("/users/{name}", Method::put));
  router.add(at("/users/{rest...}"));
  check_refused(router, at("/users/{all...}"), "taken");
}

TEST_CASE("a parameter is one segment that is not empty, or all that is left") {
  Router router;
  router.add(at("/users/{id}"));
  router.add(at("/users/{id}/posts/{post}"));
  router.add(at("/files/{path...}"));
  CHECK(taken(router, "/users/7") == "/users/{id} 7");
  CHECK(taken(router, "/users/%2F") == "/users/{id} %2F");  // decoded later
  CHECK(taken(router, "/users/") == "404");
  CHECK(taken(router, "/users") == "404");
  CHECK(taken(router, "/users/7/") == "404");
  CHECK(taken(router, "/users/7/posts/8") == "/users/{id}/posts/{post} 7 8");
  CHECK(taken(router, "/users//posts/8") == "404");
  CHECK(taken(router, "/files/") == "/files/{path...} ");
  CHECK(taken(router, "/files") == "404");
  CHECK(taken(router, "/files/a/b//c/") == "/files/{path...} a/b//c/");
}

TEST_CASE("the most specific pattern answers, from the left") {
  Router router;
  for (const char* path : {"/{rest...}", "/{one}", "/a/{one}", "/a/b", "/{one}/b", "/a/{one}/c",
                           "/{one}/b/d", "/a/b/{rest...}"})
    router.add(at(path));
  CHECK(taken(router, "/a/b") == "/a/b");
  CHECK(taken(router, "/a/x") == "/a/{one} x");
  CHECK(taken(router, "/x/b") == "/{one}/b x");
  CHECK(taken(router, "/x") == "/{one} x");
  CHECK(taken(router, "/") == "/{rest...} ");
  CHECK(taken(router, "/a/x/c") == "/a/{one}/c x");
  CHECK(taken(router, "/a/b/d") == "/a/b/{rest...} d");
  CHECK(taken(router, "/x/b/d") == "/{one}/b/d x");
  CHECK(taken(router, "/a/x/d") == "/{rest...} a/x/d");  // back from a branch that does not fit
}

TEST_CASE("a method that the most specific pattern lacks is answered by the next") {
  Router router;
  router.add(at("/users/me"));
  router.add(at("/users/{id}", Method::delete_));
  CHECK(taken(router, "/users/me", Method::delete_) == "/users/{id} me");
  CHECK(taken(router, "/users/me", Method::post) == "405");
  CHECK(router.allowed("/users/me") == "GET, HEAD, DELETE, OPTIONS");
}

TEST_CASE("a method by its name goes before all others") {
  Router router;
  router.add(at("/a", Method::any));
  router.add(at("/a", Method::other));
  router.add(named("PURGE", "/a"));
  Router::Captured unused;
  CHECK(router.find(Method::other, "PURGE", "/a", unused).route()->method_name == "PURGE");
  CHECK(router.find(Method::other, "MKCOL", "/a", unused).route()->method == Method::other);
  CHECK(router.find(Method::put, "PUT", "/a", unused).route()->method == Method::any);
  CHECK(router.method_names() == std::vector<std::string>{"PURGE"});
  check_refused(router, named("get", "/b"), "case-sensitive");
  check_refused(router, named("A B", "/b"), "token");
}

TEST_CASE("the fallback gets what has no path, and only that") {
  Router router;
  router.add(at("/a"));
  router.set_fallback(nothing);
  CHECK(taken(router, "/b") == "fallback");
  CHECK(taken(router, "/a", Method::post) == "405");
  CHECK(taken(router, "*", Method::options) == "405");
  CHECK(taken(router, "/b", Method::trace) == "404");
  CHECK_THROWS_AS(router.set_fallback(nothing), std::invalid_argument);
}

TEST_CASE("a fallback may take whatever the method, and `*`, but not what has routes") {
  Router router;
  router.add({Method::get, "/", [](Request&, Response&) {}});
  router.set_fallback([](Request&, Response&) {}, true);
  router.seal();
  Router::Captured captured;
  const auto answers = [&](Method method, std::string_view name, std::string_view path) {
    return router.find(method, name, path, captured).answers;
  };
  CHECK(answers(Method::trace, "TRACE", "/x"));
  CHECK(answers(Method::other, "BREW", "/pot"));
  CHECK(answers(Method::options, "OPTIONS", "*"));
  CHECK_FALSE(answers(Method::post, "POST", "/"));
}

TEST_CASE("hooks stand in the order in which they run, whenever they were added") {
  Router router;
  const auto before = [](int) { return Before([](Request&, Response&) { return true; }); };
  const auto after = [](Response& r, const char* text) { r.append(text); };
  RouteGroup& api = router.add_group(router.root(), "/api");
  RouteGroup& inner = router.add_group(api, "/v1");
  router.add({.path = inner.prefix + "/x", .handler = nothing}, &inner);
  router.add(at("/y"));
  inner.own.after.emplace_back([&](const Request&, Response& r) { after(r, "inner "); });
  api.own.after.emplace_back([&](const Request&, Response& r) { after(r, "outer "); });
  api.own.before.push_back(before(1));
  inner.own.before.push_back(before(2));
  router.seal();
  const Router::Found found = [&] {
    Router::Captured unused;
    return router.find(Method::get, "", "/api/v1/x", unused);
  }();
  REQUIRE(found.hooks() != nullptr);
  CHECK(found.hooks()->before.size() == 2);
  CHECK_FALSE(found.hooks()->waits);
  Request request;
  Response response;
  for (const After& hook : found.hooks()->after) hook.run(request, response);
  CHECK(response.body() == "inner outer ");
  Router::Captured unused;
  CHECK(router.find(Method::get, "", "/y", unused).hooks() == nullptr);
  CHECK(router.find(Method::put, "", "/api/v1/x", unused).hooks() == found.hooks());
  CHECK_THROWS_AS((void)router.add_group(api, "v2"), std::invalid_argument);
  CHECK_THROWS_AS((void)router.add_group(api, "/v2/"), std::invalid_argument);
}

TEST_CASE("any patterns and any path: the tree finds what looking at each pattern does") {
  std::mt19937 random(15);
  const auto pick = [&](std::initializer_list<const char*> words) {
    return std::string(words.begin()[random() % words.size()]);
  };
  std::size_t found_some = 0;
  for (int round = 0; round < 3000; ++round) {
    Router router;
    std::vector<std::string> patterns;
    for (int i = 0; i < 8; ++i) {
      std::string pattern;
      for (std::size_t n = random() % 4 + 1; n > 0; --n) pattern += pick({"/a", "/b", "/{}", "/"});
      if (random() % 3 == 0) pattern += "/{rest...}";
      for (int name = 0; pattern.find("{}") != std::string::npos; ++name)
        pattern.replace(pattern.find("{}"), 2, "{n" + std::to_string(name) + "}");
      try {
        router.add(at(pattern));
        patterns.push_back(pattern);
      } catch (const std::invalid_argument&) {
        // The same paths as another's.
      }
    }
    std::string path;
    for (std::size_t n = random() % 5 + 1; n > 0; --n) path += pick({"/a", "/b", "/c", "/"});
    const auto best = std::max_element(
        patterns.begin(), patterns.end(),
        [&](const auto& a, const auto& b) { return rank(a, path) < rank(b, path); });
    const bool any = !rank(*best, path).empty();
    Router::Captured unused;
    const Route* route = router.find(Method::get, "", path, unused).route();
    INFO(path << " by " << *best);
    CHECK((route == nullptr ? "" : route->path) == (any ? *best : ""));
    found_some += any;
  }
  CHECK(found_some > 1000);
}
