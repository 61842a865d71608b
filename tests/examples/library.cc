// A tour of the library: tests/install builds it against the installed one, and asks it.
//   g++ library.cc -o library $(pkg-config --cflags --libs lastcall)
#include <lastcall/server.h>

#include <chrono>
#include <string>

using namespace std::chrono_literals;
using lastcall::Request;
using lastcall::Response;
using lastcall::Task;

int main(int count, char** arguments) {
  lastcall::block_signals();
  // --listen and its kin, LASTCALL_LISTEN and its kin; a bad one is one line and exit code 2.
  lastcall::Server server(lastcall::Options::from(count, arguments));

  // Any callable; what it captures lives as long as the server.
  server.route("GET", "/users/{id}",
               [greeting = std::string("hello ")](Request& request, Response& response) {
                 response.body(greeting + std::string(request.param(
                                              "id")));  // decoded: /users/a%20b is "hello a b"
               });

  // An answer that goes on. The first event leaves at once; a drain lets it end itself, a client
  // that has gone ends it too.
  server.route("GET", "/events", [](Request&, Response& response) -> Task<> {
    response.content_type("text/event-stream");
    auto body = co_await response.begin();
    for (int number = 0; !lastcall::draining(); ++number) {
      if (!co_await body.write("data: " + std::to_string(number) + "\n\n")) co_return;
      co_await lastcall::sleep(100ms);
    }
  });

  // A request of any size, never whole in memory.
  server.route("POST", "/upload", [](Request& request, Response& response) -> Task<> {
    std::size_t bytes = 0;
    while (const auto piece = co_await request.read()) bytes += piece->size();
    response.body(std::to_string(bytes));
  });

  // ETag, If-None-Match, Range; nothing above the directory.
  server.route("GET", "/files/{path...}", [](Request& request, Response& response) {
    response.file("/usr/share/common-licenses", request.param("path"));
  });

  // Code that blocks, on a thread of a bounded pool, awaited by the drain.
  server.route("GET", "/blocking", [](Request&, Response& response) -> Task<> {
    response.body(co_await lastcall::run_blocking("naps", [] { return std::string("done"); }));
  });

  // Whatever no route matches.
  server.fallback([](Request& request, Response& response) {
    response.status(404)
        .content_type("application/json")
        .body("{\"path\":\"" + std::string(request.path()) + "\"}");
  });

  return server.run();
}
