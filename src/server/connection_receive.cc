// The bytes of a client: on_recv -> on_bytes, parsed at once (`consume`), or kept until they can be
// (`spill`). When it receives, and when it is held back; and how it is known to have gone.
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "server/connection.h"
#include "server/door.h"
#include "server/worker.h"

namespace lastcall {

// ---- receive

void Connection::arm_recv() {
  DCHECK(receive_ == Receive::off && !eof_);
  receive_ = Receive::armed;
  worker_.io().submit_recv(fd_, ticket(Kind::recv), worker_.tight());
}

// A receive that goes on may bring all that there are buffers for, before it can be stopped.
void Connection::recall_receive() {
  if (receive_ != Receive::armed || state_ == State::closing) return;
  cancel_recv();
}

void Connection::cancel_recv() {
  receive_ = Receive::canceling;
  cancel_old_ = false;
  worker_.io().submit_cancel(fd_, ticket(Kind::recv));
}

void Connection::verify() {
  DCHECK(in_use());
  if (state_ != State::closing && worker_.io().gone(fd_)) {
    worker_.metrics().add("resets_found");
    on_gone();
  } else if (receive_ == Receive::canceling && std::exchange(cancel_old_, true)) {
    cancel_recv();
  }
  proceed();
}

void Connection::pause_recv() {
  DCHECK(receive_ != Receive::canceling && receive_ != Receive::paused);
  worker_.metrics().add("receive_paused");
  if (receive_ != Receive::armed) {
    receive_ = Receive::paused;
    return;
  }
  cancel_recv();
}

// Its last completion has come.
void Connection::end_recv() {
  DCHECK(receiving());
  const bool full = receive_ == Receive::canceling && spill_.size() >= spill_bytes_max() / 2;
  receive_ = full ? Receive::paused : Receive::off;
}

void Connection::on_recv(const Completion& completion) noexcept {
  DCHECK(in_use() && receiving());
  if (!completion.more) end_recv();
  if (completion.has_buffer) {
    if (completion.result > 0) {
      on_bytes(worker_.io().lent(completion.buffer, static_cast<std::size_t>(completion.result)));
    }
    worker_.io().give_back(completion.buffer);
  }
  if (completion.result == 0) {
    on_eof();
  } else if (completion.result < 0) {
    switch (-completion.result) {
      case ENOBUFS:
        worker_.metrics().add("receive_starved");
        if (receive_ != Receive::off) break;
        receive_ = Receive::parked;
        worker_.park(*this);
        break;
      case ECANCELED:  // paused, or closing
      case EINTR:
      case EAGAIN: break;
      default: on_broken();
    }
  }
  proceed();
}

bool Connection::resume_receive() noexcept {
  if (receive_ != Receive::parked) return false;
  receive_ = Receive::off;
  const bool wanted = state_ != State::closing && !eof_;
  if (wanted) arm_recv();
  return wanted;
}

void Connection::on_bytes(std::string_view bytes) {
  DCHECK(in_use() && !bytes.empty());
  received_ += bytes.size();
  if (state_ != State::lingering) last_activity_at_ = worker_.now();
  if (said_ == Said::nothing) said_ = Said::something;
  switch (state_) {
    case State::open:
      if (send_in_flight_ || !spill_.empty()) {
        spill(bytes);
      } else {
        const std::string_view rest = consume(bytes);
        flush();
        keep(rest);
      }
      return;
    case State::handling:
    case State::handled: spill(bytes); return;
    case State::finishing:
    case State::lingering: on_late_bytes(bytes); return;
    case State::closing:
      if (cut_ != Cut::no) cut_bytes(bytes);
      return;
  }
}

void Connection::on_eof() {
  DCHECK(in_use());
  eof_ = true;
  switch (state_) {
    case State::open:
      // Half-close is legal: what is complete is answered first. The rest never will be.
      if (!send_in_flight_ && spill_.empty()) close_after_them();
      return;
    case State::lingering: end_linger(); return;
    case State::handling:
    case State::handled:
    case State::finishing:
    case State::closing: return;
  }
}

void Connection::on_broken() {
  if (state_ == State::closing) return;
  worker_.metrics().add("connections_broken");
  eof_ = true;
  if (state_ == State::handling || state_ == State::handled) {
    worker_.metrics().add("requests_undelivered");
    worker_.metrics().subtract("requests_in_flight");
    abandon_exchange();
  }
  close();
}

// Nobody is there any more who could take an answer.
void Connection::on_gone() {
  DCHECK(state_ != State::closing);
  recount_unread("requests_undelivered");
  on_broken();
  if (receive_ == Receive::armed) cancel_recv();
}

// ---- what has come too soon

void Connection::spill(std::string_view bytes) {
  DCHECK(state_ <= State::handled);
  if (!spill_.append(bytes)) {
    worker_.metrics().add("input_denied");
    if (state_ == State::open && send_in_flight_) {
      state_ = State::finishing;  // what is answered goes out
      release_exchange();
      spill_.clear();
    } else {
      on_broken();
    }
    return;
  }
  const bool pauses = receive_ != Receive::canceling && receive_ != Receive::paused;
  if (spill_.size() >= spill_bytes_max() && pauses) pause_recv();
}

std::size_t Connection::spill_bytes_max() const {
  return worker_.tight() ? limits::spill_bytes_tight : limits::spill_bytes;
}

}  // namespace lastcall
