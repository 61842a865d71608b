// Task<T>: the coroutine of a handler or a job that waits.
//
// Lazy (nothing runs until it is awaited or started), move-only, resumed on its worker's thread
// only. Its frame comes from a pool of that thread. Exceptions travel to whoever awaits it. Awaits
// of what does not have to wait, one after another, cost no stack; each one within another costs
// some.
//
//   Task<> slow(Request&, Response& response, void*) {
//     co_await sleep(std::chrono::seconds(5));
//     response.body("done");
//   }
//
// A coroutine's parameters live in its frame as declared: take values, not references to the
// caller's locals. A lambda's captures do not live in the frame at all, but where the lambda is a
// handler, which lives as long as the server.
//
// GCC 12 and older destroy some temporaries twice that stand within a `co_await`: what is made in
// one branch of `c ? a : b`, by braces (`f({.host = name})`), or captured by value by a lambda.
// Give such an argument a name on a line before. Nothing of this library takes an argument that
// would have to be written so; tests/install says which forms are sound with which compiler.
//
// GCC 12 never leaves a loop with a `co_await` for its condition and nothing in it. Name what is
// read: `while (const auto piece = co_await request.read())`.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <utility>

namespace lastcall {

// What an await throws once the deadline has cut the drain; later awaits throw it at once. It is no
// std::exception: a loop that tries again after any of those must end here.
struct Canceled {};

namespace detail {

void* frame_allocate(std::size_t bytes) noexcept;  // null: no memory
void frame_free(void* frame, std::size_t bytes) noexcept;
std::size_t frames_live() noexcept;  // of this thread
std::size_t frame_bytes_live() noexcept;
void frames_trim() noexcept;             // what is free goes back to the system
void check_frame(bool usable) noexcept;  // ends the process if it is not

// An exception, one of so many that this thread keeps.
class KeptError {
 public:
  KeptError() = default;
  KeptError(const KeptError&) = delete;
  KeptError& operator=(const KeptError&) = delete;
  ~KeptError() {
    if (counted_) forget();
  }

  void keep(bool counted) noexcept;  // the one that is being handled
  int status = 0;                    // of an `Incomplete`, which is not kept
  [[noreturn]] void rethrow() const { std::rethrow_exception(error_); }

 private:
  static void forget() noexcept;

  std::exception_ptr error_;
  bool counted_ = false;
};

struct PromiseBase {
  std::coroutine_handle<> continuation;       // who awaits this task
  bool runs_within = false;                   // its caller's await, which looks when it returns
  void (*on_done)(void*) noexcept = nullptr;  // a root task has this instead
  void* on_done_argument = nullptr;
  // What it ended by. Of the last four no exception is kept: where memory is short there are but
  // a few hundred, and thousands of coroutines may end in one turn. `among_many`: so many root
  // tasks have ended by an error, and nobody has asked for it yet, that this one's is not kept.
  enum class Ended : unsigned char {
    well,
    by_error,
    among_many,
    canceled,
    incomplete,
    without_memory
  };
  Ended ended = Ended::well;
  KeptError error;

  static void* operator new(std::size_t bytes) noexcept { return frame_allocate(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { frame_free(frame, bytes); }

  struct Final {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      PromiseBase& promise = self.promise();
      if (promise.on_done != nullptr) promise.on_done(promise.on_done_argument);
      const bool resumes = promise.continuation && !promise.runs_within;
      return resumes ? promise.continuation : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] Final final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { ended = keep_exception(error, on_done != nullptr); }
  static Ended keep_exception(KeptError& error, bool root) noexcept;
  void rethrow() const;  // of what has not ended well
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  template <class U = T>  // `co_return {}` too
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (ended != Ended::well) rethrow();
    return std::move(*value);
  }
};

template <>
struct Promise<void> : PromiseBase {
  void return_void() const noexcept {}
  void take() const {
    if (ended != Ended::well) rethrow();
  }
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  struct promise_type : detail::Promise<T> {
    Task get_return_object() noexcept {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    static Task get_return_object_on_allocation_failure() noexcept { return Task(nullptr); }
  };

  Task() = default;
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      frame_ = std::exchange(other.frame_, nullptr);
    }
    return *this;
  }
  ~Task() { reset(); }

  // False: there was no memory for the frame, and awaiting throws std::bad_alloc.
  explicit operator bool() const { return frame_ != nullptr; }

  auto operator co_await() const noexcept {
    struct Awaiter {
      std::coroutine_handle<promise_type> frame;
      [[nodiscard]] bool await_ready() const noexcept { return frame == nullptr || frame.done(); }
      // Runs it until it waits or ends, and says whether the caller must wait. (To return its
      // handle would do that in one jump, but only where the compiler makes it one.)
      [[nodiscard]] bool await_suspend(std::coroutine_handle<> caller) const noexcept {
        promise_type& promise = frame.promise();
        promise.continuation = caller;
        promise.runs_within = true;
        frame.resume();
        promise.runs_within = false;
        return !frame.done();
      }
      T await_resume() const {
        if (frame == nullptr) throw std::bad_alloc();
        return frame.promise().take();
      }
    };
    return Awaiter{frame_};
  }

  // For whoever owns a root task: runs it until it first waits. `on_done` is called once, when it
  // has ended; the owner destroys it later, not from within the call.
  void start(void (*on_done)(void*) noexcept, void* argument) {
    detail::check_frame(frame_ != nullptr && !frame_.done());
    frame_.promise().on_done = on_done;
    frame_.promise().on_done_argument = argument;
    frame_.resume();
  }
  [[nodiscard]] bool done() const { return frame_ != nullptr && frame_.done(); }
  T result() const {  // rethrows; only when done
    detail::check_frame(done());
    return frame_.promise().take();
  }
  void reset() {
    if (frame_ != nullptr) std::exchange(frame_, nullptr).destroy();
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_ = nullptr;
};

}  // namespace lastcall
