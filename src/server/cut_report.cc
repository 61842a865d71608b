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

void CutReport::add_unread(std::size_t answers) { unread_.add(answers); }
void CutReport::add_unsent(std::size_t answers) { unsent_.add(answers); }

void CutReport::log_rest() const {
  std::string by_route;
  for (const Sum& sum : sums_) {
    if (sum.requests == 0) continue;
    const std::string where = sum.route == nullptr
                                  ? "others"
                                  : fmt::format("{} {}", sum.route->method_text(), sum.route->path);
    fmt::format_to(std::back_inserter(by_route), "{}{}: {}", by_route.empty() ? "" : ", ", where,
                   sum.requests);
  }
  if (requests_ > 0)
    log::warning("cut: {} more requests of {} clients: {}", requests_, clients_, by_route);
  if (unread_.count > 0)
    log::warning("cut: {} more clients have not read {} of their answers to the end",
                 unread_.clients, unread_.count);
  if (unsent_.count > 0)
    log::warning("cut: {} more answers were still being sent, to {} clients", unsent_.count,
                 unsent_.clients);
}

void CutReport::say_rest() noexcept {
  try {
    log_rest();
  } catch (const std::bad_alloc&) {
    log::warning("cut: {} more requests, {} more answers not read to the end or not sent",
                 requests_, unread_.count + unsent_.count);
  }
  sums_ = {};
  requests_ = clients_ = 0;
  unread_ = unsent_ = {};
}

}  // namespace lastcall
