// co_await run_blocking("thumbnail", [&] { return make_thumbnail(path); }): code that blocks, or
// computes for long, on a thread of its own, while the worker serves its other clients.
//
// The threads are a pool of --blocking-threads at most, made when they are needed; what finds none
// free waits its turn. There are no more calls than coroutines that await them, and --max-jobs does
// not count them, but each is otherwise counted as a job of its name (background.h), which a drain
// awaits. At the deadline one that has not begun throws `Canceled`. One that runs goes on: nobody
// can stop it, so the frame of its coroutine lives as long, and its captures may point into that.
// The watchdog that ends the process in the end names it. Ask `draining()` in what takes long.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <lastcall/background.h>
#include <lastcall/post.h>
#include <lastcall/woken.h>

namespace lastcall {

namespace detail {

// One call: it waits in the pool, runs there, and comes back by its worker's inbox.
class BlockingCall : public Posted {
 public:
  BlockingCall(Name name, void (*runs)(BlockingCall& self) noexcept)
      : Posted(&BlockingCall::on_done), perform(runs), name_(name) {}
  BlockingCall(const BlockingCall&) = delete;
  BlockingCall& operator=(const BlockingCall&) = delete;
  ~BlockingCall() = default;

  void (*const perform)(BlockingCall& self) noexcept;  // on a thread of the pool
  BlockingCall* behind = nullptr;                      // in the pool's queue
  [[nodiscard]] unsigned worker() const { return worker_; }
  void cancel();  // on its worker: it has not begun, and will not

 protected:
  // Throws Canceled once the drain's deadline has passed, std::runtime_error where there is no
  // thread, std::bad_alloc.
  void begin(std::coroutine_handle<> waiter);
  void end() const;  // throws Canceled if it was cancelled
  // Nobody awaits it any more: it is taken back, or waited for, should it run.
  void leave();

 private:
  static void on_done(Posted& self);
  void wake();

  const Name name_;
  unsigned worker_ = 0;
  void* job_ = nullptr;  // as counted, while it is outstanding
  bool canceled_ = false;
  Woken woken_;
};

}  // namespace detail

template <class F>
class [[nodiscard]] Blocking : private detail::BlockingCall {
 public:
  using Result = std::invoke_result_t<F&>;
  static_assert(!std::is_reference_v<Result>, "what runs elsewhere returns a value");

  template <class Given>
  Blocking(Name name, Given&& callable)
      : BlockingCall(name, &Blocking::run_it), callable_(std::forward<Given>(callable)) {}

  ~Blocking() { leave(); }  // before what it works on goes

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) { begin(waiter); }
  Result await_resume() {
    end();
    if (error_) std::rethrow_exception(error_);
    if constexpr (!std::is_void_v<Result>) return std::move(*result_);
  }

 private:
  static void run_it(BlockingCall& self) noexcept {
    auto& call = static_cast<Blocking&>(self);
    try {
      if constexpr (std::is_void_v<Result>) {
        call.callable_();
      } else {
        call.result_.emplace(call.callable_());
      }
    } catch (...) {
      call.error_ = std::current_exception();
    }
  }

  struct Nothing {};
  F callable_;
  std::optional<std::conditional_t<std::is_void_v<Result>, Nothing, Result>> result_{};
  std::exception_ptr error_;
};

// In a coroutine of a handler or a job. Returns what `callable` does, and throws what it throws;
// `Canceled`, and std::runtime_error where no thread can be had.
//
// GCC 12 destroys twice what a temporary lambda has captured by value, if it stands within the
// `co_await` (task.h): there one with such captures has to have a name before, and be passed by it.
template <class F>
[[nodiscard]] Blocking<std::decay_t<F>> run_blocking(Name name, F&& callable) {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
  static_assert(std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<F>,
                "GCC 12 destroys twice what this lambda has captured by value: capture by "
                "reference, [&], or give the lambda a name first and pass that");
#endif
  return Blocking<std::decay_t<F>>(name, std::forward<F>(callable));
}

}  // namespace lastcall
