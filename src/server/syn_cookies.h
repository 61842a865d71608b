// Are SYN cookies being sent? The kernel counts them for the whole network namespace; a handshake
// by one is in no queue and no table until its last ACK comes (tcp(7), tcp_syncookies), and after
// the listener's end that ACK is answered by a reset. So whoever un-listens waits until no more are
// sent. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/limits.h"

namespace lastcall {

class SynCookies {
 public:
  // `sent` is the kernel's count, or -1 where it cannot be read.
  void begin(std::int64_t sent) { at_start_ = sent_ = sent; }
  // The first look is at the signal, then now and then.
  void look(std::int64_t sent, Ms now) {
    if (at_signal_ < 0) at_signal_ = sent;
    if (sent > sent_) grew_at_ = now;
    sent_ = sent;
  }
  // None have been sent for so long that the clients of earlier ones have come.
  [[nodiscard]] bool quiet(Ms now) const {
    return sent_ < 0 || grew_at_ == never || now - grew_at_ >= limits::cookies_quiet_ms;
  }
  // How many clients may be concerned: of cookies since the signal; without quiet, those that came
  // before it, too. -1: not known.
  [[nodiscard]] std::int64_t in_doubt(Ms now) const {
    return sent_ < 0 ? -1 : sent_ - (quiet(now) ? at_signal_ : at_start_);
  }

 private:
  std::int64_t sent_ = -1;
  std::int64_t at_start_ = -1;
  std::int64_t at_signal_ = -1;
  Ms grew_at_ = never;
};

}  // namespace lastcall
