// All that knows epoll(7). What is submitted is tried at once where its descriptor is ready, and
// again when it gets so: readiness is kept here, and epoll is asked for its edges only.
//
// Invariants
//  1. Each of our own descriptors is registered once, for all events, edge-triggered; nothing is
//     modified later. (Level-triggered, a reset connection that nobody reads would wake us without
//     end, since EPOLLHUP and EPOLLERR cannot be masked.) One that is only polled belongs to
//     somebody else: it is registered while a poll waits, and not a moment longer.
//  2. `readable` begins false and `writable` true. Each is false from when a call has met EAGAIN,
//     or has moved less than it was asked to, until the next event. An operation waits for such an
//     event, or its descriptor stands in `ready_`.
//  3. An event is for the descriptor that it was registered with, not for a later one of the same
//     number: the generation tells.
#include "io/epoll.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>
#include <vector>

#include <lastcall/log.h>

#include "base/check.h"
#include "base/reserve.h"
#include "io/file_thread.h"
#include "io/files.h"
#include "io/sockets.h"
#include "io/watches.h"

namespace lastcall {
namespace {

constexpr std::size_t events_max = 512;       // taken from epoll at once
constexpr std::uint64_t files_event = ~0ull;  // what the file thread's eventfd is registered with

class Epoll final : public SocketIo {
 public:
  Epoll() = default;
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;
  ~Epoll() override;

  [[nodiscard]] int open();  // 0, or errno

  void reserve(std::size_t more) override;
  void submit_accept(int listener, Ticket, bool once) override;
  void submit_recv(int socket, Ticket, bool once) override;
  void submit_send(int socket, std::string_view bytes, Ticket) override;
  void submit_send_two(int socket, TwoPieces& pieces, Ticket) override;
  void submit_send_file(int socket, FilePiece& piece, Ticket) override;
  void submit_read(int fd, std::span<std::byte> into, Ticket) override;
  void submit_connect(int socket, const sockaddr* address, socklen_t size, Ticket) override;
  void submit_poll(int fd, unsigned events, Ticket) override;
  void submit_write(int fd, std::string_view bytes, std::uint64_t offset, Ticket) override;
  void submit_sync(int fd, Ticket) override;
  void submit_cancel(int fd, Ticket target) override;

  std::span<const Completion> harvest(Ms until) override;
  [[nodiscard]] bool may_have_received(Ticket recv) const override {
    return received_some(taken_, recv);
  }
  [[nodiscard]] std::size_t operations() const override { return operations_in_flight_; }
  [[nodiscard]] std::size_t cancels() const override { return cancels_; }

  [[nodiscard]] std::string_view lent(std::uint16_t buffer, std::size_t bytes) const override {
    return {memory_.get() + buffer * limits::receive_buffer_bytes, bytes};
  }
  void give_back(std::uint16_t buffer) override;
  [[nodiscard]] std::size_t buffers_lent() const override {
    return limits::receive_buffers - free_buffers_.size();
  }

  void close(int fd) override;

 private:
  enum class Outcome : std::uint8_t {
    ended,    // its last completion is made
    waits,    // for an event
    again,    // it had its share of this harvest
    starved,  // others have taken all buffers: it comes first in the next one
  };

  void submit(int fd, Operation operation);
  Watch& watch_for(int fd, Does does);
  void enlist(Watch& watch, Outcome why);
  void begin(Watch& watch);
  int cancel(int fd, Ticket target);
  Outcome end(const Operation& operation, int result);
  void unlink(std::uint32_t& link);
  void let_go(Watch& watch);

  void on_event(std::uint32_t events, std::uint64_t data);
  void try_ready();
  void try_operations(Watch& watch);
  Outcome attempt(Watch& watch, Operation& operation);
  Outcome accept(Watch& watch, const Operation& operation);
  Outcome receive(Watch& watch, const Operation& operation);
  Outcome read(Watch& watch, const Operation& operation);
  Outcome send(Watch& watch, Operation& operation);
  Outcome send_file(Watch& watch, const Operation& operation);
  Outcome connect(Watch& watch, Operation& operation);
  Outcome poll(Watch& watch, const Operation& operation);
  Outcome wait(Watch& watch);
  Outcome wait_readable(Watch& watch);
  Outcome wait_writable(Watch& watch);
  void retry_refused();

