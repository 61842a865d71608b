// post(worker, callable): from a thread of the program's own to a worker, where coroutines, streams
// and what is kept for each worker live.
//
//   std::thread consumer([] {
//     while (auto message = queue.receive()) {
//       if (!lastcall::post(0, [message] { cache.put(*message); })) return;
//     }
//   });
//
// `background` (background.h) may be called from any thread, too, and starts a job there.
#pragma once

#include <utility>

namespace lastcall {

namespace detail {

// What another thread hands to a worker: in its list, until it has run.
struct Posted {
  explicit Posted(void (*runs)(Posted& self)) : run(runs) {}
  void (*run)(Posted& self);  // on the worker's thread; frees it, if it is to be freed
  Posted* next = nullptr;
};

[[nodiscard]] bool add_posted(unsigned worker, Posted& posted) noexcept;

template <class T>
struct Owned {  // by the scope that it stands in
  ~Owned() { delete posted; }
  T* const posted;
};

template <class F>
struct PostedCallable : Posted {
  explicit PostedCallable(F&& given) : Posted(&PostedCallable::call), callable(std::move(given)) {}
  static void call(Posted& self) {
    const Owned<PostedCallable> owned{static_cast<PostedCallable*>(&self)};
    owned.posted->callable();
  }
  F callable;
};

}  // namespace detail

// Runs `callable` once on that worker's thread (0 to one less than there are; `this_worker`),
// within its next turn; it must not block. In the order in which one thread posts. A drain waits
// for what was taken. False, and it never runs: `run` has not come to start the worker, there is
// none of that number, it has nothing else to do any more in a drain, or the deadline has passed;
// or 65,536 wait already. `posts_refused` counts these. What it throws is logged, and counted as
// `posts_failed`. From any thread. Throws std::bad_alloc.
template <class F>
[[nodiscard]] bool post(unsigned worker, F callable) {
  auto* const posted = new detail::PostedCallable<F>(std::move(callable));
  if (detail::add_posted(worker, *posted)) return true;  // it is the worker's
  delete posted;
  return false;
}

}  // namespace lastcall
