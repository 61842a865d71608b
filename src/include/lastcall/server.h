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
// coroutine: see `Waiting` (handler.h), `sleep` (sleep.h) and `Stream` (stream.h). Work that
// outlives its answer: `background` (background.h). Where a coroutine is: context.h.
//
// Included by themselves: coroutines that wait for each other (latch.h), files (file.h), the log
// (log.h), rows of options (option_row.h), durations and sizes as text (duration.h).
#pragma once

#include <string_view>

#include <lastcall/background.h>
#include <lastcall/context.h>
#include <lastcall/exit_code.h>
#include <lastcall/handler.h>
#include <lastcall/options.h>
#include <lastcall/request.h>
#include <lastcall/response.h>
#include <lastcall/sleep.h>
#include <lastcall/stream.h>
#include <lastcall/task.h>

namespace lastcall {

class Server {
 public:
  // Before whatever of the start may take long: a signal that has come, and that `run` does not
  // come to within the shutdown timeout and a second, ends the process with exit code 1 and a line.
  explicit Server(Options options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Exact paths; a route for GET also answers HEAD unless that has its own, `Method::any` all but
  // TRACE and CONNECT. OPTIONS of a path without a route of its own is answered 204 with Allow. The
  // health paths and /metrics are taken. Throws std::invalid_argument for a path that does not
  // begin with '/' or is taken, and for TRACE and CONNECT, which no handler gets. `state` is passed
  // to each call; with more than one worker it is used from several threads at once. Before `run`:
  // later it ends the process.
  void route(Method method, std::string_view path, Plain handler, void* state = nullptr);
  void route(Method method, std::string_view path, Waiting handler, void* state = nullptr);

  // A coroutine that each worker runs once, when it begins to serve: to look at what the service
  // depends on, say. It is no promise: what it throws is logged, a drain waits for it and its
  // deadline cancels it, and no exit code tells of it. Before `run`.
  void on_start(Task<> (*work)(void* state), void* state = nullptr);

  // Called once when the drain begins, on worker 0's thread; must not block. Before `run`, too.
  void on_drain(void (*hook)(void* state), void* state = nullptr);

  // Serves until a signal has come and the drain is over; worker 0 is the calling thread. Returns
  // the exit code (exit_code.h); every reason is logged. Once per process: a second call ends it.
  // Its signals stay blocked when it has returned: a program that goes on for long unblocks them.
  // A stack that overflows is told where there is memory for that: on the workers' threads, and on
  // others that have an alternate stack (sigaltstack(2)).
  [[nodiscard]] int run();

 private:
  struct Impl;
  Impl* const impl_;
};

// For programs with threads of their own: first thing in `main`, before the first thread, so that
// no thread can take the signal that the server waits for (one sent to the process; raise(3) sends
// it to a thread). A SIGINT, SIGQUIT or SIGHUP that was
// ignored when the program began stays ignored; SIGALRM is the server's own. Opens /dev/null where
// stdin, stdout or stderr is closed, so that nothing else gets their numbers.
void block_signals();

}  // namespace lastcall