  int epoll_ = -1;
  int files_done_ = -1;  // an eventfd
  std::unique_ptr<FileThread> files_;
  Watches watches_;
  std::uint32_t generation_ = 0;  // of the last registration
  std::vector<Operation> operations_;
  std::size_t reserved_ = 0;            // of them
  std::uint32_t unused_ = Watch::none;  // the first of `operations_` that is
  std::vector<int> starved_;            // to be tried, first
  std::vector<int> ready_;              // to be tried
  std::vector<int> trying_;             // in this harvest
  std::size_t operations_in_flight_ = 0;
  std::size_t cancels_ = 0;
  std::unique_ptr<char[]> memory_;
  std::vector<std::uint16_t> free_buffers_;  // the last one used first: the cache has it
  std::size_t lent_in_harvest_ = 0;
  std::vector<int> refused_;  // that epoll does not watch, and that wait
  bool full_said_ = false;
  std::array<epoll_event, events_max> events_{};
  std::vector<Completion> taken_;   // what the next harvest returns
  std::vector<Completion> handed_;  // what the last one returned
  std::vector<Completion> spare_;   // takes the place of one that has too little room
};

int Epoll::open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return errno;
  files_done_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (files_done_ < 0) return errno;
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = files_event}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, files_done_, &event) != 0) return errno;
  files_ = std::make_unique<FileThread>(files_done_);
  memory_.reset(new char[limits::receive_buffers * limits::receive_buffer_bytes]);
  free_buffers_.reserve(limits::receive_buffers);
  for (unsigned i = limits::receive_buffers; i > 0; --i)
    free_buffers_.push_back(static_cast<std::uint16_t>(i - 1));
  reserve(limits::descriptors_per_worker * 2);
  return 0;
}

Epoll::~Epoll() {
  DCHECK(operations_in_flight_ == 0);
  files_.reset();
  if (files_done_ >= 0) ::close(files_done_);
  if (epoll_ >= 0) ::close(epoll_);
}

// ---- operations

// Each operation has a cancel, and one completion but for those of a listener and of receives.
void Epoll::reserve(std::size_t more) {
  const std::size_t all = reserved_ + more;
  const std::size_t completions = all + limits::receive_buffers + limits::accepts_per_turn;
  reserve_for(operations_, all);
  reserve_for(ready_, all);
  reserve_for(trying_, all);
  reserve_for(refused_, all);
  reserve_for(taken_, completions);
  reserve_for(spare_, completions);
  reserve_for(starved_, all);
  files_->reserve(all);
  watches_.reserve(all / 2);
  reserved_ = all;
}

// What ends at once is never kept; its completion stands in the next harvest.
void Epoll::submit(int fd, Operation operation) {
  ++operations_in_flight_;
  Watch& watch = watch_for(fd, operation.does);
  std::uint32_t* link = &watch.operations;
  bool first = true;  // of its kind: it need not wait for another. Polls never do
  for (; *link != Watch::none; link = &operations_[*link].next)
    first = first && operations_[*link].does != operation.does;
  const bool tries = first || operation.does == Does::poll;
  const Outcome outcome = tries ? attempt(watch, operation) : Outcome::waits;
  if (outcome == Outcome::ended) {
    if (watch.operations == Watch::none) let_go(watch);
    return;
  }
  const std::uint32_t index = unused_;
  if (index == Watch::none) {
    *link = static_cast<std::uint32_t>(operations_.size());
    operations_.push_back(operation);
  } else {
    unused_ = operations_[index].next;
    *link = index;
    operations_[index] = operation;
  }
  if (outcome != Outcome::waits) enlist(watch, outcome);
}

