#include "wire.h"

#include <charconv>
#include <csignal>
#include <stdexcept>

#include "base/check.h"

namespace lastcall {
namespace {

Process& prepared(Process& process, sim::Kernel& kernel) {
  process.can_unlisten = true;
  process.tcp_at_start = {0, 0};
  process.slots[0].listener = kernel.make_listener();
  process.slots[0].wake_fd = kernel.make_event();
  return process;
}

WorkerConfig routed(WorkerConfig config, const Router& router, const Router& admin_router) {
  config.router = &router;
  config.admin_router = &admin_router;
  config.parser.methods = &router.method_names();
  return config;
}

Task<> wait(Request& request, Response& response) {
  const auto ms = std::stol(std::string(request.query_value("ms").value_or("0")));
  co_await sleep(std::chrono::milliseconds(ms));
  response.body("waited");
}

Task<> wait_for_large(Request&, Response& response) {
  co_await sleep(std::chrono::milliseconds(1));
  response.body(std::string(100'000, 'x'));
}

Task<> throw_before_waiting(Request&, Response&) { throw std::runtime_error("too soon"); }

Task<> wait_and_throw(Request&, Response&) {
  co_await sleep(std::chrono::milliseconds(1));
  throw std::runtime_error("a handler's own failure");
}

void echo_whole(Request& request, Response& response) { response.body(request.body()); }

Task<> echo_pieces(Request& request, Response& response) {
  std::string all;
  while (const auto piece = co_await request.read()) all += *piece;
  response.body(all);
}

void take_whole(Request&, Response& response) { response.body("taken"); }

Task<> take_all(Request& request, Response& response) {
  (void)co_await request.read_all();
  response.body("taken");
}

}  // namespace

Wire::Wire(WorkerConfig given, Budget budget, Contents contents)
    : process(1, budget),
      config(routed(given, router, admin_router)),
      worker(io, config, prepared(process, kernel), 0) {
  router.add({Method::get, "/", [](Request&, Response& r) { r.body("hello world"); }});
  router.add({Method::get, "/whoami", [](Request&, Response& r) { r.body("sim"); }});
  const bool whole = contents == Contents::whole;
  Route& echo =
      router.add({Method::any, "/echo", whole ? Handler(echo_whole) : Handler(echo_pieces)});
  Route& take =
      router.add({Method::post, "/take", whole ? Handler(take_whole) : Handler(take_all)});
  echo.body_bytes_max = take.body_bytes_max = config.parser.body_bytes_max;
  router.add(
      {Method::get, "/large", [](Request&, Response& r) { r.body(std::string(100'000, 'x')); }});
  router.add({Method::get, "/large-and-unsent",
              [](Request&, Response& r) { r.status(204).body(std::string(100'000, 'x')); }});
  router.add({Method::get, "/throw", [](Request&, Response&) { throw std::runtime_error("no"); }});
  router.add({Method::get, "/wait", wait});
  router.add({Method::get, "/slow", wait});
  router.add({Method::get, "/wait-large", wait_for_large});
  router.add({Method::get, "/wait-and-throw", wait_and_throw});
  router.add({Method::get, "/throw-and-wait", throw_before_waiting});
  add_health_routes(router, health);
  add_health_routes(admin_router, health);
  worker.start(-1, kernel.signal_fd);
  turn();
}

Wire::~Wire() {
  kernel.raise(SIGTERM);
  for (int i = 0; i < 100'000 && !worker.stopped(); ++i) {
    kernel.now += 4;
    worker.turn();
  }
  CHECK(worker.stopped());
}

int Wire::connect() {
  const auto socket = kernel.connect();
  if (!socket) return -1;
  (void)kernel.finish_handshake(*socket);
  turn(1);
  return *socket;
}

void Wire::send(int socket, std::string_view bytes) {
  kernel.sockets[socket].to_server += bytes;
  turn(8 + static_cast<int>(bytes.size() / 256));  // a batch each
}

std::string Wire::take(int socket) {
  std::string bytes;
  bytes.swap(kernel.sockets[socket].to_client);
  return bytes;
}

void Wire::turn(int times) {
  for (int i = 0; i < times && !worker.stopped(); ++i) worker.turn();
}

void Wire::pass(Ms ms) {
  const Ms until = kernel.now + ms;
  while (kernel.now < until) {
    kernel.now = std::min(until, kernel.now + 20);
    turn(2);
  }
}

int status(std::string_view answer) {
  constexpr std::string_view version = "HTTP/1.1 ";
  int code = 0;
  if (answer.starts_with(version))
    std::from_chars(answer.data() + version.size(), answer.data() + answer.size(), code);
  return code;
}

bool says_close(std::string_view answer) {
  return answer.find("Connection: close\r\n") != std::string_view::npos;
}

std::size_t answers(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find("HTTP/1.1 ", at)) != std::string_view::npos; ++at)
    ++count;
  return count;
}

std::string post(std::string_view path, std::size_t body_bytes) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n" +
         std::string(body_bytes, 'x');
}

WorkerConfig with_timeouts(Ms ms) {
  WorkerConfig config;
  config.header_timeout = config.body_timeout = config.idle_timeout = config.write_timeout = ms;
  return config;
}

}  // namespace lastcall
