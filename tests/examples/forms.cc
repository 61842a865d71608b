// Forms of an argument within a `co_await` that are sound with each compiler, GCC 12 too, which
// destroys twice what some others make (lastcall/task.h). tests/install runs it by the address
// sanitizer.
#include <lastcall/server.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>

using lastcall::Task;

namespace {

const std::string long_text = "a text that is too long to be kept within a string";

struct Place {
  std::string host;
  std::string path;
};

Task<std::size_t> length(std::string text) { co_return text.size(); }
Task<std::size_t> both(std::string first, std::string second) {
  co_return first.size() + second.size();
}
Task<std::size_t> of_place(Place place) { co_return place.host.size() + place.path.size(); }
Task<std::size_t> maybe(std::optional<std::string> text) { co_return text ? text->size() : 0; }

// What `run_blocking` is made of, without a worker.
template <class F>
struct Runs {
  F callable;
  [[nodiscard]] bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) {}
  auto await_resume() { return callable(); }
};
template <class F>
Runs<std::decay_t<F>> runs(F&& callable) {
  return {std::forward<F>(callable)};
}

Task<std::size_t> all(bool condition) {
  std::size_t sum = 0;
  sum += co_await length(long_text);
  sum += co_await length(long_text + "!");
  sum += co_await length(std::string(long_text));
  sum += co_await length(std::string(50, 'x'));
  sum += co_await both(long_text + "1", long_text + "2");
  sum += co_await maybe(long_text + "?");
  std::string moved = long_text;
  sum += co_await length(std::move(moved));
  std::string chosen = condition ? long_text : long_text + "+";
  sum += co_await length(std::move(chosen));
  Place place{.host = long_text, .path = long_text};
  sum += co_await of_place(std::move(place));
  sum += co_await runs([&] { return long_text.size(); });
  const auto copies = [text = long_text] { return text.size(); };
  sum += co_await runs(copies);
  auto task = length(long_text + "later");
  sum += co_await task;
  if (co_await length(long_text) == long_text.size()) ++sum;
  for (int i = 0; i < 3; ++i) sum += co_await length(long_text + std::to_string(i));
  co_return sum;
}

}  // namespace

int main() {
  for (const bool condition : {true, false}) {
    Task<std::size_t> task = all(condition);
    task.start([](void*) noexcept {}, nullptr);
    std::printf("%zu\n", task.result());
  }
  return 0;
}
