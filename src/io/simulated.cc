#include "io/simulated.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace lastcall::sim {

std::uint64_t Random::next() {
  state_ ^= state_ >> 12;
  state_ ^= state_ << 25;
  state_ ^= state_ >> 27;
  return state_ * 0x2545f4914f6cdd1dull;
}

// ---- the network

int Kernel::make_listener() {
  listeners[next_fd] = {};
  return next_fd++;
}

int Kernel::make_event() {
  events[next_fd] = 0;
  return next_fd++;
}

// Null: nobody listens.
ListenSocket* Kernel::one_that_listens() {
  std::vector<ListenSocket*> group;
  for (auto& [fd, listener] : listeners) {
    if (!listener.closed && !listener.unlistened) group.push_back(&listener);
  }
  return group.empty() ? nullptr : group[random.below(group.size())];
}

std::optional<int> Kernel::connect() {
  ListenSocket* const listener = one_that_listens();
  if (listener == nullptr) return std::nullopt;
  const int socket = next_fd++;
  sockets[socket] = {};
  if (syn_cookies) {
    ++cookies_sent;
    by_cookie.insert(socket);
  } else {
    listener->half_way.push_back(socket);
  }
  return socket;
}

bool Kernel::spoof_syn() {
  ListenSocket* const listener = one_that_listens();
  if (listener == nullptr) return false;
  listener->half_way.push_back(next_fd++);
  return true;
}

Kernel::Ack Kernel::finish_handshake(int socket) {
  const auto enqueue = [&](ListenSocket& listener) {
    if (listener.queue.size() >= backlog) {
      ++listen_overflows;
      return Ack::dropped;
    }
    listener.queue.push_back(socket);
    return Ack::taken;
  };
  if (by_cookie.contains(socket)) {
    ListenSocket* const listener = one_that_listens();
    if (listener == nullptr) ++cookies_refused;
    const Ack ack = listener == nullptr ? Ack::reset : enqueue(*listener);
    if (ack != Ack::dropped) by_cookie.erase(socket);
    return ack;
  }
  for (auto& [fd, listener] : listeners) {
    const auto at = std::find(listener.half_way.begin(), listener.half_way.end(), socket);
    if (at == listener.half_way.end()) continue;
    if (listener.closed) ++abandoned_handshakes;
    const Ack ack = listener.closed ? Ack::reset : enqueue(listener);
    if (ack != Ack::dropped) listener.half_way.erase(at);
    return ack;
  }
  return Ack::reset;
}

bool Kernel::connected(int socket) const {
  if (by_cookie.contains(socket)) return false;
  for (const auto& [fd, listener] : listeners) {
    if (std::find(listener.half_way.begin(), listener.half_way.end(), socket) !=
        listener.half_way.end())
      return false;
  }
  return true;
}

// ---- operations

SimIo::~SimIo() {
  CHECK(operations_.empty());
  CHECK(lent_.empty());
}

void SimIo::add(const Operation& operation) {
  const Outside outside;
  operations_.push_back(operation);
}

void SimIo::submit_accept(int listener, Ticket ticket, bool once) {
  add({.does = Does::accept,
       .ticket = ticket,
       .fd = listener,
       .once = once,
       .bytes = {},
       .into = {}});
}

void SimIo::submit_recv(int socket, Ticket ticket, bool once) {
  add({.does = Does::recv, .ticket = ticket, .fd = socket, .once = once, .bytes = {}, .into = {}});
}

void SimIo::note_send(int socket, std::size_t bytes) {
  CHECK(bytes > 0);
  Socket& to = kernel_.sockets[socket];
  const std::size_t before = to.sends.empty() ? 0 : to.sends.back().first;
  to.sends.emplace_back(before + bytes, to.received);
}

void SimIo::submit_send(int socket, std::string_view bytes, Ticket ticket) {
  note_send(socket, bytes.size());
  add({.does = Does::send, .ticket = ticket, .fd = socket, .bytes = bytes, .into = {}});
}

void SimIo::submit_send_two(int socket, TwoPieces& pieces, Ticket ticket) {
  CHECK(!pieces.first.empty() && !pieces.second.empty());
  note_send(socket, pieces.size());
  add({.does = Does::send_two,
       .ticket = ticket,
       .fd = socket,
       .bytes = {},
       .into = {},
       .pieces = &pieces});
}

