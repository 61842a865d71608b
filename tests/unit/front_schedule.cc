#include "front_schedule.h"

#include <csignal>
#include <optional>

namespace lastcall {
namespace {

WrapOptions with_limits() {
  WrapOptions options = defaults();
  options.buffer = 200;
  options.connect_timeout = options.first_byte_timeout = options.silence_timeout =
      std::chrono::seconds(2);
  options.upstream_max = 4;
  options.queue_timeout = std::chrono::seconds(4);
  return options;
}

// The content of a complete message behind its head, and its end in `text`; nothing: there is more
// to come.
std::optional<std::string> content_of(const std::string& text, std::size_t head_end,
                                      std::size_t& end) {
  const std::string head = text.substr(0, head_end);
  end = head_end + 4;
  if (const auto at = head.find("Content-Length: "); at != std::string::npos) {
    const std::size_t size = std::stoul(head.substr(at + 16));
    if (text.size() < end + size) return std::nullopt;
    end += size;
    return text.substr(end - size, size);
  }
  if (head.find("Transfer-Encoding: chunked") == std::string::npos) return "";
  std::string content;
  for (;;) {
    const auto line = text.find("\r\n", end);
    if (line == std::string::npos) return std::nullopt;
    const std::size_t size = std::stoul(text.substr(end, line - end), nullptr, 16);
    if (text.size() < line + 2 + size + 2) return std::nullopt;
    content += text.substr(line + 2, size);
    end = line + 2 + size + 2;
    if (size == 0) return content;
  }
}

}  // namespace

FrontSchedule::FrontSchedule(std::uint64_t seed)
    : random_(seed), front_(with_limits(), {.window = 500, .timeout = 6000}), guests_(6) {
  front_.wire.kernel.random = sim::Random(seed);
  front_.wire.kernel.faults = sim::Faults{};
}

void FrontSchedule::run() {
  constexpr int steps = 1500;
  const auto signal_at = static_cast<int>(random_.below(2 * steps));
  for (int step = 0; step < 4 * steps; ++step) {
    if (step == signal_at) front_.wire.kernel.raise(SIGTERM);
    over_ = over_ || step >= steps;
    for (Guest& guest : guests_) this->step(guest);
    for (const int socket : front_.sockets)
      serve(front_.wire.kernel.sockets[socket], ends_[socket]);
    front_.wire.turn(1);
    front_.wire.kernel.now += over_ ? 8 : 2;
  }
  for (const Guest& guest : guests_) told_.still_waiting += guest.target.empty() ? 0 : 1;
  for (const auto& [target, times] : executed_) {
    if (times < 2) continue;
    ++(target.starts_with("/get") && times == 2 ? told_.executed_twice
                                                : told_.executed_twice_unsafe);
  }
}

// ---- the clients

void FrontSchedule::step(Guest& guest) {
  if (guest.socket < 0) {
    if (over_ || !random_.chance(0.05)) return;
    guest.socket = front_.wire.connect();
    if (guest.socket < 0) over_ = true;  // refused: the listener has gone
    return;
  }
  sim::Socket& wire = front_.wire.kernel.sockets[guest.socket];
  guest.received += front_.wire.take(guest.socket);
  if (!guest.target.empty()) take_answer(guest);
  if (wire.server_fin || wire.server_closed || wire.server_reset) {
    end(guest);
    return;
  }
  if (!guest.unsent.empty()) {
    const std::size_t some = std::min(1 + random_.below(60), guest.unsent.size());
    wire.to_server += guest.unsent.substr(0, some);
    guest.unsent.erase(0, some);
  } else if (guest.target.empty() && !over_ && random_.chance(0.1)) {
    ask(guest);
  }
  if (guest.leaves && random_.chance(0.02)) {
    wire.client_reset = true;
    guest = {};
  }
}

void FrontSchedule::ask(Guest& guest) {
  const bool safe = random_.chance(0.6);
  guest.target = (safe ? "/get" : "/post") + std::to_string(++asked_);
  guest.leaves = random_.chance(0.05);
  std::string head = (safe ? "GET " : "POST ") + guest.target + " HTTP/1.1\r\nHost: a\r\n";
  if (safe) {
    guest.unsent = head + "\r\n";
    return;
  }
  const std::string body(random_.chance(0.5) ? random_.below(200) : random_.below(3000), 'b');
  if (random_.chance(0.3)) head += "Expect: 100-continue\r\n";
  if (random_.chance(0.5)) {
    guest.unsent = head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    return;
  }
  guest.unsent = head + "Transfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < body.size(); at += 9) {
    const std::string piece = body.substr(at, 9);
    guest.unsent.append(std::to_string(piece.size())).append("\r\n").append(piece).append("\r\n");
  }
  guest.unsent += "0\r\n\r\n";
}

void FrontSchedule::take_answer(Guest& guest) {
  for (;;) {
    const auto head_end = guest.received.find("\r\n\r\n");
    if (head_end == std::string::npos) return;
    const int code = status(guest.received);
    std::size_t end = head_end + 4;
    std::optional<std::string> content = "";
    if (code >= 200) content = content_of(guest.received, head_end, end);
    if (!content) return;
    guest.received.erase(0, end);
    if (code < 200) continue;
    if (code == 200) {
      ++(*content == UnreliableEnd::body_of(guest.target) ? told_.answered : told_.wrong);
    } else {
      ++(code >= 502 && code <= 504 ? told_.failed : told_.wrong);
    }
    guest.target.clear();
    if (!guest.unsent.empty()) front_.wire.kernel.sockets[guest.socket].client_fin = true;
    guest.unsent.clear();
    return;
  }
}

void FrontSchedule::end(Guest& guest) {
  told_.lost += guest.target.empty() ? 0 : 1;
  front_.wire.kernel.sockets[guest.socket].client_fin = true;
  guest = {};
}

// ---- the command

void FrontSchedule::serve(sim::Socket& wire, UnreliableEnd& end) {
  if (wire.server_closed || wire.client_fin || wire.client_reset) return;
  if (end.takes_more() && take_request(wire, end)) return;
  end.say_some(wire, random_.below(40));
}

// Mostly when it is whole; some are answered early, and that is the connection's last.
bool FrontSchedule::take_request(sim::Socket& wire, UnreliableEnd& end) {
  const std::string text = wire.to_client.substr(end.read);
  const auto head_end = text.find("\r\n\r\n");
  if (head_end == std::string::npos) return false;
  std::size_t message_end = 0;
  const bool whole = content_of(text, head_end, message_end).has_value();
  const bool early = !whole && random_.chance(0.01);
  if (!whole && !early) return false;
  const auto at = text.find(' ') + 1;
  const std::string target = text.substr(at, text.find(' ', at) - at);
  ++executed_[target];
  end.answer(random_, target, 0.1);
  end.read += whole ? message_end : text.size();
  if (early) end.end_behind_it();
  return true;
}

}  // namespace lastcall
