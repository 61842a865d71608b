// What a handler sees of its request, and what becomes of its answer, on the wire.
#include <doctest/doctest.h>

#include <stdexcept>

#include "wire.h"

using namespace lastcall;

namespace {

std::string get(std::string_view path, std::string_view fields = "") {
  return std::string("GET ").append(path).append(" HTTP/1.1\r\nHost: a\r\n").append(fields) +
         "\r\n";
}

std::string body_of(std::string_view answer) {
  return std::string(answer.substr(answer.find("\r\n\r\n") + 4));
}

// Answers with what `tell` makes of the request.
template <class Tell>
void route(Wire& wire, Method method, std::string path, Tell tell) {
  wire.router.add(
      {.method = method,
       .path = std::move(path),
       .handler = [tell](Request& request, Response& response) { response.body(tell(request)); }});
}

}  // namespace

TEST_CASE("what a path captures is decoded, whole or cut") {
  Wire wire;
  route(wire, Method::get, "/users/{id}/{rest...}", [](Request& request) {
    return std::string(request.param("id")).append("|").append(request.param("rest"));
  });
  const std::string text = get("/users/a%20b/c%2Fd/%2e");
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    const int socket = wire.connect();
    wire.send(socket, text.substr(0, cut));
    CHECK(body_of(wire.ask(socket, text.substr(cut))) == "a b|c/d/.");
    wire.hang_up(socket);
  }
}

TEST_CASE("a coroutine's parameters live until its frame ends") {
  Wire wire;
  wire.router.add({.method = Method::get,
                   .path = "/users/{id}/{name}",
                   .handler = [](Request& request, Response& response) -> Task<> {
                     co_await sleep(std::chrono::milliseconds(10));
                     response.body(request.param("id")).append(request.param("name"));
                   }});
  const int socket = wire.connect();
  wire.send(socket, get("/users/plain/a%20b"));
  wire.pass(50);
  CHECK(body_of(wire.take(socket)) == "plaina b");
}

TEST_CASE("a malformed escape in a parameter is 400, and the connection lives on") {
  Wire wire;
  route(wire, Method::any, "/users/{id}", [](Request&) { return std::string("ran"); });
  const int socket = wire.connect();
  CHECK(status(wire.ask(socket, get("/users/%zz"))) == 400);
  CHECK(status(wire.ask(socket, get("/users/a?b=%zz"))) == 200);
  CHECK(status(wire.ask(
            socket, "POST /users/% HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")) == 400);
  CHECK(status(wire.ask(socket, hello)) == 200);
}

TEST_CASE("a name that the route does not have is the handler's failure") {
  Wire wire;
  route(wire, Method::get, "/a/{id}",
        [](Request& request) { return std::string(request.param("x")); });
  const int socket = wire.connect();
  CHECK(status(wire.ask(socket, get("/a/1"))) == 500);
}

TEST_CASE("a method that only a route knows is served, whole or cut, and its body read") {
  Wire wire;
  Route purge{
      .method = Method::other, .path = "/cache/{key}", .handler = [](Request& q, Response& r) {
        r.body(q.method_name()).append(q.param("key")).append(q.body());
      }};
  for (const char* name : {"PURGE-ALL", "FROB", "DESCRIBE", "GETX"}) {
    purge.method_name = name;
    wire.router.add(purge);
  }
  for (const std::string name : {"PURGE-ALL", "FROB", "DESCRIBE", "GETX"}) {
    const std::string text = name + " /cache/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy";
    for (std::size_t cut = 0; cut < text.size(); ++cut) {
      const int socket = wire.connect();
      wire.send(socket, text.substr(0, cut));
      const std::string answer = wire.ask(socket, text.substr(cut) + std::string(hello));
      INFO(name << " cut at " << cut);
      CHECK(answers(answer) == 2);
      CHECK(answer.find(name + "axy") != std::string::npos);
      wire.hang_up(socket);
    }
  }
  const int socket = wire.connect();
  CHECK(status(wire.ask(socket, "FROB / HTTP/1.1\r\nHost: a\r\n\r\n")) == 405);
  CHECK(status(wire.ask(socket, "FROBS / HTTP/1.1\r\nHost: a\r\n\r\n")) == 501);
}

TEST_CASE("trailers are kept apart from the fields, whole or cut") {
  Wire wire;
  route(wire, Method::post, "/trailers", [](Request& request) {
    std::string all = request.field("Digest") ? "merged " : "";
    for (const Field& field : request.trailers())
      all.append(field.name).append("=").append(field.value).append(";");
    return all;
  });
  const std::string text =
      "POST /trailers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"
      "Digest: abc \r\nEmpty:\r\nThird:  c d\r\n\r\n";
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    const int socket = wire.connect();
    wire.send(socket, text.substr(0, cut));
    INFO(cut);
    CHECK(body_of(wire.ask(socket, text.substr(cut))) == "Digest=abc;Empty=;Third=c d;");
    CHECK(status(wire.ask(socket, hello)) == 200);
    wire.hang_up(socket);
  }
}

