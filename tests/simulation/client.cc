#include "client.h"

#include <fmt/core.h>

#include <algorithm>

namespace lastcall::sim {
namespace {

// The content in chunks from `at` on, which then is where it ends. False: it is not all here.
bool read_chunks(const std::string& bytes, std::size_t& at, std::string& content) {
  for (std::size_t next = at;;) {
    const auto line = bytes.find("\r\n", next);
    if (line == std::string::npos) return false;
    const std::size_t size = std::stoul(bytes.substr(next, line - next), nullptr, 16);
    if (bytes.size() < line + 2 + size + 2) return false;
    content.append(bytes, line + 2, size);
    next = line + 2 + size + 2;
    if (size > 0) continue;
    at = next;
    return true;
  }
}

}  // namespace

const std::string served_content = std::string(40'000, 'f') + ";";

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

bool Client::is_burst() const {
  return manner_ == Manner::pipelining || manner_ == Manner::not_reading;
}

// A content that its handler reads as it comes, and can tell from one that was cut: it ends with a
// semicolon, and has no other. `/relay` answers with it while it comes, `/gather` and `/collect`
// once they have it all; `/broken` breaks its answer off half-way.
std::string Client::make_streamed(const std::string& name, const std::string& close) {
  const bool slow = manner_ == Manner::dripping || manner_ == Manner::not_reading;
  const bool large = !slow && kernel_.random.chance(0.05);
  const std::size_t filler = kernel_.random.below(large ? 100'000 : 300);
  const std::string body = name + ":" + std::string(filler, 'x') + ";";
  awaited_.back() = body;
  expects_break_ = !is_burst() && kernel_.random.chance(0.1);
  static const char* const paths[] = {"/relay", "/gather", "/collect"};
  std::string request = "POST ";
  request.append(expects_break_ ? "/broken" : paths[kernel_.random.below(3)]);
  request.append("?ms=").append(std::to_string(kernel_.random.below(30)));
  request.append(" HTTP/1.1\r\nHost: sim\r\n").append(close);
  if (kernel_.random.chance(0.5)) {
    request.append("Content-Length: ").append(std::to_string(body.size()));
    return request.append("\r\n\r\n").append(body);
  }
  request.append("Transfer-Encoding: chunked\r\n\r\n");
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t size =
        std::min<std::size_t>(1 + kernel_.random.below(9000), body.size() - at);
    request.append(fmt::format("{:x}\r\n", size)).append(body, at, size).append("\r\n");
    at += size;
  }
  return request.append("0\r\n\r\n");
}

std::string Client::make_request() {
  const std::string body = std::to_string(id_) + "." + std::to_string(number_++);
  const bool last = left_ == 1;
  --left_;
  asked_close_ = last && (manner_ == Manner::one_shot || kernel_.random.chance(0.2));
  const std::string close = asked_close_ ? "Connection: close\r\n" : "";
  awaited_.push_back(body);
  if (kernel_.random.chance(0.2) || (manner_ == Manner::stopping && last))
    return make_streamed(body, close);
  if (kernel_.random.chance(0.05)) {
    awaited_.back() = served_content;
    return "GET /file HTTP/1.1\r\nHost: sim\r\n" + close + "\r\n";
  }
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
  const bool slow = manner_ == Manner::dripping || manner_ == Manner::not_reading;
  std::string content = body;
  if (!slow && kernel_.random.chance(0.05)) content.append(kernel_.random.below(150'000), 'x');
  awaited_.back() = content;
  return "POST /echo HTTP/1.1\r\nHost: sim\r\nContent-Length: " + std::to_string(content.size()) +
         "\r\n" + close + "\r\n" + content;
}

void Client::send_something() {
  Socket& socket = kernel_.sockets[socket_];
  if (told_close_ || stopped_) return;  // what was not sent yet is for another connection
  if (unsent_.empty()) {
    const bool burst = is_burst();
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
  if (may_stop_here()) return;
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

// With its last request, somewhere behind its head.
bool Client::may_stop_here() {
  if (manner_ != Manner::stopping || left_ > 0 || unsent_.size() < 2) return false;
  const auto head = unsent_.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  Socket& socket = kernel_.sockets[socket_];
  const std::size_t size = head + 4 + kernel_.random.below(unsent_.size() - head - 4);
  socket.to_server.append(unsent_, 0, size);
  socket.sent_after_fin |= socket.server_fin;
  socket.client_fin = kernel_.random.chance(0.5);
  return stopped_ = true;
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
  std::string body;
  std::size_t end = head_end + 4;
  if (head.find("Transfer-Encoding: chunked\r\n") != std::string::npos) {
    if (!read_chunks(bytes, end, body)) return false;
  } else {
    const auto length_at = head.find("Content-Length: ");
    const std::size_t length =
        length_at == std::string::npos ? 0 : std::stoul(head.substr(length_at + 16));
    if (bytes.size() < end + length) return false;
    body = bytes.substr(end, length);
    end += length;
  }
  const std::size_t received = received_at(taken_ + head_end + 4);
  bytes.erase(0, end);
  taken_ += end;
  if (told_close_) violate("an answer after one that said close");
  if (head.find("Connection: close\r\n") != std::string::npos) told_close_ = true;
  // Where few places are, there may be none for a file.
  const bool no_place =
      !awaited_.empty() && awaited_.front() == served_content && head.starts_with("HTTP/1.1 503 ");
  const bool denied =
      no_place || (kernel_.faults.no_memory > 0 &&
                   (head.starts_with("HTTP/1.1 500 ") || head.starts_with("HTTP/1.1 503 ")));
  const bool given_up = stopped_ && complete_ == 0 &&
                        (head.starts_with("HTTP/1.1 408 ") || head.starts_with("HTTP/1.1 400 "));
  if (expects_break_ && awaited_.size() == 1 && !denied && !given_up)
    violate("an answer that its handler broke off came whole: " + body.substr(0, 40));
  if (awaited_.empty()) {
    violate("an answer that nobody asked for: " + body);
  } else if (!denied && !given_up &&
             (!head.starts_with("HTTP/1.1 200 ") || body != awaited_.front())) {
    violate("expected " + awaited_.front().substr(0, 40) + ", got " + head.substr(0, 15) + " " +
            body.substr(0, 40));
  } else {
    awaited_.pop_front();
    awaited_ends_.pop_front();
    if (complete_ > 0) --complete_;
    expects_break_ = false;
    ++answered_;
  }
  // A close may be said only behind all that had been received; once the window is over, behind all
  // that had come by then.
  // (Where there is no memory it is said at once: what comes behind it was not begun.)
  const Socket& socket = kernel_.sockets[socket_];
  if (told_close_ && !awaited_.empty() && kernel_.faults.no_memory == 0 &&
      awaited_ends_.front() <= std::min(received, socket.sent_in_time))
    violate("a request received before the close was said is not answered: " + awaited_.front());
  return true;
}

// How much the server had received when it sent that byte.
std::size_t Client::received_at(std::size_t offset) {
  auto& sends = kernel_.sockets[socket_].sends;
  while (sends.size() > 1 && sends.front().first < offset) sends.pop_front();
  return sends.empty() ? 0 : sends.front().second;
}

void Client::violate(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

void Client::end() {
  Socket& socket = kernel_.sockets[socket_];
  // Of a request that it never sent in full the answer may have begun all the same.
  torn_ = !input_.empty() && complete_ > 0;
  if (expects_break_ && awaited_.size() == 1) {  // cut, as it should be
    torn_ = false;
    awaited_.clear();
    complete_ = 0;
  }
  // What follows an announced close was the client's to send again elsewhere.
  sent_after_fin_ = socket.sent_after_fin;
  if (!told_close_) {
    const bool burst_complete = unsent_.empty();
    lost_ = burst_complete ? static_cast<unsigned>(awaited_.size()) : complete_;
    // An answer that was cut has said close in its head: what is behind it was told.
    const std::string_view head = std::string_view(input_).substr(0, input_.find("\r\n\r\n"));
    if (head.find("Connection: close") != std::string_view::npos) lost_ = std::min(lost_, 1U);
  }
  socket.client_fin = true;
  state_ = State::done;
}

}  // namespace lastcall::sim
