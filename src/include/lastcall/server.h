// START HERE. lastcall's public face: an HTTP/1.1 server that never drops a request when its
// process is taken away.
//
//   #include <lastcall/server.h>
//
//   int main() {
//     lastcall::block_signals();
//     lastcall::Server server({.listen = "0.0.0.0:8080"});
//     server.route("GET", "/hello/{name}", [](auto& request, auto& response) {
//       response.body("hello ").append(request.param("name"));
//     });
//     return server.run();
//   }
//
// `Options::from` is `main`'s own parser. Handlers run on the worker that owns the connection and
// must not block it. One that waits is a coroutine (handler.h): see `sleep` (sleep.h) and `Stream`
// (stream.h). Work that outlives its answer: `background` (background.h). Code that blocks:
// `run_blocking` (blocking.h); client libraries with a descriptor: `readable` (descriptor.h); from
// threads of the program's own: `post` (post.h). Where a coroutine is: context.h.
//
// Included by themselves: coroutines that wait for each other (latch.h), files (file.h), what other
// services are asked by HTTP (client.h), the log (log.h), options of the program's own
// (command_line.h), rows of options (option_row.h), durations and sizes as text (duration.h).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>

#include <lastcall/background.h>
#include <lastcall/blocking.h>
#include <lastcall/context.h>
#include <lastcall/descriptor.h>
#include <lastcall/exit_code.h>
#include <lastcall/handler.h>
#include <lastcall/options.h>
#include <lastcall/request.h>
#include <lastcall/response.h>
#include <lastcall/routes.h>
#include <lastcall/sleep.h>
#include <lastcall/stream.h>
#include <lastcall/task.h>

