// A request's content on its way to the command, in a coroutine of its own: the command may answer
// before it has all of it.
#pragma once

#include <exception>
#include <span>
#include <string_view>

#include <lastcall/client.h>
#include <lastcall/request.h>
#include <lastcall/task.h>

namespace lastcall {

class Upload {
 public:
  // `without`: trailers that are not passed on, beside those that never are.
  Upload(Request& request, Call& call, std::span<const std::string_view> without)
      : request_(request), call_(call), without_(without) {}
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  void start();  // once
  [[nodiscard]] bool started() const { return static_cast<bool>(task_); }
  [[nodiscard]] bool is_over() const { return over_; }
  [[nodiscard]] bool has_timed_out() const { return timed_out_; }  // the command does not read
  // The client has given up, or sent what is no content: the call was aborted, and this says why.
  void rethrow_failure() const;

 private:
  [[nodiscard]] Task<> run();

  Request& request_;
  Call& call_;
  const std::span<const std::string_view> without_;
  Task<> task_;  // destroyed before what it uses
  bool over_ = false;
  bool timed_out_ = false;
  std::exception_ptr failure_;
};

}  // namespace lastcall
