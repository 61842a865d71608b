// Hooks around handlers, on the wire.
#include "server/hooks.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "wire.h"

using namespace lastcall;

namespace {

std::string get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\nAuthorization: yes\r\n\r\n";
}

Task<bool> ask_elsewhere(Request& request, Response& response) {
  co_await sleep(std::chrono::milliseconds(10));
  if (request.field("Authorization") == "yes") co_return true;
  response.status(401);
  co_return false;
}

// What all of them have told, in order.
struct Told {
  std::string text;

  Before before(std::string_view word) {
    return [this, word = std::string(word)](Request&, Response&) {
      text += word + ' ';
      return true;
    };
  }
  After after(std::string_view word) {
    return [this, word = std::string(word)](const Request&, Response& response) {
      text += word + ' ';
      response.field("X-After", word);
    };
  }
};

}  // namespace

TEST_CASE("hooks run around a handler, in order, and may change its answer") {
  Told told;
  Wire wire;
  Hooks& own = wire.router.root().own;
  own.before = {told.before("a"), told.before("b")};
  own.after = {told.after("c"), told.after("d")};
  wire.router.seal();
  const int socket = wire.connect();
  const std::string answer = wire.ask(socket, hello);
  CHECK(told.text == "a b c d ");
  CHECK(answer.find("X-After: c\r\nX-After: d\r\n") != std::string::npos);
  CHECK(answer.ends_with("hello world"));
}

TEST_CASE("a hook before that answers is the last of those, and no handler runs") {
  Told told;
  Wire wire;
  Hooks& own = wire.router.root().own;
  own.before.emplace_back([](Request& request, Response& response) {
    if (request.field("Authorization")) return true;
    response.status(401).body("who?");
    return false;
  });
  own.before.push_back(told.before("second"));
  own.after.push_back(told.after("after"));
  wire.router.seal();
  const int socket = wire.connect();
  for (const char* path : {"/", "/wait?ms=1", "/nowhere"}) {
    const std::string answer =
        wire.ask(socket, "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(status(answer) == 401);
    CHECK(answer.ends_with("who?"));
  }
  CHECK(told.text == "after after after ");
  CHECK(status(wire.ask(socket, get("/"))) == 200);
}

TEST_CASE("hooks run around 404, 405, OPTIONS and a handler that throws, too") {
  Told told;
  Wire wire;
  wire.router.root().own.before.push_back(told.before("b"));
  wire.router.root().own.after.push_back(told.after("a"));
  wire.router.seal();
  const int socket = wire.connect();
  CHECK(status(wire.ask(socket, get("/nowhere"))) == 404);
  CHECK(status(wire.ask(socket, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")) == 405);
  CHECK(status(wire.ask(socket, "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n")) == 204);
  CHECK(status(wire.ask(socket, get("/throw"))) == 500);
  CHECK(status(wire.ask(socket, get("/throw-and-wait"))) == 500);
  CHECK(told.text == "b a b a b a b a b a ");
  CHECK(status(wire.ask(socket, get("/livez"))) == 200);  // a probe has none
  CHECK(told.text.size() == 20);
}

TEST_CASE("a hook before may wait, with a plain handler and with one that waits") {
  Told told;
  Wire wire;
  wire.router.root().own.before = {ask_elsewhere, told.before("b")};
  wire.router.root().own.after.push_back(told.after("a"));
  wire.router.seal();
  const int socket = wire.connect();
  for (const char* path : {"/", "/wait?ms=5"}) {
    CHECK(wire.ask(socket, get(path)).empty());
    CHECK(wire.count("handlers_waiting") == 1);
    wire.pass(50);
    CHECK(status(wire.take(socket)) == 200);
  }
  CHECK(told.text == "b a b a ");
  wire.send(socket, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.pass(50);
  CHECK(status(wire.take(socket)) == 401);
  // What no route answers does not wait for them.
  CHECK(status(wire.ask(socket, get("/nowhere"))) == 404);
}

TEST_CASE("a hook that throws makes it a 500, before and behind, and the connection lives on") {
  Wire wire;
  Hooks& own = wire.router.root().own;
  own.before.emplace_back([](Request& request, Response&) {
    if (request.path() == "/whoami") throw std::runtime_error("before");
    return true;
  });
  own.after.emplace_back([](const Request& request, Response&) {
    if (request.path() != "/whoami") throw std::runtime_error("behind");
  });
  wire.router.seal();
  const int socket = wire.connect();
  CHECK(status(wire.ask(socket, get("/whoami"))) == 500);
  CHECK(status(wire.ask(socket, get("/"))) == 500);
  wire.send(socket, get("/wait?ms=1"));
  wire.pass(20);
  CHECK(status(wire.take(socket)) == 500);
  CHECK(wire.count("handler_failed") == 3);
}

TEST_CASE("hooks behind run where the client has gone, and can see it") {
  bool gone = false;
  Wire wire;
  wire.router.root().own.after.emplace_back(
      [&](const Request& request, Response&) { gone = request.client_gone(); });
  wire.router.seal();
  const int socket = wire.connect();
  wire.send(socket, get("/wait?ms=20"));
  wire.reset(socket);
  wire.pass(50);
  CHECK(gone);
}

TEST_CASE("a hook of a path that is known has its parameters, whatever the method") {
  std::string seen;
  Wire wire;
  RouteGroup& users = wire.router.add_group(wire.router.root(), "/users/{id}");
  wire.router.add({.method = Method::get,
                   .path = "/users/{id}/posts/{post}",
                   .handler = [](Request&, Response&) {}},
                  &users);
  wire.router.add(
      {.method = Method::get, .path = "/{any...}", .handler = [](Request&, Response&) {}});
  users.own.before.emplace_back([&](Request& request, Response&) {
    seen.append(request.param("id")).append(" ").append(request.param("post")).append(";");
    return true;
  });
  wire.router.seal();
  const int socket = wire.connect();
  CHECK(status(wire.ask(socket, "OPTIONS /users/7/posts/a%20b HTTP/1.1\r\nHost: a\r\n\r\n")) ==
        204);
  CHECK(status(wire.ask(socket,
                        "PUT /users/8/posts/9 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")) ==
        405);
  CHECK(seen == "7 a b;8 9;");
}
