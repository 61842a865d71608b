// What the deadline has cut, told so that nothing is missing: the first lines name a request or a
// client each, up to a hundred of the process; what is beyond is summed, by route. The log's queue
// is bounded, and thousands of lines at once would not all be in it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lastcall/request.h>

#include "base/limits.h"

namespace lastcall {

struct Route;

class CutReport {
 public:
  // `lines`: how many the process has logged.
  explicit CutReport(std::atomic<unsigned>& lines) : lines_(lines) {}

  // May one more line be logged? It then must be.
  [[nodiscard]] bool take_line();
  // A request without a line of its own; null: it has no route.
  void add(const Route* route);
  void add_client() { ++clients_; }      // that has such requests
  void add_unread(std::size_t answers);  // of a client without a line
  void add_unsent(std::size_t answers);  // likewise: still being sent
  void say_rest() noexcept;              // all that was added, once

 private:
  struct Sum {
    const Route* route = nullptr;
    std::uint64_t requests = 0;
  };

  void log_rest() const;

  std::atomic<unsigned>& lines_;
  std::array<Sum, limits::cut_routes> sums_{};  // the last is for all further routes
  std::uint64_t requests_ = 0;
  std::uint64_t clients_ = 0;
  struct Answers {
    void add(std::size_t more) {
      count += more;
      ++clients;
    }
    std::uint64_t count = 0;
    std::uint64_t clients = 0;
  };
  Answers unread_;
  Answers unsent_;
};

}  // namespace lastcall
