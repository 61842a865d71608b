// Which handler answers what: routes, in groups that share a prefix of their paths and hooks.
//
//   server.route("GET", "/users/{id}", [](Request& request, Response& response) {
//     response.body(request.param("id"));
//   });
//   lastcall::Routes api = server.group("/api/v1");
//   api.before(authenticate);
//   api.route("POST", "/orders", order);  // POST /api/v1/orders
//
// A path is made of segments between slashes. `{name}` stands for one segment of at least one byte,
// `{name...}`, which is the last, for all that is left, be it nothing. The segments are told apart
// first; then each captured value is percent-decoded (RFC 3986 section 2.1), and a malformed escape
// is answered 400. Other segments compare byte by byte, as the client has sent them.
//
// Of all routes that fit, the most specific answers: from the left, a literal segment goes before
// `{name}`, and that before `{name...}`. A route for GET also answers HEAD unless that has its own
// at the same path; `Method::any`, or "*", is all methods but TRACE and CONNECT. A path that has
// routes, but none for the method, is answered 405, OPTIONS 204, both with Allow (RFC 9110 sections
// 9.3.7 and 15.5.6); a path without routes 404, or by `Server::fallback`.
//
// All of it before `Server::run`: later it ends the process.
#pragma once

#include <cstddef>
#include <string_view>

#include <lastcall/handler.h>
#include <lastcall/hook.h>

namespace lastcall {

struct Route;
struct RouteGroup;

// What may be said of a route beside its handler, when it is added.
class RouteOptions {
 public:
  // How large a request's content may be; beyond that it is 413. Unless said: --max-body-bytes, and
  // without bound where a coroutine reads it piece by piece.
  RouteOptions& max_body_bytes(std::size_t bytes);

 private:
  friend class Routes;
  friend class Server;
  explicit RouteOptions(Route& route) : route_(&route) {}
  Route* route_;
};

// A handle, to be copied at will; what it stands for lives as long as the server.
class Routes {
 public:
  // `method`: any token (RFC 9110 section 9.1) but CONNECT, also one that nobody has registered; it
  // is case-sensitive. Each throws std::invalid_argument for a method that cannot be routed; for a
  // path that does not begin with '/', has a query, a parameter that is not a whole segment, or one
  // name twice, or more than eight parameters; for a pair of method and path that has a route
  // already, and for the health paths and /metrics.
  RouteOptions route(std::string_view method, std::string_view path, Handler handler);
  RouteOptions route(Method method, std::string_view path, Handler handler);
  // `state` is passed to each call; with more than one worker it is used from several threads.
  RouteOptions route(Method method, std::string_view path, Plain handler, void* state = nullptr);
  RouteOptions route(Method method, std::string_view path, Waiting handler, void* state = nullptr);

  // Around the handlers of this group and of those within it, wherever they are added: first the
  // outer group's, then the inner one's, in the order of adding; behind the handler the inner
  // group's first. One that runs before and answers is the last to do so; those behind always run,
  // also where a handler has thrown. They run around 404 (the server's own hooks), 405, and OPTIONS
  // answered by the server, too, but for those before that wait.
  void before(Before hook);
  void after(After hook);

  // Below `prefix`, which begins with a slash, does not end with one, and may have parameters. Its
  // paths may be empty: the prefix itself. Throws std::invalid_argument.
  [[nodiscard]] Routes group(std::string_view prefix);

 protected:
  explicit Routes(RouteGroup* group) : group_(group) {}

 private:
  RouteGroup* group_;
};

}  // namespace lastcall