void SimIo::submit_send_file(int socket, FilePiece& piece, Ticket ticket) {
  note_send(socket, piece.bytes);
  add({.does = Does::send_file,
       .ticket = ticket,
       .fd = socket,
       .bytes = {},
       .into = {},
       .piece = &piece});
}

void SimIo::submit_read(int fd, std::span<std::byte> into, Ticket ticket) {
  const bool client = ticket.kind == Kind::recv;
  add({.does = client ? Does::recv : Does::read,
       .ticket = ticket,
       .fd = fd,
       .once = client,
       .bytes = {},
       .into = into});
}

void SimIo::submit_connect(int socket, const sockaddr*, socklen_t, Ticket ticket) {
  add({.does = Does::connect, .ticket = ticket, .fd = socket, .bytes = {}, .into = {}});
}

void SimIo::submit_poll(int fd, unsigned events, Ticket ticket) {
  add({.does = Does::poll, .ticket = ticket, .fd = fd, .events = events, .bytes = {}, .into = {}});
}

void SimIo::submit_write(int fd, std::string_view bytes, std::uint64_t offset, Ticket ticket) {
  add({.does = Does::write,
       .ticket = ticket,
       .fd = fd,
       .bytes = bytes,
       .offset = offset,
       .into = {}});
}

void SimIo::submit_sync(int fd, Ticket ticket) {
  add({.does = Does::sync, .ticket = ticket, .fd = fd, .bytes = {}, .into = {}});
}

std::size_t SimIo::cancels() const {
  return static_cast<std::size_t>(
      std::count_if(operations_.begin(), operations_.end(),
                    [](const Operation& operation) { return operation.does == Does::cancel; }));
}

void SimIo::submit_cancel(int fd, Ticket target) {
  const bool missed = kernel_.random.chance(kernel_.faults.cancel_missed);
  for (Operation& operation : operations_) {
    if (missed || operation.ticket.pack() != target.pack()) continue;
    CHECK(operation.fd == fd);
    operation.canceled = true;
  }
  add({.ticket = {Kind::cancel}, .bytes = {}, .into = {}});
}

std::span<const Completion> SimIo::harvest(Ms until) {
  const Outside outside;
  waits_until_ = until;
  completions_.clear();
  if (kernel_.random.chance(kernel_.faults.interrupted)) return {};
  std::vector<Operation> pending;
  pending.swap(operations_);
  // Any order.
  for (std::size_t i = pending.size(); i > 1; --i) {
    if (kernel_.faults.late > 0) std::swap(pending[i - 1], pending[kernel_.random.below(i)]);
  }
  for (Operation& operation : pending) {
    if (kernel_.random.chance(kernel_.faults.late) || !step(operation)) {
      operations_.push_back(operation);
    }
  }
  return completions_;
}

bool SimIo::step(Operation& operation) {
  switch (operation.does) {
    case Does::accept: return step_accept(operation);
    case Does::recv: return step_recv(operation);
    case Does::send: return step_send(operation);
    case Does::send_two: return step_send_two(operation);
    case Does::send_file: return step_send_file(operation);
    case Does::read:
      return operation.ticket.kind == Kind::awaited ? step_stream_read(operation)
                                                    : step_read(operation);
    case Does::connect: return step_connect(operation);
    case Does::poll: return step_poll(operation);
    case Does::write: return step_write(operation);
    case Does::sync:
      return complete(operation, kernel_.random.chance(kernel_.faults.disk_fails) ? -EIO : 0);
    case Does::cancel: return complete(operation, 0);
  }
  return true;
}

// Does the bug show itself here?
bool SimIo::plants(Canary canary) {
  return kernel_.canary == canary && kernel_.random.chance(0.05);
}

bool SimIo::complete(const Operation& operation, int result, bool more) {
  if (operation.does == Does::recv && plants(Canary::lost_completion)) return true;
  if (operation.does == Does::send || operation.does == Does::send_two ||
      operation.does == Does::send_file) {
    if (plants(Canary::doubled_completion))
      completions_.push_back({.ticket = operation.ticket, .result = result});
    if (plants(Canary::overstated_send)) ++result;
  }
  completions_.push_back({.ticket = operation.ticket, .result = result, .more = more});
  return !more;
}

