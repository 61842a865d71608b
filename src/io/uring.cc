// All that knows liburing. See io_uring(7); DEFER_TASKRUN: completions are made when we enter.
#include "io/uring.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "io/files.h"
#include "io/sockets.h"

namespace lastcall {
namespace {

constexpr int buffer_group = 0;

std::string why_denied(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
    case ENOSYS:
      return fmt::format(
          "io_uring is denied here ({}): a seccomp profile or the sysctl kernel.io_uring_disabled "
          "forbids it, or this kernel has none. Allow io_uring_setup, io_uring_enter and "
          "io_uring_register in "
          "the container's seccomp profile, or set kernel.io_uring_disabled=0 on the node",
          std::strerror(error));
    case EINVAL:
      return "this kernel is too old for io_uring: that needs Linux 6.1 or newer "
             "(IORING_SETUP_DEFER_TASKRUN)";
    case EOPNOTSUPP:
      return "io_uring does not work here: this kernel, or what stands in for it, has no multishot "
             "operations into provided buffers; that needs Linux 6.1 or newer";
    case ENOMEM:
      return "no memory for an io_uring: raise the memory limit, or RLIMIT_MEMLOCK (ulimit -l)";
    case EMFILE:
    case ENFILE: return "no descriptor for an io_uring: raise RLIMIT_NOFILE (ulimit -n)";
    default: return fmt::format("io_uring_setup failed: {}", std::strerror(error));
  }
}

// A byte on its way over loopback, to a listener that has not accepted yet.
struct ProofConnection {
  ProofConnection();
  ProofConnection(const ProofConnection&) = delete;
  ProofConnection& operator=(const ProofConnection&) = delete;
  ~ProofConnection();

  int listener = -1;
  int client = -1;
  bool made = false;
};

ProofConnection::ProofConnection() {
  Address address;
  (void)Address::parse("127.0.0.1:0", address);
  const Descriptor opened = open_listener(address);
  listener = opened.fd;
  client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0 || client < 0) return;
  const linger reset_on_close{.l_onoff = 1, .l_linger = 0};  // leaves no TIME_WAIT
  (void)setsockopt(client, SOL_SOCKET, SO_LINGER, &reset_on_close, sizeof reset_on_close);
  const Address bound = local_address(listener);
  if (connect(client, reinterpret_cast<const sockaddr*>(&bound.storage), bound.size) != 0 &&
      errno != EINPROGRESS)
    return;
  made = send(client, "x", 1, MSG_NOSIGNAL) == 1;  // not yet connected: EAGAIN
}

ProofConnection::~ProofConnection() {
  if (client >= 0) ::close(client);
  if (listener >= 0) ::close(listener);
}

// A poll for a piece of a file comes back with its address, and a kind that no ticket has.
constexpr std::uint64_t piece_mark = 0xff;
std::uint64_t data_of(FilePiece& piece) {
  return reinterpret_cast<std::uintptr_t>(&piece) << 8 | piece_mark;
}
FilePiece* piece_of(std::uint64_t data) {
  if ((data & 0xff) != piece_mark) return nullptr;
  return reinterpret_cast<FilePiece*>(data >> 8);  // NOLINT(performance-no-int-to-ptr)
}