Watch& Epoll::watch_for(int fd, Does does) {
  Watch* const found = watches_.find(fd);
  Watch& watch = found != nullptr ? *found : watches_.add(fd);
  if (found == nullptr) watch.borrowed = true;
  if (does != Does::poll) watch.borrowed = false;
  if (!watch.registered && !watch.refused) begin(watch);
  if (would_block(does) && !watch.nonblocking) {
    watch.nonblocking = true;
    (void)::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  return watch;
}

void Epoll::enlist(Watch& watch, Outcome why) {
  if (watch.listed) return;
  watch.listed = true;
  (why == Outcome::starved ? starved_ : ready_).push_back(watch.fd);
}

void Epoll::begin(Watch& watch) {
  DCHECK(!watch.registered && !watch.refused);
  watch.generation = ++generation_;
  epoll_event event{.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                    .data = {.u64 = std::uint64_t{watch.generation} << 32 |
                                    static_cast<std::uint32_t>(watch.fd)}};
  watch.writable = true;  // most are; whether it is readable the first event tells
  watch.registered = epoll_ctl(epoll_, EPOLL_CTL_ADD, watch.fd, &event) == 0;
  if (watch.registered) return;
  watch.refused = watch.readable = true;
  // EPERM: a regular file, which is always ready. EBADF: none is open, or not for this.
  if (errno == EPERM || errno == EBADF || full_said_) return;
  full_said_ = true;
  log::error(
      "epoll takes no further descriptor: {}; those beyond are tried {} times a second, which is "
      "slow. Raise the sysctl fs.epoll.max_user_watches, or the memory limit",
      std::strerror(errno), 1000 / limits::refused_poll_ms);
}

void Epoll::submit_accept(int listener, Ticket ticket, bool once) {
  submit(listener, {.ticket = ticket.pack(), .does = once ? Does::accept_once : Does::accept});
}

void Epoll::submit_recv(int socket, Ticket ticket, bool once) {
  submit(socket, {.ticket = ticket.pack(), .does = once ? Does::receive_once : Does::receive});
}

void Epoll::submit_send(int socket, std::string_view bytes, Ticket ticket) {
  DCHECK(!bytes.empty());
  submit(socket, {.ticket = ticket.pack(),
                  .memory = const_cast<char*>(bytes.data()),  // send(2) only reads it
                  .size = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), INT_MAX)),
                  .does = Does::send});
}

void Epoll::submit_send_two(int socket, TwoPieces& pieces, Ticket ticket) {
  submit(socket, {.ticket = ticket.pack(),
                  .memory = &pieces,
                  .size = static_cast<std::uint32_t>(pieces.size()),
                  .does = Does::send_two});
}

void Epoll::submit_send_file(int socket, FilePiece& piece, Ticket ticket) {
  DCHECK(piece.bytes > 0);
  piece.sent = 0;
  submit(socket, {.ticket = ticket.pack(), .memory = &piece, .does = Does::send_file});
}

void Epoll::submit_read(int fd, std::span<std::byte> into, Ticket ticket) {
  DCHECK(!into.empty());
  submit(fd, {.ticket = ticket.pack(),
              .memory = into.data(),
              .size = static_cast<std::uint32_t>(into.size()),
              .does = Does::read});
}

void Epoll::submit_connect(int socket, const sockaddr* address, socklen_t size, Ticket ticket) {
  submit(socket, {.ticket = ticket.pack(),
                  .memory = const_cast<sockaddr*>(address),
                  .size = size,
                  .does = Does::connect});
}

void Epoll::submit_poll(int fd, unsigned events, Ticket ticket) {
  submit(fd, {.ticket = ticket.pack(), .size = events, .does = Does::poll});
}

void Epoll::submit_write(int fd, std::string_view bytes, std::uint64_t offset, Ticket ticket) {
  DCHECK(!bytes.empty());
  ++operations_in_flight_;
  files_->add({.ticket = ticket, .fd = fd, .bytes = bytes, .offset = offset});
}

void Epoll::submit_sync(int fd, Ticket ticket) {
  ++operations_in_flight_;
  files_->add({.ticket = ticket, .fd = fd, .bytes = {}});
}

// The target's completion and the cancel's stand in the next harvest. What the file thread has
// begun cannot be stopped: it completes with what it did.
void Epoll::submit_cancel(int fd, Ticket target) {
  ++operations_in_flight_;
  ++cancels_;
  taken_.push_back({.ticket = {Kind::cancel}, .result = cancel(fd, target)});
}

