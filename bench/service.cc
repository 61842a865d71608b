// What bench/throughput asks beyond the sample's hello, on the library's public face alone:
// contents of fixed sizes, bodies echoed and discarded, and a coroutine whose answer waits for the
// turn's end.
//
//   bench_service --listen ADDRESS:PORT [--io ENGINE]      and all of the library's options
//
// One worker, whatever --workers says. The servers of others in bench/peer have the same paths.
#include <string>

#include <lastcall/latch.h>
#include <lastcall/server.h>
#include <lastcall/shared_content.h>

namespace {

using lastcall::Request;
using lastcall::Response;
using lastcall::Task;

// The piece has a name: GCC 12 never leaves a loop that has nothing but a co_await.
Task<> discard(Request& request, Response& response) {
  while (const auto piece = co_await request.read()) continue;
  response.body("hello world");
}

Task<> wait(Request&, Response& response) {
  co_await lastcall::turn_end();
  response.body("hello world");
}

}  // namespace

int main(int argc, char** argv) {
  lastcall::block_signals();
  lastcall::Options options = lastcall::Options::from(argc, argv);
  options.workers = 1;
  lastcall::Server server(options);

  const auto content = [&](const char* path, std::size_t bytes) {
    const lastcall::SharedContent kept(std::string(bytes, 'x'));
    server.route("GET", path, [kept](Request&, Response& response) { response.body(kept); });
  };
  content("/16k", 16 * 1024);
  content("/64k", 64 * 1024);
  content("/1m", 1'000'000);
  server.route("GET", "/", [](Request&, Response& response) { response.body("hello world"); });
  server.route("GET", "/waits", wait);
  server.route("POST", "/echo",
               [](Request& request, Response& response) { response.body(request.body()); });
  server.route("POST", "/upload", discard);
  return server.run();
}
