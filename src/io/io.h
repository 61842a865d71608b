// The seam between lastcall and the kernel.
//
// The rooms above know neither liburing, nor epoll, nor any call on a client's socket. uring.h is
// the implementation that serves, epoll.h the one for where io_uring is denied, simulated.h one
// with a virtual clock and a network that misbehaves on purpose, for tests;
// tests/unit/io/io_test.cc holds all three to this page. One `Io` belongs to one worker and
// is used on its thread only, but for `wake`.
//
// Invariants
//  1. `operations()` is +1 for each submit and -1 for each completion without `more` that a
//     harvest returns. A worker may leave only at 0: until then the kernel may still write to
//     memory that an operation names.
//  2. A receive completion with `has_buffer` lends that buffer to the caller until `give_back`.
//  3. Memory passed to a submit stays valid until its completion.
//  4. A cancel has a completion of its own, in any order with that of its target; only the target's
//     own completion without `more` proves that it has ended.
//  5. A cancelled send that has sent a part reports that part. What has been received is handed
//     over before a FIN or a reset that came behind it.
//  6. A descriptor is closed by `close`, and only when nothing is outstanding on it. One that is
//     only polled may be somebody else's, who closes it when the poll has ended or is cancelled.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/limits.h"

namespace lastcall {

enum class Kind : std::uint32_t {
  accept,   // index: which listener
  recv,     // index, generation: which connection
  send,     // index, generation: which connection
  cancel,   // nobody waits for it; counted like all others
  signal,   // the signalfd
  wake,     // the worker's eventfd
  awaited,  // index, generation: which slot of Operations (operations.h)
};

// What an operation is for, packed into the 64 bits that come back with its completion. The
// generation rejects a completion that belongs to an earlier user of the same connection slot.
// Each member is as wide as it is read when a ticket is passed in registers, the first two at once:
// a processor waits where it reads more than was written a moment ago.
struct Ticket {
  static constexpr std::uint32_t indices = 1u << 24;

  std::uint32_t index = 0;  // below `indices`
  std::uint32_t generation = 0;
  Kind kind = Kind::cancel;

  constexpr Ticket() = default;
  constexpr Ticket(Kind k, std::uint32_t i = 0, std::uint32_t g = 0)
      : index(i), generation(g), kind(k) {}

  [[nodiscard]] std::uint64_t pack() const {
    return std::uint64_t{generation} << 32 | std::uint64_t{index % indices} << 8 |
           static_cast<std::uint8_t>(kind);
  }
  static Ticket unpack(std::uint64_t bits) {
    return {static_cast<Kind>(bits & 0xff), static_cast<std::uint32_t>(bits >> 8) % indices,
            static_cast<std::uint32_t>(bits >> 32)};
  }
};

struct Completion {
  Ticket ticket;
  int result = 0;           // as the system call's: bytes, a descriptor, or -errno
  bool more = false;        // the operation goes on: further completions will come
  bool has_buffer = false;  // `buffer` is lent to us
  std::uint16_t buffer = 0;
};

// Has `recv` received something, by one of these?
inline bool received_some(std::span<const Completion> completions, Ticket recv) {
  return std::any_of(completions.begin(), completions.end(), [&](const Completion& c) {
    return c.result > 0 && c.ticket.pack() == recv.pack();
  });
}

// What a send takes of a file. The file stays open, and this where it is, until the completion.
struct FilePiece {
  int file = -1;
  std::uint64_t offset = 0;
  std::size_t bytes = 0;

  // The implementation's own.
  int socket = -1;
  Ticket ticket{};
  std::size_t sent = 0;
  unsigned pauses = 0;  // since it last went on
};

// What a send of it has come to, when its last call has returned `last`: all, or what went before
// an error; 0: the file has ended.
[[nodiscard]] inline int sent_of(const FilePiece& piece, int last) {
  if (last == 0) return -ENODATA;
  return last < 0 && piece.sent == 0 ? last : static_cast<int>(piece.sent);
}

// Bytes that stand in two places, none of them empty, to be sent one behind the other. They stay
// where they are, and so does this, until the completion.
struct TwoPieces {
  std::string_view first;
  std::string_view second;

  // The implementation's own.
  std::array<iovec, 2> parts{};
  msghdr message{};

  [[nodiscard]] std::size_t size() const { return first.size() + second.size(); }
  // What is left when so many have been sent, as sendmsg(2) takes it.
  msghdr& rest(std::size_t sent) {
    const auto part = [](std::string_view bytes) {
      return iovec{const_cast<char*>(bytes.data()), bytes.size()};  // which is only read
    };
    parts = {part(first.substr(std::min(sent, first.size()))),
             part(second.substr(sent - std::min(sent, first.size())))};
    message = {};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    return message;
  }
};

// What TCP has counted so far in this network namespace (proc(5), net/netstat); -1: cannot be
// known.
struct TcpCounts {
  std::int64_t cookies_sent = -1;      // SyncookiesSent
  std::int64_t listen_overflows = -1;  // ListenOverflows: last ACKs that met a full accept queue
};

class Io {
 public:
  virtual ~Io() = default;

  // ---- operations: each yields completions, the last of them without `more`

  // Memory for `more` operations outstanding at once, from here on: a submit that has it does not
  // fail. Throws std::bad_alloc, and has changed nothing.
  virtual void reserve(std::size_t more) = 0;

