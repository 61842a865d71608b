// A service written on the public face, as its users would: routes, hooks, what a handler can ask,
// and streams. routes_test.py and streams_test.py run it:
// service ADDRESS TRUSTED-PROXIES SHUTDOWN-TIMEOUT-MS
#include <lastcall/log.h>
#include <lastcall/server.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

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

// ---- streams

Task<> events(Request&, Response& response) {
  response.content_type("text/event-stream");
  auto body = co_await response.begin();
  for (int number = 0; !lastcall::draining(); ++number) {
    if (!co_await body.write("data: " + std::to_string(number) + "\n\n")) co_return;
    co_await lastcall::sleep(20ms);
  }
  (void)co_await body.write("data: bye\n\n");
}

// Of any size, never whole in memory: how many bytes, and their sum.
Task<> upload(Request& request, Response& response) {
  std::size_t bytes = 0;
  std::uint64_t sum = 0;
  while (const auto piece = co_await request.read()) {
    bytes += piece->size();
    for (const char c : *piece) sum += static_cast<unsigned char>(c);
  }
  response.body(std::to_string(bytes)).append(" ").append(std::to_string(sum));
}

// GET /download/{bytes}: so many, or until the client has had enough.
Task<> download(Request& request, Response& response) {
  std::size_t left = std::stoul(std::string(request.param("bytes")));
  auto body = co_await response.begin();
  const std::string piece(10'000, 'd');
  while (left > 0) {
    const std::size_t size = std::min(left, piece.size());
    if (!co_await body.write(std::string_view(piece).substr(0, size))) co_return;
    left -= size;
  }
}

// Sends back what comes, as it comes.
Task<> relay(Request& request, Response& response) {
  auto body = co_await response.begin();
  while (const auto piece = co_await request.read()) {
    if (!co_await body.write(*piece)) co_return;
  }
}

Task<> broken(Request&, Response& response) {
  auto body = co_await response.begin();
  (void)co_await body.write("half");
  co_await lastcall::sleep(20ms);
  throw std::runtime_error("no more");
}

void add_streams(lastcall::Server& server) {
  server.route("GET", "/events", events);
  server.route("POST", "/upload", upload);
  server.route("POST", "/bounded", upload).max_body_bytes(1000);
  server.route("GET", "/download/{bytes}", download);
  server.route("POST", "/relay", relay);
  server.route("GET", "/broken", broken);
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
  if (argc != 4) return 2;
  lastcall::log::configure(lastcall::log::Format::json, lastcall::log::Level::info);
  lastcall::Options options;
  options.listen = argv[1];
  options.trusted_proxies = argv[2];
  options.workers = 2;
  options.drain_window = 300ms;
  options.shutdown_timeout = std::chrono::milliseconds(std::stol(argv[3]));
  options.termination_log = "";
  if (const char* io = std::getenv("LASTCALL_IO")) options.io = io;
  lastcall::Server server(options);
  add_routes(server);
  add_streams(server);
  return server.run();
}
