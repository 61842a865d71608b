// Orders, acknowledged at once, and kept in Redis however often that takes.
//   g++ orders.cc -o orders $(pkg-config --cflags --libs lastcall)
//   HOST_OF_REDIS=127.0.0.1 ./orders --listen 0.0.0.0:8080
#include <lastcall/latch.h>
#include <lastcall/log.h>
#include <lastcall/server.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

using namespace std::chrono_literals;
using lastcall::Request;
using lastcall::Response;
using lastcall::Task;

struct Redis {  // one for each worker: one command after the other
  lastcall::Mutex mutex;
  lastcall::Stream stream;
} redis[lastcall::workers_max];

std::string setting(const char* variable, const char* otherwise) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? otherwise : value;
}
// No names as Kubernetes gives them to what it tells of a service: REDIS_PORT is no number there.
const std::string host = setting("HOST_OF_REDIS", "127.0.0.1");
const auto port = static_cast<std::uint16_t>(std::stoul(setting("PORT_OF_REDIS", "6379")));

// Redis' own protocol. The first order of an id stands: sent again it changes nothing.
std::string command_of(const std::string& id, const std::string& text) {
  std::string command = "*4\r\n$6\r\nHSETNX\r\n$6\r\norders\r\n";
  for (const std::string& word : {id, text})
    command += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return command;
}

// Empty: Redis has it. Otherwise why it may not.
Task<std::string> call(lastcall::Stream& stream, std::string command) {
  if (!stream.is_alive()) {
    if (const auto error = co_await stream.connect(host, port, 1s)) co_return error.message();
  }
  if (const auto error = co_await stream.send(std::move(command), 1s)) co_return error.message();
  std::string reply;
  while (!reply.ends_with("\r\n") && reply.size() < 1000) {
    const auto received = co_await stream.receive(1s);
    if (received.error) co_return received.error.message();
    if (received.ended()) co_return "Redis has closed the connection";
    reply += received.bytes;
  }
  if (!reply.starts_with(':')) co_return reply;
  co_return "";
}

// A job: it has ended when Redis has the order. If the drain's deadline comes before that, the
// process names it, and its exit code says so.
Task<> keep(std::string id, std::string text) {
  Redis& here = redis[lastcall::this_worker()];
  const auto turn = co_await here.mutex.lock();
  for (std::chrono::milliseconds pause = 10ms;; pause = std::min(2 * pause, 1000ms)) {
    lastcall::Stream stream = std::move(here.stream);  // which goes back only if all went well
    const std::string wrong = co_await call(stream, command_of(id, text));
    if (wrong.empty()) {
      here.stream = std::move(stream);
      co_return;
    }
    lastcall::log::warning("order {} is tried again in {} ms: {}", id, pause.count(), wrong);
    co_await lastcall::sleep(pause);
  }
}

int main(int count, char** arguments) {
  lastcall::block_signals();  // before any thread of your own
  lastcall::Server server(lastcall::Options::from(count, arguments));  // --help has them all
  server.route("PUT", "/orders/{id}", [](Request& request, Response& response) {
    std::string id(request.param("id"));
    std::string text(request.body());
    if (lastcall::background("order", keep, std::move(id), std::move(text))) {
      response.status(202).body("taken\n");  // a promise from here on
    } else {
      response.status(503).body("too much to do: try again\n");
    }
  });
  return server.run();
}
