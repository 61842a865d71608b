#include "service.h"

#include <unistd.h>

#include <charconv>
#include <chrono>

namespace lastcall {
namespace {

void hello(Request&, Response& response, void*) { response.body("hello world"); }

void whoami(Request&, Response& response, void* host_name) {
  response.body(*static_cast<const std::string*>(host_name));
}

void echo(Request& request, Response& response, void*) {
  if (const auto type = request.field("Content-Type")) response.content_type(*type);
  response.body(request.body());
}

// GET /slow?ms=N: answers after N milliseconds, and blocks nobody.
Task<> slow(Request& request, Response& response, void*) {
  constexpr unsigned longest = 60'000;
  unsigned ms = 5000;
  if (const auto text = request.query_value("ms")) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), ms);
    if (error != std::errc{} || end != text->data() + text->size() || ms > longest) {
      response.status(400).body("ms must be a whole number from 0 to 60000\n");
      co_return;
    }
  }
  co_await sleep(std::chrono::milliseconds(ms));
  response.content_type("application/json").body(R"({"message": "Hello, World!"})");
}

}  // namespace

void Service::add_routes(Server& server) {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  host_name_ = name;
  server.route(Method::get, "/", hello);
  server.route(Method::get, "/whoami", whoami, &host_name_);
  server.route(Method::get, "/slow", slow);
  server.route(Method::any, "/echo", echo);
}

}  // namespace lastcall
