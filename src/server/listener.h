// One listening socket of one worker: accepts, pauses at a bound, and closes without losing a
// connection.
//
// The lossless close, in order (why each step: src/README.md, "Life of a SIGTERM"):
//   un-listen (all listeners at once, by the leader) -> settle -> `begin_close` here: cancel the
//   accept -> await its last completion, which may carry a socket -> sweep the queue until EAGAIN
//   -> close. Closing earlier resets whatever sits in the queue.
//
// Invariants
//  1. `armed_` is true exactly while an accept is outstanding.
//  2. The descriptor is closed only while `armed_` is false: an armed accept holds the file, and
//     close(2) alone would not stop it from listening.
//  3. A socket that a completion carries is always handed on, whatever the mode.
#pragma once

#include <cstddef>

#include "base/metrics.h"
#include "io/io.h"

namespace lastcall {

class Listener {
 public:
  // `for_probes`: what is lost in its queue is no loss.
  Listener(Io& io, Metrics& metrics, std::uint32_t index, bool for_probes)
      : io_(io), metrics_(metrics), index_(index), for_probes_(for_probes) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // `listens`: else it is only bound, and refuses who connects, until `listen`.
  void open(int fd, bool listens = true);
  [[nodiscard]] int listen();  // 0, or -errno
  [[nodiscard]] bool listens() const { return listens_; }

  // Brings the accept in line with the mode and with `room`, how many connections more there may
  // be. Called each turn; nearly always finds nothing to do.
  void tend(Ms now, std::size_t room);
  // The new socket, or -1.
  int on_accept(const Completion& completion, Ms now);

  // Once a second in a drain: an accept that its cancel has missed is cancelled again.
  void verify();
  void begin_close();
  // The next connection of the queue once the accept has ended, or -1. Closes the listener when
  // the queue is empty.
  int sweep(Ms now, std::size_t room);
  // The deadline: whatever is still queued is counted and lost.
  void cut();

  [[nodiscard]] bool is_open() const { return mode_ != Mode::closed; }
  [[nodiscard]] bool closing() const { return mode_ == Mode::closing; }
  [[nodiscard]] bool armed() const { return armed_; }
  [[nodiscard]] int fd() const { return fd_; }
  // When `tend` should be called again by time alone.
  [[nodiscard]] Ms retry_at() const { return retry_at_; }

 private:
  enum class Mode : std::uint8_t {
    closed,     // no descriptor
    accepting,  // armed whenever there is room
    closing,    // no accept any more; the queue is swept once the last completion has come
    cutting,    // as closing, but the queue is given up
  };

  void arm(std::size_t room);
  void cancel();
  void close();

  Io& io_;
  Metrics& metrics_;
  const std::uint32_t index_;
  const bool for_probes_;
  Mode mode_ = Mode::closed;
  bool listens_ = false;
  bool armed_ = false;
  bool multishot_ = false;
  bool cancel_sent_ = false;
  bool cancel_old_ = false;  // it was sent before the last look
  bool paused_ = false;      // no room: said once per pause
  int fd_ = -1;
  Ms retry_at_ = never;  // after a failure that would only repeat
};

}  // namespace lastcall
