// Work that outlives its answer, and a call to another server: the drain waits for both.
//   g++ signup.cc -o signup $(pkg-config --cflags --libs lastcall)
//   ./signup   # listens on 127.0.0.1:8091, and asks localhost:8092
#include <lastcall/server.h>

#include <chrono>
#include <string>

using namespace std::chrono_literals;

// Asks an upstream, with a deadline on each step. Its errors are values.
lastcall::Task<std::string> ask(std::string host, std::uint16_t port) {
  lastcall::Stream upstream;
  std::string text;
  std::error_code error = co_await upstream.connect(host, port, 1s);
  if (!error) error = co_await upstream.send("GET / HTTP/1.0\r\nHost: quotes\r\n\r\n", 1s);
  while (!error) {
    const lastcall::Received received = co_await upstream.receive(1s);
    if (received.ended()) co_return text;
    error = received.error;
    text += received.bytes;
  }
  co_return "no quote today: " + error.message();
}

lastcall::Task<> quote(lastcall::Request&, lastcall::Response& response) {
  response.body(co_await ask("localhost", 8092));
}

// A job is a function and its values; they live until it ends.
lastcall::Task<> send_mail(std::string address) {
  co_await lastcall::sleep(200ms);
  co_await ask("localhost", 8092);
}

void signup(lastcall::Request& request, lastcall::Response& response) {
  if (lastcall::background("mail", send_mail, std::string(request.body()))) {
    response.body("welcome\n");  // a promise: the process ends with exit code 3 if it is not kept
  } else {
    response.status(503).body("busy\n");
  }
}

int main() {
  lastcall::block_signals();
  lastcall::Options options;
  options.listen = "127.0.0.1:8091";
  options.drain_window = 1s;
  lastcall::Server server(options);
  server.route("GET", "/quote", quote);
  server.route("POST", "/signup", signup);
  return server.run();
}
