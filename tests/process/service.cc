// A service written on the public face, as its users would: routes, hooks, and what a handler can
// ask. routes_test.py runs it: service ADDRESS TRUSTED-PROXIES
#include <lastcall/log.h>
#include <lastcall/server.h>

#include <chrono>
#include <cstdlib>
#include <string>

using namespace std::chrono_literals;
using lastcall::Request;
using lastcall::Response;
using lastcall::Task;

namespace {

// Who says no word is nobody; who says one waits until somebody has looked it up.
Task<bool> look_up(Request& request, Response& response) {
  const auto word = request.field("Authorization");
  if (!word) {
    response.status(401).field("WWW-Authenticate", "Bearer").body("who?\n");
    co_return false;
  }
  co_await lastcall::sleep(20ms);
  co_return true;
}

void add_routes(lastcall::Server& server) {
  server.after([](const Request& request, Response& response) {
    response.field("X-Request-Id", request.field("X-Request-Id").value_or("none"));
  });
  server.on_error([](const Request&, Response& response) {
    response.content_type("application/json");
    response.body("{\"status\":" + std::to_string(response.status()) + "}");
  });
  server.fallback([](Request& request, Response& response) {
    response.status(404).content_type("text/html").body("nothing at ").append(request.path());
  });

  server.route("GET", "/users/{id}",
               [greeting = std::string("hello ")](auto& request, auto& response) {
                 response.body(greeting).append(request.param("id"));
               });
  server.route("GET", "/who", [](Request& request, Response& response) {
    response.body(request.peer_address()).append(" ").append(request.client_address());
  });
  server.route("PURGE", "/cache/{key...}", [](Request& request, Response& response) {
    response.body("purged ").append(request.param("key"));
  });
  server.route("GET", "/login", [](Request& request, Response& response) {
    lastcall::CookieScope scope;
    scope.path = "/";
    scope.http_only = true;
    response.cookie("session", request.query_value("as").value_or("nobody"), scope).redirect("/");
  });
  server.route("GET", "/half", [](Request& request, Response& response) -> Task<> {
    for (int i = 0; i < 200 && !request.half_closed(); ++i) co_await lastcall::sleep(10ms);
    response.body(request.half_closed() ? "half-closed" : "open").close();
  });

  lastcall::Routes api = server.group("/api");
  api.before(look_up);
  api.route("GET", "/orders/{id}",
            [prefix = std::string("order ")](auto& request, auto& response) -> Task<> {
              co_await lastcall::sleep(20ms);
              response.body(prefix).append(request.param("id"));
            });
}

}  // namespace

int main(int argc, char** argv) {
  lastcall::block_signals();
  if (argc != 3) return 2;
  lastcall::log::configure(lastcall::log::Format::json, lastcall::log::Level::info);
  lastcall::Options options;
  options.listen = argv[1];
  options.trusted_proxies = argv[2];
  options.workers = 2;
  options.drain_window = 300ms;
  options.termination_log = "";
  if (const char* io = std::getenv("LASTCALL_IO")) options.io = io;
  lastcall::Server server(options);
  add_routes(server);
  return server.run();
}