int Epoll::cancel(int fd, Ticket target) {
  if (Watch* watch = watches_.find(fd)) {
    for (std::uint32_t* link = &watch->operations; *link != Watch::none;
         link = &operations_[*link].next) {
      const Operation& operation = operations_[*link];
      if (operation.ticket != target.pack()) continue;
      const bool sends = operation.does == Does::send || operation.does == Does::send_two;
      const bool sent_some = sends && operation.done > 0;
      end(operation, sent_some ? static_cast<int>(operation.done) : -ECANCELED);
      unlink(*link);
      if (watch->operations == Watch::none) let_go(*watch);
      return 0;
    }
  }
  if (files_->take_back(target)) {
    taken_.push_back({.ticket = target, .result = -ECANCELED});
    return 0;
  }
  return files_->knows(target) ? -EALREADY : -ENOENT;
}

Epoll::Outcome Epoll::end(const Operation& operation, int result) {
  taken_.push_back({.ticket = Ticket::unpack(operation.ticket), .result = result});
  return Outcome::ended;
}

void Epoll::unlink(std::uint32_t& link) {
  const std::uint32_t index = link;
  link = operations_[index].next;
  operations_[index].next = unused_;
  unused_ = index;
}

// What was only polled may be closed by its owner any time now, and its number be somebody else's.
void Epoll::let_go(Watch& watch) {
  DCHECK(watch.operations == Watch::none);
  if (!watch.borrowed) return;
  if (watch.registered) (void)epoll_ctl(epoll_, EPOLL_CTL_DEL, watch.fd, nullptr);
  watches_.remove(watch.fd);
}

// close(2) takes it from epoll without a word.
void Epoll::close(int fd) {
  if (const Watch* watch = watches_.find(fd)) {
    CHECK(watch->operations == Watch::none);
    watches_.remove(fd);
  }
  SocketIo::close(fd);
}

// ---- a harvest

std::span<const Completion> Epoll::harvest(Ms until) {
  // What is here already waits for nobody, but new events are asked for in every harvest: else one
  // client could keep all others waiting.
  const bool idle = ready_.empty() && starved_.empty() && taken_.empty();
  const Ms most = refused_.empty() ? 3'600'000 : limits::refused_poll_ms;
  const Ms wait = idle ? std::clamp<Ms>(until - now(), 0, most) : 0;
  lent_in_harvest_ = 0;
  const int count =
      epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), static_cast<int>(wait));
  CHECK(count >= 0 || errno == EINTR);
  retry_refused();
  try_ready();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events_[static_cast<std::size_t>(i)];
    on_event(event.events, event.data.u64);
  }
  handed_.swap(taken_);
  taken_.clear();
  if (taken_.capacity() < spare_.capacity()) taken_.swap(spare_);
  for (const Completion& c : handed_) {
    DCHECK(operations_in_flight_ > 0);
    if (!c.more) --operations_in_flight_;
    if (c.ticket.kind == Kind::cancel) --cancels_;
  }
  return handed_;
}

void Epoll::on_event(std::uint32_t events, std::uint64_t data) {
  if (data == files_event) {
    std::uint64_t count = 0;
    (void)!::read(files_done_, &count, sizeof count);
    files_->take_done(taken_);
    return;
  }
  Watch* const watch = watches_.find(static_cast<int>(data & 0xffffffff));
  if (watch == nullptr || watch->generation != data >> 32) return;
  DCHECK(watch->registered && !watch->refused);
  constexpr std::uint32_t broken = EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLIN | EPOLLRDHUP | broken)) != 0) watch->readable = true;
  if ((events & (EPOLLOUT | broken)) != 0) watch->writable = true;
  // A FIN or an error stands behind the data; a receive stops short before urgent data.
  if ((events & (EPOLLRDHUP | EPOLLPRI | broken)) != 0) watch->to_the_end = true;
  if (!watch->listed) try_operations(*watch);  // else it has had its share
}

