#include "server/listener.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <lastcall/log.h>

#include "base/check.h"

namespace lastcall {
namespace {

// A multishot accept may take a whole backlog at once. Where that could pass the bound, sockets
// are taken one by one.
constexpr std::size_t multishot_room = limits::listen_backlog;

// Failures of one connection, which take it out of the queue: accept(2). The next may succeed.
bool is_of_one(int error) {
  switch (error) {
    case ECONNABORTED:
    case EINTR:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP: return true;
    default: return false;
  }
}

// Failures that would repeat at once and spin: the connection stays queued, nothing is lost.
bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

void Listener::open(int fd, bool listens) {
  CHECK(mode_ == Mode::closed && !armed_ && fd >= 0);
  fd_ = fd;
  listens_ = listens;
  mode_ = Mode::accepting;
}

int Listener::listen() {
  DCHECK(is_open() && !listens_);
  const int result = io_.listen(fd_);
  listens_ = result == 0;
  return result;
}

void Listener::tend(Ms now, std::size_t room) {
  DCHECK(is_open() == (fd_ >= 0) && (!armed_ || is_open()));
  if (now >= retry_at_)
    retry_at_ = never;  // even where there is no room: no instant that has passed
  switch (mode_) {
    case Mode::closed: return;
    case Mode::accepting:
      if (room > 0) paused_ = false;
      if (armed_ && ((multishot_ && room < multishot_room) || room == 0)) cancel();
      if (!armed_ && room > 0 && retry_at_ == never) arm(room);
      if (room == 0 && !paused_) {
        paused_ = true;
        metrics_.add("accept_paused");
      }
      return;
    case Mode::closing:
    case Mode::cutting:
      if (armed_) cancel();
      if (!armed_ && mode_ == Mode::cutting) cut();
      return;
  }
}

void Listener::arm(std::size_t room) {
  DCHECK(!armed_ && mode_ == Mode::accepting && fd_ >= 0 && room > 0);
  // Back to multishot only with room to spare, so that the two do not alternate.
  multishot_ = room >= 2 * multishot_room;
  armed_ = true;
  cancel_sent_ = false;
  io_.submit_accept(fd_, {Kind::accept, index_, 0}, !multishot_);
}

void Listener::cancel() {
  DCHECK(armed_);
  if (cancel_sent_) return;
  cancel_sent_ = true;
  cancel_old_ = false;
  io_.submit_cancel(fd_, {Kind::accept, index_, 0});
}

void Listener::verify() {
  if (!armed_ || !cancel_sent_) return;
  if (!std::exchange(cancel_old_, true)) return;
  cancel_sent_ = false;
  cancel();
}

int Listener::on_accept(const Completion& completion, Ms now) {
  CHECK(armed_);
  armed_ = completion.more;
  // A last completion can be a success (the completion queue overflowed): take the socket first.
  if (completion.result >= 0) return completion.result;
  const int error = -completion.result;
  if (error == ECANCELED) return -1;
  if (is_shortage(error)) {
    retry_at_ = now + limits::accept_retry_ms;
    metrics_.add("accept_paused");
  } else {
    metrics_.add("accept_failed");
    if (!is_of_one(error)) retry_at_ = now + limits::accept_retry_ms;  // denied, say: not at once
  }
  return -1;
}

void Listener::begin_close() {
  if (mode_ != Mode::accepting) return;
  mode_ = Mode::closing;
  retry_at_ = never;
}

int Listener::sweep(Ms now, std::size_t room) {
  if (mode_ != Mode::closing || armed_ || room == 0 || retry_at_ != never) return -1;
  if (!listens_) {  // nobody can have come
    close();
    return -1;
  }
  int fd = 0;
  for (int failed = 0; failed < limits::listen_backlog; ++failed) {
    fd = io_.accept_now(fd_);
    if (fd >= 0) return fd;
    if (fd == -EAGAIN) {
      close();
      return -1;
    }
    if (is_shortage(-fd)) {
      retry_at_ = now + limits::accept_retry_ms;
      metrics_.add("accept_paused");
      return -1;
    }
    metrics_.add("accept_failed");  // a connection that was aborted while it waited
  }
  // More than can have waited: it is accept4(2) itself that is refused.
  log::error("what waits in the listener's queue cannot be accepted: {}", std::strerror(-fd));
  cut();
  return -1;
}

void Listener::cut() {
  if (mode_ == Mode::closed) return;
  mode_ = Mode::cutting;
  if (armed_) {
    cancel();
    return;  // `tend` comes back when the accept has ended
  }
  if (!for_probes_) metrics_.add("queue_lost", io_.accept_queue_length(fd_));
  close();
}

void Listener::close() {
  CHECK(!armed_);
  io_.close(fd_);
  fd_ = -1;
  mode_ = Mode::closed;
  retry_at_ = never;
}

}  // namespace lastcall
