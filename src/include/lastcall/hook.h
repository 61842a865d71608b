// What runs around handlers: before them, behind them, and on answers that are the server's own.
//
// Each is a callable like a handler (handler.h): it lives as long as the server, is called as const
// by all workers at once, and must not block.
//
//   server.before([](Request& request, Response& response) {
//     if (request.field("Authorization") == "Bearer secret") return true;  // go on
//     response.status(401).field("WWW-Authenticate", "Bearer");
//     return false;  // this is the answer
//   });
//   server.after([](const Request&, Response& response) {
//     response.field("Access-Control-Allow-Origin", "*");
//   });
#pragma once

#include <lastcall/callable.h>
#include <lastcall/request.h>
#include <lastcall/response.h>
#include <lastcall/task.h>

namespace lastcall {

// Takes (Request&, Response&) and says whether the handler is to run; otherwise what it has set is
// the answer. It returns bool, or Task<bool> where it has to wait. What it throws is a 500.
class Before {
 public:
  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, Before>)
  Before(F&& callable) {  // NOLINT(google-explicit-constructor)
    using Result = typename detail::ResultOf<std::decay_t<F>, Request&, Response&>::Type;
    constexpr bool waits = std::is_same_v<Result, Task<bool>>;
    static_assert(waits || std::is_same_v<Result, bool>,
                  "a hook before a handler takes (Request&, Response&), is called as const, and "
                  "returns bool or Task<bool>");
    if constexpr (waits) {
      waiting_ = Waits::of(std::forward<F>(callable));
    } else if constexpr (std::is_same_v<Result, bool>) {
      plain_ = Runs::of(std::forward<F>(callable));
    }
  }

  [[nodiscard]] bool waits() const { return static_cast<bool>(waiting_); }
  [[nodiscard]] bool run(Request& request, Response& response) const {
    return plain_(request, response);
  }
  [[nodiscard]] Task<bool> begin(Request& request, Response& response) const {
    return waiting_(request, response);
  }

 private:
  using Runs = detail::Callable<bool(Request&, Response&)>;
  using Waits = detail::Callable<Task<bool>(Request&, Response&)>;

  Runs plain_;  // one of the two
  Waits waiting_;
};

// Takes (const Request&, Response&), and may change the answer. What it throws makes that a 500,
// which no further hook sees.
class After {
 public:
  After() = default;  // none
  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, After>)
  After(F&& callable) {  // NOLINT(google-explicit-constructor)
    using Result = typename detail::ResultOf<std::decay_t<F>, const Request&, Response&>::Type;
    constexpr bool known = std::is_void_v<Result> || std::is_same_v<Result, Response&>;
    static_assert(known,
                  "a hook behind a handler takes (const Request&, Response&), is called as const, "
                  "and returns nothing");
    if constexpr (known) hook_ = Runs::of(std::forward<F>(callable));
  }

  explicit operator bool() const { return static_cast<bool>(hook_); }
  void run(const Request& request, Response& response) const { hook_(request, response); }

 private:
  using Runs = detail::Callable<void(const Request&, Response&)>;
  Runs hook_;
};

}  // namespace lastcall
