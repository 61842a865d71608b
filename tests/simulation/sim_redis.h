// A Redis that misbehaves: refuses, hangs, cuts a connection before or after it has run a command,
// restarts, loads, is a replica for a while, and runs some commands long after their connection
// has gone. What it has counted it never forgets, as one with `appendfsync always`.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/simulated.h"

namespace lastcall::sim {

class SimRedis final : public Upstream {
 public:
  // Until `well_at` it misbehaves, with a probability per step that `trouble` scales.
  SimRedis(Kernel& kernel, double trouble, Ms well_at)
      : kernel_(kernel), trouble_(trouble), well_at_(well_at) {}

  std::optional<int> connect(int socket) override;
  void step();
  void run_late_commands();  // all that some slow network still holds
  [[nodiscard]] std::int64_t counter() const { return counter_; }
  bool password_wanted = false;

 private:
  using Command = std::vector<std::string>;
  [[nodiscard]] bool trouble(double probability);
  [[nodiscard]] static bool take_command(std::string& bytes, Command& command);
  void serve(int socket);
  void restart();
  std::string run(const Command& command);
  std::string add(const Command& command);

  Kernel& kernel_;
  const double trouble_;
  const Ms well_at_;
  std::set<int> connections_;
  std::set<int> known_;  // connections that have given the password
  std::deque<Command> late_;
  std::int64_t counter_ = 0;
  std::map<std::string, std::uint64_t> noted_;
  Ms down_until_ = 0;
  Ms loading_until_ = 0;
  Ms replica_until_ = 0;
};

}  // namespace lastcall::sim