void Epoll::try_ready() {
  // Else the same few would take all buffers, each time.
  trying_.swap(starved_);
  trying_.insert(trying_.end(), ready_.begin(), ready_.end());
  ready_.clear();
  for (const int fd : trying_) {
    Watch* const watch = watches_.find(fd);
    if (watch == nullptr || !watch->listed) continue;  // closed meanwhile
    watch->listed = false;
    try_operations(*watch);
  }
  trying_.clear();
}

void Epoll::try_operations(Watch& watch) {
  DCHECK(!watch.listed);
  Outcome next = Outcome::waits;
  for (std::uint32_t* link = &watch.operations; *link != Watch::none;) {
    const Outcome outcome = attempt(watch, operations_[*link]);
    switch (outcome) {
      case Outcome::ended: unlink(*link); continue;
      case Outcome::waits: break;
      case Outcome::again:
      case Outcome::starved: next = next == Outcome::starved ? next : outcome; break;
    }
    link = &operations_[*link].next;
  }
  if (next != Outcome::waits) enlist(watch, next);
  if (watch.operations == Watch::none) let_go(watch);
}

Epoll::Outcome Epoll::attempt(Watch& watch, Operation& operation) {
  switch (operation.does) {
    case Does::accept:
    case Does::accept_once: return accept(watch, operation);
    case Does::receive:
    case Does::receive_once: return receive(watch, operation);
    case Does::read: return read(watch, operation);
    case Does::send:
    case Does::send_two: return send(watch, operation);
    case Does::send_file: return send_file(watch, operation);
    case Does::connect: return connect(watch, operation);
    case Does::poll: return poll(watch, operation);
  }
  CHECK(false && "every kind of operation is tried");
}

Epoll::Outcome Epoll::wait(Watch& watch) {
  if (watch.refused) refused_.push_back(watch.fd);  // nobody will tell
  return Outcome::waits;
}

Epoll::Outcome Epoll::wait_readable(Watch& watch) {
  watch.readable = false;
  return wait(watch);
}

Epoll::Outcome Epoll::wait_writable(Watch& watch) {
  watch.writable = false;
  return wait(watch);
}

// As if there had been an event for each.
void Epoll::retry_refused() {
  for (const int fd : refused_) {
    Watch* const watch = watches_.find(fd);
    if (watch == nullptr || !watch->refused) continue;
    watch->readable = watch->writable = true;
    enlist(*watch, Outcome::again);
  }
  refused_.clear();
}

// Errors end it, as they end one of the ring: the caller knows which of them would only repeat.
Epoll::Outcome Epoll::accept(Watch& watch, const Operation& operation) {
  if (!watch.readable) return Outcome::waits;
  for (int tries = 0; tries < limits::accepts_per_turn; ++tries) {
    const int fd = accept4(watch.fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 && errno == EAGAIN) return wait_readable(watch);
    if (fd < 0) return end(operation, -errno);
    if (operation.does == Does::accept_once) return end(operation, fd);
    taken_.push_back({.ticket = Ticket::unpack(operation.ticket), .result = fd, .more = true});
  }
  return Outcome::again;
}

Epoll::Outcome Epoll::receive(Watch& watch, const Operation& operation) {
  if (!watch.readable) return Outcome::waits;
  for (int tries = 0; tries < limits::receives_per_turn; ++tries) {
    if (free_buffers_.empty()) {
      // Those of this harvest come back before the next; those that a caller keeps may not.
      return lent_in_harvest_ > 0 ? Outcome::starved : end(operation, -ENOBUFS);
    }
    const std::uint16_t buffer = free_buffers_.back();
    char* const at = memory_.get() + buffer * limits::receive_buffer_bytes;
    const ssize_t bytes = ::recv(watch.fd, at, limits::receive_buffer_bytes, MSG_DONTWAIT);
    if (bytes < 0 && errno == EAGAIN) return wait_readable(watch);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return end(operation, bytes < 0 ? -errno : 0);
    free_buffers_.pop_back();
    ++lent_in_harvest_;
    const bool once = operation.does == Does::receive_once;
    taken_.push_back({.ticket = Ticket::unpack(operation.ticket),
                      .result = static_cast<int>(bytes),
                      .more = !once,
                      .has_buffer = true,
                      .buffer = buffer});
    const bool short_of_it = static_cast<std::size_t>(bytes) < limits::receive_buffer_bytes;
    const bool all = short_of_it && !watch.to_the_end && !watch.refused;
    if (once) {
      if (all) watch.readable = false;
      return Outcome::ended;
    }
    if (all) return wait_readable(watch);
  }
  return Outcome::again;
}

