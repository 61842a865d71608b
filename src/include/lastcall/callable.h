// What a program hands over to be called: a function, a functor, or a lambda with its captures.
//
// It is moved to memory of its own once, when it is handed over, and lives as long as the server:
// a coroutine lambda may look at its captures for as long as it runs. It is called as const, from
// all workers at once, and a call allocates nothing. Copies share it; they are made and destroyed
// by one thread at a time, before and after the server runs.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace lastcall::detail {

template <class Signature>
class Callable;

template <class Result, class... Arguments>
class Callable<Result(Arguments...)> {
 public:
  Callable() = default;
  Callable(const Callable& other) : kept_(other.kept_) {
    if (kept_ != nullptr) ++kept_->owners;
  }
  Callable(Callable&& other) noexcept : kept_(std::exchange(other.kept_, nullptr)) {}
  Callable& operator=(Callable other) noexcept {
    std::swap(kept_, other.kept_);
    return *this;
  }
  ~Callable() {
    if (kept_ != nullptr && --kept_->owners == 0) kept_->end(kept_);
  }

  template <class F>
  [[nodiscard]] static Callable of(F&& callable) {
    Callable made;
    made.kept_ = new Of<std::decay_t<F>>(std::in_place, std::forward<F>(callable));
    return made;
  }

  Result operator()(Arguments... arguments) const {
    return kept_->call(kept_, static_cast<Arguments>(arguments)...);
  }
  explicit operator bool() const { return kept_ != nullptr; }

 private:
  struct Kept {
    Result (*call)(const Kept* kept, Arguments... arguments);
    void (*end)(const Kept* kept) noexcept;
    std::size_t owners = 1;
  };

  template <class F>
  struct Of : Kept {
    template <class Given>
    Of(std::in_place_t, Given&& given)
        : Kept{&Of::run, &Of::destroy}, callable(std::forward<Given>(given)) {}
    static Result run(const Kept* kept, Arguments... arguments) {
      const F& self = static_cast<const Of*>(kept)->callable;
      if constexpr (std::is_void_v<Result>) {
        (void)self(static_cast<Arguments>(arguments)...);
      } else {
        return self(static_cast<Arguments>(arguments)...);
      }
    }
    static void destroy(const Kept* kept) noexcept { delete static_cast<const Of*>(kept); }
    const F callable;
  };

  Kept* kept_ = nullptr;
};

// What it returns when it is called as const; `Uncallable` where that cannot be.
struct Uncallable {};
template <class F, class... Arguments>
struct ResultOf {
  using Type = Uncallable;
};
template <class F, class... Arguments>
  requires std::is_invocable_v<const F&, Arguments...>
struct ResultOf<F, Arguments...> {
  using Type = std::invoke_result_t<const F&, Arguments...>;
};

}  // namespace lastcall::detail