int SimIo::take_queued(ListenSocket& listener) {
  const int socket = listener.queue.front();
  listener.queue.pop_front();
  kernel_.sockets[socket].accepted = true;
  return socket;
}

bool SimIo::step_accept(Operation& operation) {
  ListenSocket& listener = kernel_.listeners[operation.fd];
  Random& random = kernel_.random;
  if (operation.canceled) {
    if (listener.queue.empty() || !random.chance(kernel_.faults.cancel_carries))
      return complete(operation, -ECANCELED);
    const int socket = take_queued(listener);
    if (kernel_.canary == Canary::lost_socket) return complete(operation, -ECANCELED);
    return complete(operation, socket);
  }
  while (!listener.queue.empty()) {
    if (random.chance(kernel_.faults.no_descriptors)) return complete(operation, -EMFILE);
    if (random.chance(kernel_.faults.aborted)) return complete(operation, -ECONNABORTED);
    const bool more = !operation.once && !random.chance(kernel_.faults.ended_early);
    if (complete(operation, take_queued(listener), more)) return true;
  }
  return false;
}

bool SimIo::step_recv(Operation& operation) {
  Socket& socket = kernel_.sockets[operation.fd];
  Random& random = kernel_.random;
  const bool data = !socket.to_server.empty();  // shutdown(2) leaves what has arrived readable
  if (operation.canceled && !(data && random.chance(kernel_.faults.cancel_carries)))
    return complete(operation, -ECANCELED);
  if (socket.client_reset && !socket.told_of_reset) {
    socket.told_of_reset = true;
    socket.reset_untold = random.chance(kernel_.faults.reset_untold);
  }
  if (socket.client_reset && socket.reset_untold && !socket.server_shut) return false;
  if (socket.client_reset) return complete(operation, -ECONNRESET);
  if (!data) {
    if (socket.client_fin || socket.server_shut) return complete(operation, 0);
    return false;
  }
  if (!operation.into.empty()) {
    std::size_t size = std::min(socket.to_server.size(), operation.into.size());
    if (random.chance(kernel_.faults.partial)) size = 1 + random.below(size);
    std::memcpy(operation.into.data(), socket.to_server.data(), size);
    socket.to_server.erase(0, size);
    socket.received += size;
    socket.received_in_place += size;
    return complete(operation, static_cast<int>(size));
  }
  if (random.chance(kernel_.faults.no_buffers)) return complete(operation, -ENOBUFS);
  // Several buffers at once, as the kernel fills them; some may be left for another turn.
  do {
    if (lent_.size() == limits::receive_buffers) return complete(operation, -ENOBUFS);
    std::size_t size = std::min(socket.to_server.size(), limits::receive_buffer_bytes);
    if (random.chance(kernel_.faults.partial)) size = 1 + random.below(size);
    Completion completion{.ticket = operation.ticket, .result = static_cast<int>(size)};
    completion.more =
        !operation.canceled && !operation.once && !random.chance(kernel_.faults.ended_early);
    lend(completion, std::string_view(socket.to_server).substr(0, size));
    socket.to_server.erase(0, size);
    socket.received += size;
    completions_.push_back(completion);
    if (!completion.more) return true;
  } while (!socket.to_server.empty() && !random.chance(kernel_.faults.late));
  return false;
}

void SimIo::lend(Completion& completion, std::string_view bytes) {
  completion.has_buffer = true;
  completion.buffer = next_buffer_++;
  auto& memory = lent_[completion.buffer];
  memory = std::make_unique<std::array<char, limits::receive_buffer_bytes>>();
  std::memcpy(memory->data(), bytes.data(), bytes.size());
}

