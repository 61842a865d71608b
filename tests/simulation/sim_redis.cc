#include "sim_redis.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace lastcall::sim {

bool SimRedis::trouble(double probability) {
  return kernel_.now < well_at_ && kernel_.random.chance(probability * trouble_);
}

std::optional<int> SimRedis::connect(int socket) {
  if (kernel_.now < down_until_) return -ECONNREFUSED;
  if (trouble(0.1)) return -ETIMEDOUT;
  if (trouble(0.3)) return std::nullopt;
  connections_.insert(socket);
  return 0;
}

void SimRedis::step() {
  if (trouble(0.002)) restart();
  if (trouble(0.002)) replica_until_ = kernel_.now + kernel_.random.between(1, 500);
  for (const int socket : std::vector<int>(connections_.begin(), connections_.end())) {
    if (kernel_.random.chance(0.5)) serve(socket);
  }
  if (!late_.empty() && kernel_.random.chance(0.01)) {
    (void)run(late_.front());
    late_.pop_front();
  }
}

void SimRedis::run_late_commands() {
  loading_until_ = replica_until_ = 0;
  for (; !late_.empty(); late_.pop_front()) (void)run(late_.front());
}

void SimRedis::restart() {
  for (const int socket : connections_) kernel_.sockets[socket].client_reset = true;
  connections_.clear();
  down_until_ = kernel_.now + kernel_.random.between(1, 800);
  loading_until_ = down_until_ + kernel_.random.between(0, 400);
}

void SimRedis::serve(int at) {
  Socket& socket = kernel_.sockets[at];
  Command command;
  if (!take_command(socket.to_client, command)) {
    if (socket.server_closed) connections_.erase(at);
    return;
  }
  const auto cut = [&] {
    socket.client_reset = true;
    connections_.erase(at);
  };
  if (trouble(0.03)) return cut();  // nothing has happened
  if (trouble(0.03)) {              // nothing has happened yet
    late_.push_back(std::move(command));
    return kernel_.random.chance(0.5) ? cut() : void();
  }
  if (password_wanted && command[0] == "AUTH") known_.insert(at);
  const bool known = !password_wanted || known_.contains(at);
  const std::string reply = known ? run(command) : "-NOAUTH Authentication required.\r\n";
  if (trouble(0.05)) return cut();  // it has happened, and nobody is told
  if (socket.server_closed) return;
  socket.to_server += reply;
}

bool SimRedis::take_command(std::string& bytes, Command& command) {
  if (bytes.empty()) return false;
  std::size_t at = 0;
  const auto number = [&](char mark) -> long {
    const auto end = bytes.find("\r\n", at);
    if (end == std::string::npos || bytes[at] != mark) return -1;
    const long value = std::strtol(bytes.c_str() + at + 1, nullptr, 10);
    at = end + 2;
    return value;
  };
  const long count = number('*');
  if (count < 0) return false;
  for (long i = 0; i < count; ++i) {
    const long size = at < bytes.size() ? number('$') : -1;
    if (size < 0 || bytes.size() < at + static_cast<std::size_t>(size) + 2) return false;
    command.push_back(bytes.substr(at, static_cast<std::size_t>(size)));
    at += static_cast<std::size_t>(size) + 2;
  }
  bytes.erase(0, at);
  return true;
}

std::string SimRedis::run(const Command& command) {
  if (kernel_.now < loading_until_) return "-LOADING Redis is loading the dataset in memory\r\n";
  if (command[0] == "AUTH" || command[0] == "SELECT") return "+OK\r\n";
  if (command[0] == "GET") {
    const std::string value = std::to_string(counter_);
    return fmt::format("${}\r\n{}\r\n", value.size(), value);
  }
  if (command[0] != "EVAL" || command.size() != 8) return "-ERR unknown command\r\n";
  if (kernel_.now < replica_until_) return "-READONLY You can't write against a replica.\r\n";
  if (trouble(0.02)) return "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
  return add(command);
}

// What the script does: EVAL script 2 counter note number sum ttl.
std::string SimRedis::add(const Command& command) {
  const std::uint64_t number = std::strtoull(command[5].c_str(), nullptr, 10);
  std::uint64_t& noted = noted_[command[4]];
  if (noted < number || kernel_.canary == Canary::redis_forgets) {
    const bool drops = kernel_.canary == Canary::redis_drops && kernel_.random.chance(0.05);
    if (!drops) counter_ += std::strtoll(command[6].c_str(), nullptr, 10);
    noted = number;
  }
  return fmt::format(":{}\r\n", counter_);
}

}  // namespace lastcall::sim
