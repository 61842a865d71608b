// Are clients connecting of whom no queue and no table shows anything? The kernel counts two ways
// to it, for the whole network namespace: SYN cookies, whose handshake is nowhere until its last
// ACK comes (tcp(7), tcp_syncookies); and accept queues that overflow, where that ACK is dropped,
// and a client that has sent its request takes itself for connected. After the listener's end both
// are answered by a reset. So whoever un-listens waits until it is quiet. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/limits.h"
#include "io/io.h"

namespace lastcall {

class UnseenHandshakes {
 public:
  void begin(const TcpCounts& counts) {
    cookies_.begin(counts.cookies_sent);
    overflows_.begin(counts.listen_overflows);
  }
  // Once a second, and more often when the window is over.
  void look(const TcpCounts& counts, Ms now) {
    cookies_.look(counts.cookies_sent, now);
    overflows_.look(counts.listen_overflows, now);
  }
  void on_signal(const TcpCounts& counts, Ms now) {
    look(counts, now);
    cookies_.mark();
    overflows_.mark();
  }
  // There have been none for so long that the clients of earlier ones have come.
  [[nodiscard]] bool quiet(Ms now) const { return cookies_.quiet(now) && overflows_.quiet(now); }
  // How many clients may be concerned: since the signal, and while it is not quiet since it last
  // was. -1: not known.
  [[nodiscard]] std::int64_t cookies(Ms now) const { return cookies_.in_doubt(now); }
  [[nodiscard]] std::int64_t overflows(Ms now) const { return overflows_.in_doubt(now); }

 private:
  // One of the kernel's counters; it is -1 where it cannot be read.
  class Count {
   public:
    explicit Count(Ms quiet_ms) : quiet_ms_(quiet_ms) {}
    void begin(std::int64_t count) { before_these_ = count_ = count; }
    void look(std::int64_t count, Ms now) {
      if (count_ >= 0 && count > count_) {
        if (quiet(now)) before_these_ = count_;
        grew_at_ = now;
      }
      count_ = count;
    }
    void mark() { at_signal_ = count_; }
    [[nodiscard]] bool quiet(Ms now) const {
      return count_ < 0 || grew_at_ == never || now - grew_at_ >= quiet_ms_;
    }
    [[nodiscard]] std::int64_t in_doubt(Ms now) const {
      if (count_ < 0) return -1;
      return count_ - (quiet(now) ? at_signal_ : std::min(at_signal_, before_these_));
    }

   private:
    Ms quiet_ms_;
    std::int64_t count_ = -1;
    std::int64_t before_these_ = -1;  // when it was last quiet
    std::int64_t at_signal_ = -1;
    Ms grew_at_ = never;
  };

  Count cookies_{limits::cookies_quiet_ms};
  Count overflows_{limits::overflows_quiet_ms};
};

}  // namespace lastcall