bool SimIo::step_send(Operation& operation) {
  Socket& socket = kernel_.sockets[operation.fd];
  if (operation.canceled || socket.client_reset || socket.server_shut) {
    return complete(operation, operation.sent > 0 ? static_cast<int>(operation.sent) : -ECONNRESET);
  }
  const std::size_t room =
      socket.window > socket.to_client.size() ? socket.window - socket.to_client.size() : 0;
  std::size_t size = std::min(operation.bytes.size() - operation.sent, room);
  if (kernel_.random.chance(kernel_.faults.partial)) size = kernel_.random.below(size + 1);
  const std::string_view piece = operation.bytes.substr(operation.sent, size);
  operation.sent += size;
  socket.acked += size;
  const bool ends = operation.sent == operation.bytes.size();
  if (ends && plants(Canary::silent_short_send)) {
    socket.to_client.append(piece.substr(0, piece.empty() ? 0 : piece.size() - 1));
  } else {
    socket.to_client.append(piece);
    if (ends && plants(Canary::answers_twice)) socket.to_client.append(operation.bytes);
  }
  return ends && complete(operation, static_cast<int>(operation.sent));
}

bool SimIo::step_send_two(Operation& operation) {
  const std::string joined = std::string(operation.pieces->first).append(operation.pieces->second);
  operation.bytes = joined;
  const bool ended = step_send(operation);
  operation.bytes = {};
  return ended;
}

// The file is one of the machine's.
bool SimIo::step_send_file(Operation& operation) {
  const FilePiece& piece = *operation.piece;
  std::string content(piece.bytes, '\0');
  const ssize_t read =
      ::pread(piece.file, content.data(), content.size(), static_cast<off_t>(piece.offset));
  if (read < static_cast<ssize_t>(content.size())) return complete(operation, -ENODATA);
  operation.bytes = content;
  const bool ended = step_send(operation);
  operation.bytes = {};
  return ended;
}

bool SimIo::step_read(Operation& operation) {
  if (operation.ticket.kind == Kind::signal) {
    if (!kernel_.signals.empty()) {
      signalfd_siginfo info{};
      info.ssi_signo = static_cast<std::uint32_t>(kernel_.signals.front());
      kernel_.signals.pop_front();
      std::memcpy(operation.into.data(), &info, sizeof info);
      return complete(operation, sizeof info);
    }
  } else if (std::uint64_t& count = kernel_.events[operation.fd]; count > 0) {
    count = 0;
    return complete(operation, sizeof count);
  }
  return operation.canceled && complete(operation, -ECANCELED);
}

// Of an outbound socket, whose client is the upstream.
bool SimIo::step_stream_read(Operation& operation) {
  Socket& socket = kernel_.sockets[operation.fd];
  const bool data = !socket.to_server.empty();
  if (operation.canceled && !(data && kernel_.random.chance(kernel_.faults.cancel_carries)))
    return complete(operation, -ECANCELED);
  // A reset takes nothing back of what has come before (tcp(7)).
  if (!data && socket.client_reset) return complete(operation, -ECONNRESET);
  if (!data) return (socket.client_fin || socket.server_shut) && complete(operation, 0);
  std::size_t size = std::min(socket.to_server.size(), operation.into.size());
  if (kernel_.random.chance(kernel_.faults.partial)) size = 1 + kernel_.random.below(size);
  std::memcpy(operation.into.data(), socket.to_server.data(), size);
  socket.to_server.erase(0, size);
  return complete(operation, static_cast<int>(size));
}

bool SimIo::step_connect(Operation& operation) {
  const std::optional<int> result =
      kernel_.upstream != nullptr ? kernel_.upstream->connect(operation.fd) : -ECONNREFUSED;
  if (result) return complete(operation, *result);
  return operation.canceled && complete(operation, -ECANCELED);
}

bool SimIo::step_poll(Operation& operation) {
  const Socket& socket = kernel_.sockets[operation.fd];
  const bool readable = !socket.to_server.empty() || socket.client_fin || socket.client_reset;
  const unsigned is = (readable ? POLLIN : 0u) | POLLOUT;
  if ((is & operation.events) != 0)
    return complete(operation, static_cast<int>(is & operation.events));
  return operation.canceled && complete(operation, -ECANCELED);
}

