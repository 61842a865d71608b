#include "service.h"

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <new>

namespace lastcall {
namespace {

Task<> count_later(Counter* counter, std::chrono::milliseconds delay) {
  constexpr std::chrono::milliseconds until_there_is_memory{100};
  co_await sleep(delay);
  for (;;) {
    try {
      co_await counter->add(1);
      co_return;
    } catch (const std::bad_alloc&) {
      // Nothing is counted then; it was promised, and is tried again.
    }
    co_await sleep(until_there_is_memory);
  }
}

}  // namespace

Service::Service(Counter& counter, std::chrono::milliseconds job_delay, bool signs)
    : counter_(counter), job_delay_(job_delay), signs_(signs) {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  host_name_ = name;
}

void Service::sign(Response& response) const {
  if (signs_) response.field("X-Served-By", host_name_);
}

void Service::hello(Request&, Response& response, void* service) {
  static_cast<Service*>(service)->sign(response);
  response.body("hello world");
}

void Service::whoami(Request&, Response& response, void* service) {
  const auto& self = *static_cast<Service*>(service);
  self.sign(response);
  response.body(self.host_name_);
}

void Service::echo(Request& request, Response& response, void* service) {
  static_cast<Service*>(service)->sign(response);
  if (const auto type = request.field("Content-Type")) response.content_type(*type);
  response.body(request.body());
}

// GET /slow?ms=N: answers after N milliseconds, and blocks nobody.
Task<> Service::slow(Request& request, Response& response, void* service) {
  constexpr unsigned longest = 60'000;
  unsigned ms = 5000;
  static_cast<Service*>(service)->sign(response);
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

// GET or POST /incr: a promise, kept by a job.
void Service::incr(Request&, Response& response, void* service) {
  const auto& self = *static_cast<Service*>(service);
  self.sign(response);
  if (background("incr", count_later, &self.counter_, self.job_delay_)) {
    response.body("accepted\n");
  } else {
    response.status(503).body("too many increments are under way; try again\n");
  }
}

Task<> Service::count(Request&, Response& response, void* service) {
  const auto& self = *static_cast<Service*>(service);
  self.sign(response);
  const std::optional<std::int64_t> value = co_await self.counter_.value();
  if (value) {
    response.body(std::to_string(*value));
  } else {
    response.status(503).body("the counter cannot be read at the moment\n");
  }
}

void Service::add_routes(Server& server) {
  server.on_start([this] { return counter_.look(); });
  server.route(Method::get, "/", hello, this);
  server.route(Method::get, "/whoami", whoami, this);
  server.route(Method::get, "/slow", slow, this);
  server.route(Method::any, "/echo", echo, this);
  server.route(Method::get, "/incr", incr, this);
  server.route(Method::post, "/incr", incr, this);
  server.route(Method::get, "/counter", count, this);
}

}  // namespace lastcall