Epoll::Outcome Epoll::read(Watch& watch, const Operation& operation) {
  if (!watch.readable) return Outcome::waits;
  const ssize_t bytes = ::read(watch.fd, operation.memory, operation.size);
  if (bytes < 0 && errno == EINTR) return Outcome::again;
  if (bytes < 0 && errno == EAGAIN) return wait_readable(watch);
  return end(operation, bytes < 0 ? -errno : static_cast<int>(bytes));
}

// All of it, or what went before the connection failed.
Epoll::Outcome Epoll::send(Watch& watch, Operation& operation) {
  if (!watch.writable) return Outcome::waits;
  const ssize_t bytes = send_rest(watch.fd, operation);
  if (bytes < 0 && errno == EINTR) return Outcome::again;
  if (bytes < 0 && errno != EAGAIN)
    return end(operation, operation.done > 0 ? static_cast<int>(operation.done) : -errno);
  if (bytes > 0) operation.done += static_cast<std::uint32_t>(bytes);
  if (operation.done == operation.size) return end(operation, static_cast<int>(operation.done));
  return wait_writable(watch);
}

// One call for each look, so that others have their turn.
Epoll::Outcome Epoll::send_file(Watch& watch, const Operation& operation) {
  if (!watch.writable) return Outcome::waits;
  FilePiece& piece = *static_cast<FilePiece*>(operation.memory);
  const int bytes = lastcall::send_file(watch.fd, piece.file, piece.offset + piece.sent,
                                        piece.bytes - piece.sent);
  if (bytes == -EINTR) return Outcome::again;
  if (bytes == -EAGAIN) return wait_writable(watch);
  if (bytes > 0) piece.sent += static_cast<std::size_t>(bytes);
  const bool more = bytes > 0 && piece.sent < piece.bytes;
  return more ? Outcome::again : end(operation, sent_of(piece, bytes));
}

// Called again, connect(2) tells how the first call has gone on.
Epoll::Outcome Epoll::connect(Watch& watch, Operation& operation) {
  if (!watch.writable) return Outcome::waits;
  const auto* const address = static_cast<const sockaddr*>(operation.memory);
  if (::connect(watch.fd, address, operation.size) == 0 || errno == EISCONN)
    return end(operation, 0);
  if (errno != EINPROGRESS && errno != EALREADY && errno != EINTR) return end(operation, -errno);
  return wait_writable(watch);
}

// Whoever reads and writes what is polled does so behind our back: only poll(2) knows.
Epoll::Outcome Epoll::poll(Watch& watch, const Operation& operation) {
  pollfd look{watch.fd, static_cast<short>(operation.size), 0};
  if (::poll(&look, 1, 0) != 1) return wait(watch);
  return end(operation, (look.revents & POLLNVAL) != 0 ? -EBADF : look.revents);
}

// ---- lent buffers

void Epoll::give_back(std::uint16_t buffer) {
  CHECK(free_buffers_.size() < limits::receive_buffers);
  DCHECK(buffer < limits::receive_buffers);
  free_buffers_.push_back(buffer);
}

}  // namespace

std::unique_ptr<Io> make_epoll(std::string& error) {
  auto io = std::make_unique<Epoll>();
  const int failed = io->open();
  if (failed == 0) return io;
  const bool denied = failed == EPERM || failed == EACCES || failed == ENOSYS;
  error = fmt::format("no epoll: {}; {}", std::strerror(failed),
                      denied ? "allow epoll_create1 and eventfd2 in the container's seccomp profile"
                             : "raise RLIMIT_NOFILE (ulimit -n), or the memory limit");
  return nullptr;
}

}  // namespace lastcall
