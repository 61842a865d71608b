// START HERE. lastcall's public face: an HTTP/1.1 server that never drops a request when its
// process is taken away.
//
//   #include <lastcall/server.h>
//
//   int main() {
//     lastcall::block_signals();
//     lastcall::Server server({.listen = "0.0.0.0:8080"});
//     server.route(lastcall::Method::get, "/", [](auto&, auto& response, void*) {
//       response.body("hello\n");
//     });
//     return server.run();
//   }
//
// Handlers run on the worker that owns the connection and must not block it. One that waits is a
// coroutine: see `Waiting` (router.h), `sleep` (sleep.h) and `Stream` (stream.h). Work that
// outlives its answer: `background` (background.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "background.h"
#include "options.h"
#include "request.h"
#include "response.h"
#include "router.h"
#include "sleep.h"
#include "stream.h"
#include "task.h"

namespace lastcall {

class Server {
 public:
  explicit Server(Options options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Before `run`. Exact paths; a route for GET also answers HEAD, `Method::any` all but TRACE and
  // CONNECT. The health paths and /metrics are there already. Throws std::invalid_argument for a
  // path that does not begin with '/' or is taken. `state` is passed to each call; with more than
  // one worker it is used from several threads at once.
  void route(Method method, std::string_view path, Plain handler, void* state = nullptr);
  void route(Method method, std::string_view path, Waiting handler, void* state = nullptr);

  // Called once when the drain begins, on worker 0's thread; must not block.
  void on_drain(void (*hook)(void* state), void* state = nullptr);

  // Serves until a signal has come and the drain is over; worker 0 is the calling thread. Returns
  // the exit code: 0 everything finished, 1 could not start, 2 bad option, 3 the deadline cut
  // something, 4 a second SIGINT or SIGQUIT did. Once per process. Every reason is logged.
  [[nodiscard]] int run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// For programs with threads of their own: first thing in `main`, before the first thread, so that
// no thread can take the signal that the server waits for.
void block_signals();

// On a worker's thread only (a handler, a coroutine of a handler or of a job).
[[nodiscard]] bool draining();         // the signal has come
[[nodiscard]] unsigned this_worker();  // 0 to workers - 1, at most limits::workers_max - 1

}  // namespace lastcall