  // Accepts until cancelled or failed, or `once`; a completion's result is the new socket.
  virtual void submit_accept(int listener, Ticket, bool once) = 0;
  // Receives into lent buffers until cancelled, failed or at EOF, or one buffer `once`. With none
  // free it fails by ENOBUFS, whether there is something to receive or not: submitted again when
  // one is.
  virtual void submit_recv(int socket, Ticket, bool once) = 0;
  // Sends all of `bytes` unless the connection fails: a short result means that it did.
  virtual void submit_send(int socket, std::string_view bytes, Ticket) = 0;
  virtual void submit_send_two(int socket, TwoPieces& pieces, Ticket) = 0;  // likewise
  // As `submit_send`, of a file's content; without a copy of ours where that is possible. -ENODATA:
  // the file ends before. What is not in the page cache is read by the worker's own thread.
  virtual void submit_send_file(int socket, FilePiece& piece, Ticket) = 0;
  virtual void submit_read(int fd, std::span<std::byte> into, Ticket) = 0;  // once; some of it
  virtual void submit_connect(int socket, const sockaddr* address, socklen_t size, Ticket) = 0;
  virtual void submit_poll(int fd, unsigned events, Ticket) = 0;  // once; poll(2)'s bits
  virtual void submit_write(int fd, std::string_view bytes, std::uint64_t offset, Ticket) = 0;
  virtual void submit_sync(int fd, Ticket) = 0;           // fdatasync(2)
  virtual void submit_cancel(int fd, Ticket target) = 0;  // of what was submitted on `fd`

  // Hands over what was submitted, waits for a completion or the instant `until`, and returns what
  // has completed; valid until the next call. Interrupted waits return an empty span.
  virtual std::span<const Completion> harvest(Ms until) = 0;
  // May a completion of `recv` that has received something be queued but unharvested?
  [[nodiscard]] virtual bool may_have_received(Ticket recv) const = 0;
  [[nodiscard]] virtual std::size_t operations() const = 0;
  [[nodiscard]] virtual std::size_t cancels() const = 0;  // those of them that cancel another
  // 0, or the errno with which the kernel has refused to go on: some operations may never complete.
  [[nodiscard]] virtual int broken() const { return 0; }

  // ---- lent receive buffers
  [[nodiscard]] virtual std::string_view lent(std::uint16_t buffer, std::size_t bytes) const = 0;
  virtual void give_back(std::uint16_t buffer) = 0;
  [[nodiscard]] virtual std::size_t buffers_lent() const = 0;

  // ---- the clock
  virtual Ms now() = 0;                     // CLOCK_MONOTONIC
  virtual std::int64_t wall_seconds() = 0;  // CLOCK_REALTIME, for Date

  // ---- sockets: system calls that never block. Results are as the system call's, or -errno.
  virtual int listen(int socket) = 0;        // one that is bound; limits::listen_backlog
  virtual int accept_now(int listener) = 0;  // -EAGAIN: the queue is empty
  virtual int open_socket(int family) = 0;   // a TCP one, TCP_NODELAY
  virtual void shut_send(int socket) = 0;    // SHUT_WR: our FIN
  virtual void shut_both(int socket) = 0;    // SHUT_RDWR: outstanding operations end
  // A RST in the place of a FIN, which would say that all has been sent; outstanding operations
  // end.
  virtual void reset(int socket) = 0;
  // From here on, or not any more, does a close send a RST? The process's end, too (SO_LINGER of
  // socket(7)).
  virtual void set_close_resets(int socket, bool resets) = 0;
  virtual void close(int fd) = 0;
  // Received by the kernel, and not by us yet (SIOCINQ of tcp(7)).
  virtual std::size_t bytes_waiting(int socket) = 0;
  // Takes of that, without waiting; 0: nothing is there.
  virtual std::size_t receive_now(int socket, std::span<char> into) = 0;
  // Sent, and not acknowledged by the peer yet, or when it was reset; a FIN counts 1 (SIOCOUTQ of
  // tcp(7)).
  virtual std::size_t bytes_unacked(int socket) = 0;
  virtual std::uint64_t bytes_acked(int socket) = 0;  // tcp(7) TCP_INFO tcpi_bytes_acked
  // The connection is no more: reset, or given up for dead (TCP_INFO tcpi_state, TCP_CLOSE). An
  // outstanding receive tells it, mostly: of uploaders that reset, Linux 6.18 forgets some.
  virtual bool gone(int socket) = 0;
  // It has met itself: a connect to a local port of the range that sources are taken from, where
  // nobody listens, may (RFC 9293 section 3.5, simultaneous open).
  virtual bool met_itself(int socket) = 0;
  // Nothing has come that was not taken: no byte, no FIN, no reset.
  virtual bool quiet(int socket) = 0;
  virtual void set_receive_room(int socket, std::size_t bytes) = 0;  // of the kernel (SO_RCVBUF)
  // From here on the listener answers no new SYN, and handshakes begun before complete. There is
  // no way back. 0, or -errno where the kernel cannot (SO_BINDTOIFINDEX: socket(7), Linux 5.1).
  virtual int unlisten(int listener) = 0;
  virtual unsigned accept_queue_length(int listener) = 0;  // TCP_INFO tcpi_unacked of a listener
  // Handshakes half-way on `port`, which are in no accept queue yet; -1: cannot be known.
  virtual int handshakes_half_way(std::uint16_t port) = 0;
  virtual TcpCounts tcp_counts() = 0;
  virtual void wake(int eventfd) = 0;        // a worker's; on any thread
  virtual std::string peer(int socket) = 0;  // "address:port", for the log
};

}  // namespace lastcall