TEST_CASE("queries, cookies and repeated fields as a handler reads them") {
  Wire wire;
  route(wire, Method::get, "/q", [](Request& request) {
    std::string all = request.query_value("a b").value_or("none") + "|";
    for (const std::string& value : request.query_values("x")) all += value + ",";
    all.append("|").append(request.cookie("id").value_or("none"));
    all.append("|").append(request.cookie("theme").value_or("none"));
    all.append("|").append(request.combined_field("accept").value_or("none"));
    return all.append("|").append(request.combined_field("missing").value_or("none"));
  });
  const int socket = wire.connect();
  CHECK(body_of(wire.ask(socket, get("/q?a+b=1%2C2&x=1&y=0&x=&x"))) ==
        "1,2|1,,,|none|none|none|none");
  CHECK(body_of(wire.ask(socket, get("/q",
                                     "Cookie: a=b; id=7; id=8\r\nCookie: theme=\"dark\"\r\n"
                                     "Accept: text/html\r\naccept: */*\r\n"))) ==
        "none||7|dark|text/html, */*|none");
}

TEST_CASE("a client that has half-closed is seen by who asks, and gets its answer") {
  Wire wire;
  wire.router.add({.method = Method::get,
                   .path = "/half",
                   .handler = [](Request& request, Response& response) -> Task<> {
                     response.body(request.half_closed() ? "yes " : "no ");
                     co_await sleep(std::chrono::milliseconds(20));
                     response.append(request.half_closed() ? "yes" : "no");
                   }});
  const int socket = wire.connect();
  wire.send(socket, get("/half"));
  wire.hang_up(socket);
  wire.pass(50);
  CHECK(body_of(wire.take(socket)) == "no yes");
  const int open = wire.connect();
  wire.send(open, get("/half"));
  wire.pass(50);
  CHECK(body_of(wire.take(open)) == "no no");
}

TEST_CASE("a handler may close the connection with its answer") {
  Wire wire;
  wire.router.add({.method = Method::get, .path = "/close", .handler = [](Request&, Response& r) {
                     r.body("bye").close();
                   }});
  const int socket = wire.connect();
  const std::string answer = wire.ask(socket, get("/close") + std::string(hello));
  CHECK(answers(answer) == 1);
  CHECK(says_close(answer));
  CHECK(wire.closed(socket));
}

TEST_CASE("the program's hook has a word in each answer that is the server's own") {
  Wire wire;
  wire.config.on_error = After([](const Request& request, Response& response) {
    response.field("X-Error", "here").content_type("application/json");
    response.body("{\"path\":\"").append(request.path()).append("\"}");
  });
  const auto dressed = [&](std::string_view text, int code, std::string_view body) {
    const int socket = wire.connect();
    const std::string answer = wire.ask(socket, text);
    CHECK(status(answer) == code);
    CHECK(answer.find("X-Error: here\r\n") != std::string::npos);
    CHECK(answer.ends_with(body));
    wire.hang_up(socket);
    return answer;
  };
  dressed(get("/nowhere"), 404, R"({"path":"/nowhere"})");
  const std::string allowed =
      dressed("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, "}");
  CHECK(allowed.find("Allow: GET, HEAD, OPTIONS\r\n") != std::string::npos);
  dressed(get("/throw"), 500, R"({"path":"/throw"})");
  dressed("GET / HTTP/1.1\r\n\r\n", 400, "}");
  dressed("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nx", 400, "}");
  dressed("FROB / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "}");
  const int socket = wire.connect();
  CHECK(wire.ask(socket, hello).find("X-Error") == std::string::npos);
}

TEST_CASE("what a hook makes too large, or throws at, is answered without it") {
  Wire wire;
  const int socket = wire.connect();
  wire.config.on_error = After([](const Request&, Response& response) {
    response.status(200).body(std::string(limits::small_answer_bytes + 1, 'x'));
  });
  CHECK(status(wire.ask(socket, get("/nowhere"))) == 404);
  wire.config.on_error = After([](const Request&, Response& response) {
    response.body("half");
    throw std::runtime_error("no");
  });
  const std::string answer =
      wire.ask(socket, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  CHECK(status(answer) == 405);
  CHECK(answer.find("Allow: GET, HEAD, OPTIONS\r\n") != std::string::npos);
  CHECK(answer.ends_with("Method Not Allowed"));
  CHECK(wire.count("hook_failed") == 2);
}