// A broken ring does not wait by itself.
void pause_broken(Ms time) {
  const std::timespec wait{0, time * 1'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, nullptr);
}

class Uring final : public SocketIo {
 public:
  Uring() = default;
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;
  ~Uring() override;

  [[nodiscard]] int open();   // 0, or errno
  [[nodiscard]] int prove();  // 0, or errno; once it is open

  void reserve(std::size_t) override {}  // the ring has all that it needs
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
  [[nodiscard]] bool may_have_received(Ticket recv) const override;
  [[nodiscard]] std::size_t operations() const override { return operations_; }
  [[nodiscard]] std::size_t cancels() const override { return cancels_; }
  [[nodiscard]] int broken() const override { return broken_; }

  [[nodiscard]] std::string_view lent(std::uint16_t buffer, std::size_t bytes) const override {
    return {memory_.get() + buffer * limits::receive_buffer_bytes, bytes};
  }
  void give_back(std::uint16_t buffer) override;
  [[nodiscard]] std::size_t buffers_lent() const override { return buffers_lent_; }

 private:
  Completion await(Kind kind);
  void end(int fd, Ticket target);
  io_uring_sqe* next_sqe();
  void note(int result);
  void await_writable(FilePiece& piece);
  void on_writable(FilePiece& piece, int woken);
  void take_completions();
  void publish_buffers();

  io_uring ring_{};
  bool open_ = false;
  int broken_ = 0;
  // Stands in for what a broken ring cannot take.
  std::unique_ptr<io_uring_sqe> lost_ = std::make_unique<io_uring_sqe>();
  io_uring_buf_ring* buffers_ = nullptr;
  std::unique_ptr<char[]> memory_;
  unsigned unpublished_ = 0;  // buffers given back, not yet told to the kernel
  std::size_t buffers_lent_ = 0;
  std::size_t operations_ = 0;
  std::size_t cancels_ = 0;
  std::vector<FilePiece*> unsent_;  // of which more is to be sent when there is room
  std::vector<Completion> taken_;   // filled by take_completions
  std::vector<Completion> handed_;  // what the last harvest returned
};

// ---- the ring

int Uring::open() {
  io_uring_params params{};
  params.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  params.cq_entries = limits::completion_entries;
  int error = -io_uring_queue_init_params(limits::submission_entries, &ring_, &params);
  if (error != 0) return error;
  open_ = true;
  // Without it each enter looks the ring up by descriptor; where it fails, nothing else changes.
  (void)io_uring_register_ring_fd(&ring_);
  buffers_ = io_uring_setup_buf_ring(&ring_, limits::receive_buffers, buffer_group, 0, &error);
  if (buffers_ == nullptr) return -error;
  memory_.reset(new char[limits::receive_buffers * limits::receive_buffer_bytes]);
  for (unsigned i = 0; i < limits::receive_buffers; ++i) {
    buffers_lent_ += 1;
    give_back(static_cast<std::uint16_t>(i));
  }
  publish_buffers();
  taken_.reserve(limits::completion_entries);
  unsent_.reserve(limits::completion_entries);
  handed_.reserve(limits::completion_entries);
  return 0;
}

Uring::~Uring() {
  if (buffers_ != nullptr)
    io_uring_free_buf_ring(&ring_, buffers_, limits::receive_buffers, buffer_group);
  if (open_) io_uring_queue_exit(&ring_);
}

// A ring counts as had when it has worked: its setup may be allowed where its use is denied, and
// what passes for this kernel may know none of its operations. A no-op; then, over loopback, a
// multishot accept and a multishot receive into a lent buffer. Where no such connection can be had,
// the no-op has to do.
int Uring::prove() {
  io_uring_sqe* const sqe = next_sqe();
  io_uring_prep_nop(sqe);
  io_uring_sqe_set_data64(sqe, Ticket{Kind::wake}.pack());
  if (const int result = await(Kind::wake).result; result < 0) return -result;
  const ProofConnection proof;
  if (!proof.made) return 0;
  submit_accept(proof.listener, {Kind::accept}, false);
  const Completion accepted = await(Kind::accept);
  if (accepted.result < 0) return -accepted.result;
  submit_recv(accepted.result, {Kind::recv}, false);
  const Completion received = await(Kind::recv);
  if (received.has_buffer) give_back(received.buffer);
  if (accepted.more) end(proof.listener, {Kind::accept});
  if (received.more) end(accepted.result, {Kind::recv});
  close(accepted.result);
  if (received.result < 0) return -received.result;
  if (broken_ != 0) return broken_;
  return received.has_buffer && operations_ == 0 ? 0 : EOPNOTSUPP;
}

// The next completion of this kind; of what came with it only cancels are lost. -EOPNOTSUPP: none.
Completion Uring::await(Kind kind) {
  for (const Ms until = now() + limits::proof_ms; broken_ == 0 && now() < until;) {
    for (const Completion& completion : harvest(until)) {
      if (completion.ticket.kind == kind) return completion;
    }
  }
  return {.ticket = {kind}, .result = broken_ != 0 ? -broken_ : -EOPNOTSUPP};
}

void Uring::end(int fd, Ticket target) {
  submit_cancel(fd, target);
  while (await(target.kind).more) {
  }
  while (broken_ == 0 && cancels_ > 0 && await(Kind::cancel).result != -EOPNOTSUPP) {
  }
}

io_uring_sqe* Uring::next_sqe() {
  ++operations_;
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {  // the queue is full: an ordinary event
    publish_buffers();
    const int submitted = io_uring_submit(&ring_);
    note(submitted);
    if (broken_ != 0) return lost_.get();
    // EBUSY: completions overflowed, and the kernel takes nothing more before they are read.
    if (submitted == -EBUSY) take_completions();
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

// What an enter says. Some errors mean "once more"; after any other the ring may be missing
// something that was handed over, or that has completed (EBADR: the kernel had no memory to keep
// it).
void Uring::note(int result) {
  const bool passes =
      result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY || result == -EAGAIN;
  if (!passes && broken_ == 0) broken_ = -result;
}

std::span<const Completion> Uring::harvest(Ms until) {
  publish_buffers();
  if (taken_.empty()) {
    const Ms wait = std::clamp<Ms>(until - now(), 0, 3'600'000);
    __kernel_timespec timeout{wait / 1000, wait % 1000 * 1'000'000};
    io_uring_cqe* first = nullptr;
    const int result = io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
    note(result);
    take_completions();
    if (broken_ != 0 && taken_.empty()) pause_broken(std::min(wait, limits::broken_poll_ms));
  }
  handed_.swap(taken_);
  taken_.clear();
  for (const Completion& c : handed_) {
    DCHECK(operations_ > 0);
    if (!c.more) --operations_;
    if (c.ticket.kind == Kind::cancel) --cancels_;
  }
  return handed_;
}

// An operation may complete as it is handed over, which a full submission queue does in mid-turn.
bool Uring::may_have_received(Ticket recv) const {
  if (io_uring_cq_has_overflow(&ring_)) return true;
  const std::uint64_t wanted = recv.pack();
  unsigned head = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    if (cqe->user_data == wanted && cqe->res > 0) return true;
  }
  return received_some(taken_, recv);
}

void Uring::take_completions() {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    ++count;
    if (FilePiece* const piece = piece_of(cqe->user_data)) {
      on_writable(*piece, cqe->res);
      continue;
    }
    Completion c;
    c.ticket = Ticket::unpack(cqe->user_data);
    c.result = cqe->res;
    c.more = (cqe->flags & IORING_CQE_F_MORE) != 0;
    c.has_buffer = (cqe->flags & IORING_CQE_F_BUFFER) != 0;
    if (c.has_buffer) {
      c.buffer = static_cast<std::uint16_t>(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
      ++buffers_lent_;
      DCHECK(buffers_lent_ <= limits::receive_buffers);
    }
    taken_.push_back(c);
  }
  io_uring_cq_advance(&ring_, count);
  while (!unsent_.empty()) {
    FilePiece& piece = *unsent_.back();
    unsent_.pop_back();
    await_writable(piece);
  }
}

// ---- files: the ring has no sendfile(2), and its splice(2) would keep a kernel thread for each
// client that reads slowly. So the ring tells when the socket takes more, and we send.

void Uring::await_writable(FilePiece& piece) {
  io_uring_sqe* sqe = next_sqe();
  if (piece.pauses == 0) {
    io_uring_prep_poll_add(sqe, piece.socket, POLLOUT);
  } else {
    // Of a client that has sent its FIN each poll of the ring is over at once (POLLRDHUP).
    static const std::array<__kernel_timespec, 7> pauses = [] {
      std::array<__kernel_timespec, 7> all{};
      for (std::size_t i = 0; i < all.size(); ++i) all[i].tv_nsec = 1'000'000LL << i;
      return all;
    }();
    auto& pause = const_cast<__kernel_timespec&>(
        pauses[std::min<std::size_t>(piece.pauses, pauses.size()) - 1]);  // which is only read
    io_uring_prep_timeout(sqe, &pause, 0, 0);
  }
  io_uring_sqe_set_data64(sqe, data_of(piece));
}

// Only while nothing of ours is handed over to the ring is the socket a non-blocking one. `woken`:
// what the poll, or the pause, has ended by.
void Uring::on_writable(FilePiece& piece, int woken) {
  ::fcntl(piece.socket, F_SETFL, O_NONBLOCK);
  const int bytes = lastcall::send_file(piece.socket, piece.file, piece.offset + piece.sent,
                                        piece.bytes - piece.sent);
  ::fcntl(piece.socket, F_SETFL, 0);
  if (bytes > 0) piece.sent += static_cast<std::size_t>(bytes);
  const bool once_more = bytes == -EAGAIN || bytes == -EINTR;
  if (once_more || (bytes > 0 && piece.sent < piece.bytes)) {
    const bool by_fin = woken == -ETIME || (woken > 0 && (woken & POLLRDHUP) != 0);
    piece.pauses = once_more && by_fin ? piece.pauses + 1 : 0;
    --operations_;
    unsent_.push_back(&piece);
    return;
  }
  taken_.push_back({.ticket = piece.ticket, .result = sent_of(piece, bytes)});
}

// ---- lent buffers

void Uring::give_back(std::uint16_t buffer) {
  CHECK(buffers_lent_ > 0);
  --buffers_lent_;
  char* const at = memory_.get() + buffer * limits::receive_buffer_bytes;
  io_uring_buf_ring_add(buffers_, at, limits::receive_buffer_bytes, buffer,
                        io_uring_buf_ring_mask(limits::receive_buffers),
                        static_cast<int>(unpublished_++));
}

void Uring::publish_buffers() {
  if (unpublished_ == 0) return;
  io_uring_buf_ring_advance(buffers_, static_cast<int>(unpublished_));
  unpublished_ = 0;
}

// ---- operations

void Uring::submit_accept(int listener, Ticket ticket, bool once) {
  io_uring_sqe* sqe = next_sqe();
  if (once) {
    io_uring_prep_accept(sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
  } else {
    io_uring_prep_multishot_accept(sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
  }
  io_uring_sqe_set_data64(sqe, ticket.pack());
}

void Uring::submit_recv(int socket, Ticket ticket, bool once) {
  io_uring_sqe* sqe = next_sqe();
  if (once) {
    io_uring_prep_recv(sqe, socket, nullptr, limits::receive_buffer_bytes, 0);
  } else {
    io_uring_prep_recv_multishot(sqe, socket, nullptr, 0, 0);
  }
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = buffer_group;
  io_uring_sqe_set_data64(sqe, ticket.pack());
}

void Uring::submit_send(int socket, std::string_view bytes, Ticket ticket) {
  DCHECK(!bytes.empty());
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_send(sqe, socket, bytes.data(), bytes.size(), MSG_WAITALL | MSG_NOSIGNAL);
  io_uring_sqe_set_data64(sqe, ticket.pack());
}

void Uring::submit_send_two(int socket, TwoPieces& pieces, Ticket ticket) {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_sendmsg(sqe, socket, &pieces.rest(0), MSG_WAITALL | MSG_NOSIGNAL);
  io_uring_sqe_set_data64(sqe, ticket.pack());
}

void Uring::submit_send_file(int socket, FilePiece& piece, Ticket ticket) {
  DCHECK(piece.bytes > 0);
  piece.socket = socket;
  piece.ticket = ticket;
  piece.sent = 0;
  piece.pauses = 0;
  await_writable(piece);
}

void Uring::submit_read(int fd, std::span<std::byte> into, Ticket ticket) {
  DCHECK(!into.empty());
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_read(sqe, fd, into.data(), static_cast<unsigned>(into.size()), 0);
  io_uring_sqe_set_data64(sqe, ticket.pack());
}

void Uring::submit_connect(int socket, const sockaddr* address, socklen_t size, Ticket ticket) {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_connect(sqe, socket, address, size);
  io_uring_sqe_set_data64(sqe, ticket.pack());
}

void Uring::submit_poll(int fd, unsigned events, Ticket ticket) {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_poll_add(sqe, fd, events);
  io_uring_sqe_set_data64(sqe, ticket.pack());
}

// Files are the one place with kernel workers: neither operation can be tried without blocking.
void Uring::submit_write(int fd, std::string_view bytes, std::uint64_t offset, Ticket ticket) {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_write(sqe, fd, bytes.data(), static_cast<unsigned>(bytes.size()), offset);
  io_uring_sqe_set_data64(sqe, ticket.pack());
}

void Uring::submit_sync(int fd, Ticket ticket) {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
  io_uring_sqe_set_data64(sqe, ticket.pack());
}

void Uring::submit_cancel(int, Ticket target) {
  io_uring_sqe* sqe = next_sqe();
  ++cancels_;
  io_uring_prep_cancel64(sqe, target.pack(), 0);
  io_uring_sqe_set_data64(sqe, Ticket{Kind::cancel}.pack());
}

}  // namespace

std::unique_ptr<Io> make_uring(std::string& error) {
  auto io = std::make_unique<Uring>();
  int failed = io->open();
  if (failed == 0) failed = io->prove();
  if (failed == 0) return io;
  error = why_denied(failed);
  return nullptr;
}

}  // namespace lastcall
