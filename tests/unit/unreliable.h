// A peer's end of one connection, which answers in a framing of its choice and bit by bit; cuts
// some answers, closes before others, and forgets a few.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "io/simulated.h"

namespace lastcall {

class UnreliableEnd {
 public:
  enum class Then : std::uint8_t { stays, fin, reset };

  static std::string body_of(const std::string& target) { return target + target + target; }

  // Has all been said that it was to say, and is it to say more?
  [[nodiscard]] bool takes_more() const { return out_.empty() && then_ == Then::stays && !silent_; }
  [[nodiscard]] bool has_said_all() const { return out_.empty(); }
  void end_behind_it() {
    if (then_ == Then::stays) then_ = Then::fin;
  }

  void answer(sim::Random& random, const std::string& target, double cut) {
    const std::string body = body_of(target);
    if (random.chance(0.2)) out_ = "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n";
    out_ += "HTTP/1.1 200 OK\r\n";
    switch (random.below(3)) {
      case 0: out_ += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body; break;
      case 1:
        out_ += "Transfer-Encoding: chunked\r\n\r\n";
        for (const char c : body) out_.append("1\r\n").append(1, c).append("\r\n");
        out_ += "0\r\n\r\n";
        break;
      default:
        out_ += "\r\n" + body;
        then_ = Then::fin;
        break;
    }
    if (random.chance(cut)) {  // and never by a FIN where that would say that all has come
      then_ = then_ == Then::fin || random.chance(0.5) ? Then::reset : Then::fin;
      out_.resize(random.below(out_.size()));
    } else if (random.chance(0.2) && then_ == Then::stays) {
      then_ = random.chance(0.5) ? Then::fin : Then::reset;  // behind the answer
    }
    silent_ = random.chance(0.02);
    if (silent_) out_.clear();
  }

  // At most so many bytes, and its end behind the last.
  void say_some(sim::Socket& wire, std::size_t most) {
    const std::size_t some = std::min(most, out_.size());
    wire.to_server += out_.substr(0, some);
    out_.erase(0, some);
    if (!out_.empty() || silent_) return;
    if (then_ == Then::fin) wire.client_fin = true;
    if (then_ == Then::reset) wire.client_reset = true;
  }

  std::size_t read = 0;  // of what it was sent

 private:
  std::string out_;
  Then then_ = Then::stays;
  bool silent_ = false;
};

}  // namespace lastcall
