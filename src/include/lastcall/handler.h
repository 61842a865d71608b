// What answers a request: any callable that takes a request and its answer.
//
//   server.route("GET", "/", [greeting](Request&, Response& response) {
//     response.body(greeting);
//   });
//
// One that returns nothing, or the answer itself, runs to its end at once on the worker that owns
// the connection, and must not block it. One that returns `Task<>` is a coroutine and may wait
// (`co_await sleep(…)`): request and answer live until its frame ends. It begins when the head is
// known, and reads the content, if it wants any, by `request.read` or `request.read_all`; from then
// on the request counts as received. All others begin with the whole content.
//
// A handler lives as long as the server, with what it captures. It is called as const, by all
// workers at once: what it changes behind a pointer needs a lock, or atomics. A `mutable` lambda, a
// parameter by value, or another result does not compile.
#pragma once

#include <lastcall/callable.h>
#include <lastcall/request.h>
#include <lastcall/response.h>
#include <lastcall/task.h>

namespace lastcall {

// The plainest form: a function, and a pointer that is passed to each call. Both begin with the
// whole content.
using Plain = void (*)(Request&, Response&, void* state);
using Waiting = Task<> (*)(Request&, Response&, void* state);

class Handler {
 public:
  Handler() = default;  // none

  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, Handler> && !std::is_convertible_v<F, Plain> &&
             !std::is_convertible_v<F, Waiting>)
  Handler(F&& callable) {  // NOLINT(google-explicit-constructor): any callable is a handler
    using Result = typename detail::ResultOf<std::decay_t<F>, Request&, Response&>::Type;
    constexpr bool callable_as_const = !std::is_same_v<Result, detail::Uncallable>;
    constexpr bool waits = std::is_same_v<Result, Task<>>;
    constexpr bool known = waits || std::is_void_v<Result> || std::is_same_v<Result, Response&>;
    static_assert(callable_as_const,
                  "a handler takes (Request&, Response&), and is called as const by all workers at "
                  "once: no mutable lambda, nothing by value");
    static_assert(known || !callable_as_const,
                  "a handler returns nothing, the Response& it was given, or Task<>");
    if constexpr (waits) {
      waiting_ = Waits::of(std::forward<F>(callable));
      begins_with_head_ = true;
    } else if constexpr (known) {
      plain_ = Runs::of(std::forward<F>(callable));
    }
  }
  Handler(Plain function, void* state)
      : plain_(Runs::of([function, state](Request& request, Response& response) {
          function(request, response, state);
        })) {}
  Handler(Waiting function, void* state)
      : waiting_(Waits::of([function, state](Request& request, Response& response) {
          return function(request, response, state);
        })) {}

  [[nodiscard]] bool waits() const { return static_cast<bool>(waiting_); }
  [[nodiscard]] bool begins_with_head() const { return begins_with_head_; }
  explicit operator bool() const { return waits() || static_cast<bool>(plain_); }
  void run(Request& request, Response& response) const { plain_(request, response); }
  [[nodiscard]] Task<> begin(Request& request, Response& response) const {
    return waiting_(request, response);
  }

 private:
  using Runs = detail::Callable<void(Request&, Response&)>;
  using Waits = detail::Callable<Task<>(Request&, Response&)>;

  Runs plain_;  // one of the two, or none
  Waits waiting_;
  bool begins_with_head_ = false;  // and not once the whole content has come
};

}  // namespace lastcall