bool SimIo::step_write(Operation& operation) {
  if (kernel_.random.chance(kernel_.faults.disk_fails)) return complete(operation, -EIO);
  std::size_t size = operation.bytes.size();
  if (kernel_.random.chance(kernel_.faults.partial)) size = 1 + kernel_.random.below(size);
  std::string& file = kernel_.files[operation.fd];
  if (file.size() < operation.offset + size) file.resize(operation.offset + size);
  file.replace(operation.offset, size, operation.bytes.substr(0, size));
  return complete(operation, static_cast<int>(size));
}

// ---- lent buffers

std::string_view SimIo::lent(std::uint16_t buffer, std::size_t bytes) const {
  return {lent_.at(buffer)->data(), bytes};
}

void SimIo::give_back(std::uint16_t buffer) {
  CHECK(lent_.count(buffer) == 1);
  // Whoever still looks at it sees rubbish, and the address sanitizer sees more.
  lent_.at(buffer)->fill('\xdd');
  if (!plants(Canary::kept_buffer)) lent_.erase(buffer);
}

// ---- system calls

int SimIo::accept_now(int listener) {
  ListenSocket& l = kernel_.listeners[listener];
  if (kernel_.canary == Canary::no_sweep || l.queue.empty()) return -EAGAIN;
  if (kernel_.random.chance(kernel_.faults.no_descriptors)) return -EMFILE;
  return take_queued(l);
}

int SimIo::open_socket(int) {
  const Outside outside;
  if (kernel_.random.chance(kernel_.faults.no_descriptors)) return -EMFILE;
  const int socket = kernel_.next_fd++;
  kernel_.sockets[socket].accepted = true;  // ours to close
  return socket;
}

void SimIo::shut_send(int socket) {
  CHECK(!kernel_.sockets[socket].server_closed);
  kernel_.sockets[socket].server_fin = true;
}

void SimIo::shut_both(int socket) {
  CHECK(!kernel_.sockets[socket].server_closed);
  kernel_.sockets[socket].server_fin = kernel_.sockets[socket].server_shut = true;
}

void SimIo::reset(int socket) {
  CHECK(!kernel_.sockets[socket].server_closed);
  kernel_.sockets[socket].server_reset = kernel_.sockets[socket].server_shut = true;
}

void SimIo::close(int fd) {
  for (const Operation& operation : operations_) CHECK(operation.fd != fd);
  if (const auto it = kernel_.listeners.find(fd); it != kernel_.listeners.end()) {
    CHECK(!it->second.closed);
    it->second.closed = true;
    // What listen(2)'s queue holds is reset: the loss that the lossless close removes.
    for (const int socket : it->second.queue) kernel_.sockets[socket].server_reset = true;
    return;
  }
  Socket& socket = kernel_.sockets.at(fd);
  CHECK(!socket.server_closed);
  socket.server_closed = socket.server_fin = true;
  if (!socket.to_server.empty()) socket.server_reset = true;
}

std::size_t SimIo::bytes_waiting(int socket) {
  ++kernel_.looks;
  return kernel_.sockets[socket].to_server.size();
}

bool SimIo::quiet(int socket) {
  const Socket& end = kernel_.sockets[socket];
  return end.to_server.empty() && !end.client_fin && !end.client_reset;
}

std::size_t SimIo::receive_now(int socket, std::span<char> into) {
  std::string& waiting = kernel_.sockets[socket].to_server;
  const std::size_t size = waiting.copy(into.data(), into.size());
  waiting.erase(0, size);
  return size;
}

std::uint64_t SimIo::bytes_acked(int fd) {
  const Socket& socket = kernel_.sockets[fd];
  const std::uint64_t sent = socket.acked + (socket.server_fin ? 1 : 0);
  return sent - std::min<std::uint64_t>(sent, socket.unacked);
}

int SimIo::unlisten(int listener) {
  kernel_.listeners[listener].unlistened = true;
  return 0;
}

unsigned SimIo::accept_queue_length(int listener) {
  return static_cast<unsigned>(kernel_.listeners[listener].queue.size());
}

int SimIo::handshakes_half_way(std::uint16_t) {
  std::size_t count = 0;
  for (const auto& [fd, listener] : kernel_.listeners) count += listener.half_way.size();
  return static_cast<int>(count);
}

}  // namespace lastcall::sim
