// A front under a schedule from a seed: clients that ask, stop half-way and leave, a command that
// cuts its answers, closes, answers early or never, and a kernel that misbehaves. The oracle is at
// the end.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "front.h"
#include "unreliable.h"

namespace lastcall {

class FrontSchedule {
 public:
  explicit FrontSchedule(std::uint64_t seed);
  void run();

  struct Told {                             // of all requests
    std::size_t answered = 0;               // by the command, whole
    std::size_t failed = 0;                 // by 502, 503 or 504
    std::size_t lost = 0;                   // the connection ended before an answer, or within it
    std::size_t wrong = 0;                  // another's answer, or not all of its own
    std::size_t executed_twice = 0;         // of those that are safe
    std::size_t executed_twice_unsafe = 0;  // of the others
    std::size_t still_waiting = 0;
  };
  [[nodiscard]] Told told() const { return told_; }
  [[nodiscard]] Front& front() { return front_; }

 private:
  struct Guest {
    int socket = -1;
    std::string received;
    std::string target;  // empty: it waits for nothing
    std::string unsent;
    bool leaves = false;
  };
  void step(Guest& guest);
  void ask(Guest& guest);
  void take_answer(Guest& guest);
  void end(Guest& guest);
  void serve(sim::Socket& wire, UnreliableEnd& end);
  [[nodiscard]] bool take_request(sim::Socket& wire, UnreliableEnd& end);

  sim::Random random_;
  Front front_;
  std::vector<Guest> guests_;
  std::map<int, UnreliableEnd> ends_;    // of the connections to the command
  std::map<std::string, int> executed_;  // how often, by target
  bool over_ = false;                    // nobody asks any more
  std::size_t asked_ = 0;
  Told told_;
};

}  // namespace lastcall
