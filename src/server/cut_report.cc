#include "server/cut_report.h"

#include <new>
#include <string>

#include <lastcall/log.h>

#include "http/router.h"

namespace lastcall {

bool CutReport::take_line() { return lines_.fetch_add(1) < limits::cut_lines; }

void CutReport::add(const Route* route) {
  ++requests_;
  for (Sum& sum : sums_) {
    const bool last = &sum == &sums_.back();
    if (sum.requests != 0 && sum.route != route && !last) continue;
    sum.route = last ? nullptr : route;
    ++sum.requests;
    return;
  }
}

void CutReport::add_unread(std::size_t answers) {
  unread_answers_ += answers;
  ++unread_clients_;
}

void CutReport::log_rest() const {
  std::string by_route;
  for (const Sum& sum : sums_) {
    if (sum.requests == 0) continue;
    const std::string where = sum.route == nullptr
                                  ? "others"
                                  : fmt::format("{} {}", name(sum.route->method), sum.route->path);
    fmt::format_to(std::back_inserter(by_route), "{}{}: {}", by_route.empty() ? "" : ", ", where,
                   sum.requests);
  }
  if (requests_ > 0)
    log::warning("cut: {} more requests of {} clients: {}", requests_, clients_, by_route);
  if (unread_answers_ > 0)
    log::warning("cut: {} more clients have not read {} of their answers to the end",
                 unread_clients_, unread_answers_);
}

void CutReport::say_rest() noexcept {
  try {
    log_rest();
  } catch (const std::bad_alloc&) {
    log::warning("cut: {} more requests, {} more answers not read to the end", requests_,
                 unread_answers_);
  }
  sums_ = {};
  requests_ = clients_ = unread_answers_ = unread_clients_ = 0;
}

}  // namespace lastcall
