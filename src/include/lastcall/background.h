// background("mail", send_mail, address, text): work that outlives its answer.
//
// A 200 sent is a promise. What is started here is counted, listed by name (`/metrics`, the log,
// the audit), awaited by the drain under its deadline, and named there when it is unfinished: then
// the exit code is 3.
//
//   lastcall::Task<> send_mail(std::string address, std::string text);
//
//   void signup(Request& request, Response& response, void*) {
//     if (!background("mail", send_mail, std::string(request.body()), std::string("welcome"))) {
//       response.status(503).body("busy\n");
//       return;
//     }
//     response.body("welcome\n");
//   }
//
// The work is a function and its values, which live in the coroutine's frame. What would outlive
// its owner does not compile: a lambda, whose captures die with the caller; a reference, a view or
// a span; a pointer to text, to the request or to its answer. Called on a worker, from a handler or
// a job, it starts there; called on any other thread, on one of the workers.
#pragma once

#include <cstddef>
#include <exception>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <lastcall/post.h>
#include <lastcall/request.h>
#include <lastcall/response.h>
#include <lastcall/task.h>

namespace lastcall {

// A string literal, at most 64 bytes of letters, digits and "_-. ": it is kept by address, and
// stands in lines of the log and of the metrics.
class Name {
 public:
  static constexpr std::size_t bytes_max = 64;

  template <std::size_t Size>
  consteval Name(const char (&literal)[Size]) : text_(literal, Size - 1) {
    static_assert(Size > 1 && Size - 1 <= bytes_max);
    for (const char c : text_) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      const bool digit = c >= '0' && c <= '9';
      if (!letter && !digit && std::string_view("_-. ").find(c) == std::string_view::npos)
        throw "a job's name is made of letters, digits, '_', '-', '.' and ' '";
    }
  }
  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

namespace detail {
[[nodiscard]] bool on_worker() noexcept;
[[nodiscard]] bool admit_job();  // counts a refusal
[[nodiscard]] bool add_job(Posted& posted) noexcept;
void lose_job(Name name, const char* why) noexcept;  // one that was promised
[[nodiscard]] bool start_job(Name name, Task<> task);

// What a value of this type stands for belongs to somebody else.
template <class T>
inline constexpr bool borrows = std::is_reference_v<T>;
template <class T>
inline constexpr bool borrows<T*> =
    std::is_same_v<std::remove_cv_t<T>, char> || std::is_same_v<std::remove_cv_t<T>, Request> ||
    std::is_same_v<std::remove_cv_t<T>, Response>;
template <class Char, class Traits>
inline constexpr bool borrows<std::basic_string_view<Char, Traits>> = true;
template <class T, std::size_t Extent>
inline constexpr bool borrows<std::span<T, Extent>> = true;

// A job on its way to a worker, where its coroutine's frame is to live.
template <class Make>
struct PostedJob : Posted {
  PostedJob(Name named, Make&& given)
      : Posted(&PostedJob::start), name(named), make(std::move(given)) {}
  static void start(Posted& self) {
    const Owned<PostedJob> owned{static_cast<PostedJob*>(&self)};
    PostedJob& job = *owned.posted;
    try {
      if (!start_job(job.name, job.make())) lose_job(job.name, "there is no memory for it");
    } catch (const std::exception& error) {  // of the function before it is a coroutine, say
      lose_job(job.name, error.what());
    } catch (...) {
      lose_job(job.name, "an exception of no known kind");
    }
  }
  const Name name;
  Make make;
};

// False: no worker takes it.
template <class Make>
bool post_job(Name name, Make make) {
  auto* const posted = new PostedJob<Make>(name, std::move(make));
  if (add_job(*posted)) return true;  // it is the worker's
  delete posted;
  return false;
}
}  // namespace detail

// False: nothing was started, because this worker's share of --max-jobs is running, memory is out,
// or the drain's deadline has passed. The job is counted before this returns, and first runs at the
// end of the turn. What it awaits throws `Canceled` at the deadline. Any other exception that
// leaves it is work not known to be done: logged, counted as a failed job, and the exit code is 3
// in the end.
template <class... A>
[[nodiscard]] bool background(Name name, Task<> (*work)(A...), std::type_identity_t<A>... values) {
  static_assert((!detail::borrows<std::remove_cv_t<A>> && ...),
                "a job outlives its caller: take values, std::string for a text");
  if (detail::on_worker())
    return detail::admit_job() && detail::start_job(name, work(std::move(values)...));
  return detail::post_job(
      name, [work, ... given = std::move(values)]() mutable { return work(std::move(given)...); });
}

}  // namespace lastcall
