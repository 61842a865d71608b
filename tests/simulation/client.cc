#include "client.h"

#include <algorithm>

namespace lastcall::sim {

Client::Client(Kernel& kernel, Manner manner, unsigned id, Ms begins_at, unsigned requests)
    : kernel_(kernel), manner_(manner), id_(id), left_(requests), acts_at_(begins_at) {}

void Client::step() {
  if (kernel_.now < acts_at_) return;
  switch (state_) {
    case State::waiting: connect(); return;
    case State::connecting:
      switch (kernel_.finish_handshake(socket_)) {
        case Kernel::Ack::taken: break;
        case Kernel::Ack::dropped:  // as TCP sends again: later each time
          acts_at_ = kernel_.now + (200 << std::min(acks_++, 4));
          return;
        case Kernel::Ack::reset:
          refused_ = true;
          state_ = State::done;
          return;
      }
      state_ = State::open;
      if (manner_ == Manner::silent) acts_at_ = kernel_.now + kernel_.random.between(0, 2500);
      return;
    case State::open:
      read_answers();
      if (state_ == State::open) send_something();
      return;
    case State::done: return;
  }
}

void Client::give_up() {
  if (state_ == State::open) end();
}

void Client::connect() {
  const auto socket = kernel_.connect();
  if (!socket) {  // safe to try elsewhere: nothing was sent
    refused_ = true;
    state_ = State::done;
    return;
  }
  socket_ = *socket;
  if (manner_ == Manner::not_reading) kernel_.sockets[socket_].window = 512;
  state_ = State::connecting;
  // Some clients' last ACK comes late.
  if (kernel_.random.chance(0.2)) acts_at_ = kernel_.now + kernel_.random.between(1, 300);
}

std::string Client::make_request() {
  const std::string body = std::to_string(id_) + "." + std::to_string(number_++);
  const bool last = left_ == 1;
  --left_;
  asked_close_ = last && (manner_ == Manner::one_shot || kernel_.random.chance(0.2));
  const std::string close = asked_close_ ? "Connection: close\r\n" : "";
  awaited_.push_back(body);
  if (kernel_.random.chance(0.25)) {
    return "GET /wait?id=" + body + "&ms=" + std::to_string(kernel_.random.below(400)) +
           " HTTP/1.1\r\nHost: sim\r\n" + close + "\r\n";
  }
  if (kernel_.random.chance(0.05)) {
    return "GET /counter?id=" + body + " HTTP/1.1\r\nHost: sim\r\n" + close + "\r\n";
  }
  if (kernel_.random.chance(0.3)) {
    return "POST /incr?id=" + body + " HTTP/1.1\r\nHost: sim\r\nContent-Length: 0\r\n" + close +
           "\r\n";
  }
  if (kernel_.random.chance(0.2)) {
    const auto half = body.size() / 2;
    return "POST /echo HTTP/1.1\r\nHost: sim\r\nTransfer-Encoding: chunked\r\n" + close + "\r\n" +
           std::to_string(half) + "\r\n" + body.substr(0, half) + "\r\n" +
           std::to_string(body.size() - half) + "\r\n" + body.substr(half) + "\r\n0\r\n\r\n";
  }
  return "POST /echo HTTP/1.1\r\nHost: sim\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + close + "\r\n" + body;
}

void Client::send_something() {
  Socket& socket = kernel_.sockets[socket_];
  if (told_close_) return;  // what was not sent yet is for another connection
  if (unsent_.empty()) {
    const bool burst = manner_ == Manner::pipelining || manner_ == Manner::not_reading;
    if (left_ == 0 || asked_close_ || (!awaited_.empty() && !burst)) return;
    const unsigned count = burst ? static_cast<unsigned>(kernel_.random.between(1, 20)) : 1;
    for (unsigned i = 0; i < count && left_ > 0 && !asked_close_; ++i) {
      const std::string request = make_request();
      made_bytes_ += request.size();
      awaited_ends_.push_back(made_bytes_);
      unsent_ += request;
    }
    // Some send on behind their own close; nobody answers that, and nobody has to.
    if (asked_close_ && kernel_.random.chance(0.2))
      unsent_ += "GET /behind HTTP/1.1\r\nHost: sim\r\n\r\n";
  }
  std::size_t size = unsent_.size();
  if (manner_ == Manner::dripping || kernel_.random.chance(0.1)) {
    size = 1 + kernel_.random.below(std::min<std::size_t>(size, 40));
  }
  socket.to_server.append(unsent_, 0, size);
  socket.sent_after_fin |= socket.server_fin;
  if (!kernel_.window_over) socket.sent_in_time = socket.received + socket.to_server.size();
  unsent_.erase(0, size);
  if (unsent_.empty()) complete_ = static_cast<unsigned>(awaited_.size());
  if (manner_ == Manner::half_closing && left_ == 0 && unsent_.empty()) socket.client_fin = true;
  if (manner_ == Manner::leaving && kernel_.random.chance(0.2)) {
    socket.client_reset = true;
    left_early_ = true;
    state_ = State::done;
  }
  if (kernel_.random.chance(0.3)) acts_at_ = kernel_.now + kernel_.random.between(0, 200);
}

void Client::read_answers() {
  Socket& socket = kernel_.sockets[socket_];
  if (manner_ == Manner::not_reading && kernel_.random.chance(0.95) && !socket.server_fin) return;
  if (socket.server_reset && !socket.server_closed) socket.to_client.clear();
  input_ += socket.to_client;
  socket.to_client.clear();
  while (read_answer(input_)) {
  }
  const bool gone = (socket.server_fin && socket.to_client.empty()) || socket.server_reset;
  if (gone || (left_ == 0 && awaited_.empty() && unsent_.empty() && kernel_.random.chance(0.5)))
    end();
}

// Takes one answer off `bytes`. Any answer but the one awaited next is a violation.
bool Client::read_answer(std::string& bytes) {
  const auto head_end = bytes.find("\r\n\r\n");
  if (head_end == std::string::npos) return false;
  const std::string head = bytes.substr(0, head_end + 2);
  const auto length_at = head.find("Content-Length: ");
  const std::size_t length =
      length_at == std::string::npos ? 0 : std::stoul(head.substr(length_at + 16));
  if (bytes.size() < head_end + 4 + length) return false;
  const std::string body = bytes.substr(head_end + 4, length);
  bytes.erase(0, head_end + 4 + length);
  if (told_close_) violate("an answer after one that said close");
  if (head.find("Connection: close\r\n") != std::string::npos) told_close_ = true;
  const bool denied = kernel_.faults.no_memory > 0 &&
                      (head.starts_with("HTTP/1.1 500 ") || head.starts_with("HTTP/1.1 503 "));
  if (awaited_.empty()) {
    violate("an answer that nobody asked for: " + body);
  } else if (!denied && (!head.starts_with("HTTP/1.1 200 ") || body != awaited_.front())) {
    violate("expected " + awaited_.front() + ", got " + head.substr(0, 15) + " " + body);
  } else {
    awaited_.pop_front();
    awaited_ends_.pop_front();
    if (complete_ > 0) --complete_;
    ++answered_;
  }
  // A close may be said only behind all that had been received; once the window is over, behind all
  // that had come by then.
  // (Where there is no memory it is said at once: what comes behind it was not begun.)
  const Socket& socket = kernel_.sockets[socket_];
  if (told_close_ && !awaited_.empty() && kernel_.faults.no_memory == 0 &&
      awaited_ends_.front() <= std::min(socket.answered_at, socket.sent_in_time))
    violate("a request received before the close was said is not answered: " + awaited_.front());
  return true;
}

void Client::violate(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

void Client::end() {
  Socket& socket = kernel_.sockets[socket_];
  torn_ = !input_.empty();
  // What follows an announced close was the client's to send again elsewhere.
  sent_after_fin_ = socket.sent_after_fin;
  if (!told_close_) {
    const bool burst_complete = unsent_.empty();
    lost_ = burst_complete ? static_cast<unsigned>(awaited_.size()) : complete_;
  }
  socket.client_fin = true;
  state_ = State::done;
}

}  // namespace lastcall::sim