namespace lastcall {

class Server : public Routes {
 public:
  // Before whatever of the start may take long: a signal that has come, and that `run` does not
  // come to within the shutdown timeout and a second, ends the process with exit code 1 and a line.
  explicit Server(Options options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Routes and hooks, `route`, `before`, `after` and `group`, are those of `Routes`: of all paths.

  // Answers whatever no route has a path for; without one that is 404. Throws
  // std::invalid_argument the second time. Before `run`, as all that follows.
  void fallback(Handler handler);

  // The same for each request that no route answers, whatever its method, be it unknown, TRACE, or
  // `OPTIONS *`; but CONNECT. For proxies, in the place of a fallback.
  RouteOptions every(Handler handler);
  // Each connection is the handler's, from its first byte on, and nothing is HTTP: a tunnel without
  // a 101 (`Response::switch_protocols`). It takes `Request::read`, and what `Response::begin`
  // gives; there is nothing else in either. To the counts a connection is one request. Throws
  // std::invalid_argument the second time, and for a handler that is no coroutine.
  void on_connection(Handler handler);

  // May add to each answer that is the server's own, and no handler's: 400 to 431 and 505 for what
  // is wrong with a request, 404 and 405 where nothing routes it, 500 for what a handler has thrown
  // or what there is no room for, 501, 503 while memory is short. A field for CORS, say, a request
  // id, or a body in JSON. Of a request that could not be read all or some is empty. Not called on
  // the admin listener. Small it stays: of what throws, or makes it larger than 16 KiB, nothing is
  // kept, and `hook_failed` counts that. A second hook replaces the first.
  void on_error(After hook);

  // A coroutine that each worker runs once, before it serves and the process is ready: to open what
  // its handlers need, say. Clients that connect meanwhile wait; --admin-listen answers. What it
  // throws is logged, and ends the process by exit code 1. A drain waits for it and its deadline
  // cancels it. Any callable that returns Task<>; it lives as long as the server. Before `run`.
  template <class F>
    requires std::is_same_v<std::invoke_result_t<const F&>, Task<>>
  void on_start(F work) {
    set_on_start(detail::Callable<Task<>()>::of(std::move(work)));
  }
  void on_start(Task<> (*work)(void* state), void* state = nullptr) {
    on_start([work, state] { return work(state); });
  }

  // A coroutine that worker 0 runs when all else is done: the last request is answered, the main
  // listener closed, every job has ended; --admin-listen still answers. It is part of the drain:
  // its time is the sum of `Options::behind_drain`, behind which, or at a second interrupt, its
  // awaits throw `Canceled`. What leaves it, that too, is logged, and is exit code 3. Any callable
  // that returns Task<>. Before `run`, too.
  template <class F>
    requires std::is_same_v<std::invoke_result_t<const F&>, Task<>>
  void on_drained(F work) {
    set_on_drained(detail::Callable<Task<>()>::of(std::move(work)));
  }

  // Called whenever that signal has come, or several of it at once (signal(7): standard signals do
  // not queue), on worker 0's thread; must not block, nor throw. Until the process ends, in a drain
  // too. The signal is blocked from here on: where the program has threads already, let
  // `block_signals` do it before. A SIGHUP with a hook begins no drain; SIGTERM, SIGINT, SIGQUIT,
  // SIGALRM and what cannot be blocked have none: std::invalid_argument. One that was ignored when
  // the program began stays ignored. Before `run`, too.
  template <class F>
    requires std::is_void_v<std::invoke_result_t<const F&>>
  void on_signal(int signal, F hook) {
    set_on_signal(signal, detail::Callable<void()>::of(std::move(hook)));
  }

  // Asked by /livez, where the loops turn: false is 503. On any worker's thread; must not block.
  template <class F>
    requires std::is_same_v<std::invoke_result_t<const F&>, bool>
  void on_liveness(F question) {
    set_on_liveness(detail::Callable<bool()>::of(std::move(question)));
  }

  // Called once when the drain begins, on worker 0's thread; must not block. Before `run`, too.
  template <class F>
    requires std::is_void_v<std::invoke_result_t<const F&>>
  void on_drain(F hook) {
    set_on_drain(detail::Callable<void()>::of(std::move(hook)));
  }
  void on_drain(void (*hook)(void* state), void* state = nullptr) {
    on_drain([hook, state] { hook(state); });
  }

  // Serves until a signal has come and the drain is over; worker 0 is the calling thread. Returns
  // the exit code (exit_code.h); every reason is logged. Once per process: a second call ends it.
  // Its signals stay blocked when it has returned: a program that goes on for long unblocks them.
  // A stack that overflows is told where there is memory for that: on the workers' threads, and on
  // others that have an alternate stack (sigaltstack(2)).
  [[nodiscard]] int run();

  // Begins the drain as SIGTERM does, once: from any thread, before `run` too, which then ends at
  // once. Later calls, and those behind the drain, change nothing.
  void stop() noexcept;
  // The same without a drain window, or without what is left of it: the listener goes now, losing
  // nobody, and what is in flight is finished. For a program that has nothing to serve with any
  // more.
  void stop_at_once() noexcept;
  // What `run` returns, and the audit says, where nothing of ours was lost; 0 unless set. Any
  // thread.
  void exit_with(int code) noexcept;
  // Of the program's own, in /metrics by that name behind "lastcall_" (a counter's with "_total"),
  // and in the audit, where a negative one is left out. `value` is asked when it is told, on any
  // thread and in a signal handler: all it does is to read an atomic. Before `run`.
  template <class F>
  void counter(std::string name, std::string help, F value) {
    add_metric(std::move(name), std::move(help), true, Number::of(std::move(value)));
  }
  template <class F>
  void gauge(std::string name, std::string help, F value) {
    add_metric(std::move(name), std::move(help), false, Number::of(std::move(value)));
  }
  template <class F>
  void audit(std::string name, F value) {
    add_to_audit(std::move(name), Number::of(std::move(value)));
  }
  // Of the main listener, where --listen has left it to us, too; 0 until it listens. Any thread.
  [[nodiscard]] std::uint16_t port() const noexcept;

 private:
  using Number = detail::Callable<std::int64_t()>;
  void add_metric(std::string name, std::string help, bool counts, Number value);
  void add_to_audit(std::string name, Number value);
  void set_on_start(detail::Callable<Task<>()> work);
  void set_on_drain(detail::Callable<void()> hook);
  void set_on_drained(detail::Callable<Task<>()> work);
  void set_on_signal(int signal, detail::Callable<void()> hook);
  void set_on_liveness(detail::Callable<bool()> question);
  struct Impl;
  explicit Server(Impl* impl);
  Impl* const impl_;
};

// For programs with threads of their own: first thing in `main`, before the first thread, so that
// no thread can take the signal that the server waits for (one sent to the process; raise(3) sends
// it to a thread). A SIGINT, SIGQUIT or SIGHUP that was
// ignored when the program began stays ignored; SIGALRM is the server's own. Opens /dev/null where
// stdin, stdout or stderr is closed, so that nothing else gets their numbers. `more`: those of
// `Server::on_signal`.
void block_signals(std::initializer_list<int> more = {});

}  // namespace lastcall
