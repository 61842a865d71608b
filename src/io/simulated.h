// A kernel that never was: sockets, listeners, rings and a clock, all in memory, all from one seed.
//
// It keeps io_uring's promises (io.h) and is as unkind as they allow: completions come late, in any
// order and in pieces, multishots end without need, buffers and descriptors run out, a cancelled
// accept still carries a socket. `Faults` says how often; the canaries plant a bug that a server
// could have, to show that the oracle would see it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/io.h"

namespace lastcall::sim {

class Random {  // xorshift64*
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull + 0x1234567) {}
  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1p-53 < p; }

 private:
  std::uint64_t state_;
};

enum class Canary : std::uint8_t {
  none,
  no_sweep,            // the listener is closed with connections still queued
  lost_socket,         // the socket in an accept's last completion is dropped
  silent_short_send,   // a send reports success and loses its last byte
  answers_twice,       // a send's bytes arrive two times
  lost_completion,     // a receive ends, and nobody is told
  doubled_completion,  // a send's completion comes two times
  overstated_send,     // a send reports a byte more than it was given
  kept_buffer,         // a buffer that is given back stays lent
  redis_forgets,       // Redis does not note which batch it has counted
  redis_drops,         // Redis confirms a batch that it has not counted
};

// May the next allocation of this thread fail? Not while the simulated kernel runs.
inline thread_local bool allocations_may_fail = false;

class Outside {
 public:
  Outside() { allocations_may_fail = false; }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;
  ~Outside() { allocations_may_fail = before_; }

 private:
  const bool before_ = allocations_may_fail;
};

// How often each unkindness happens, per opportunity.
struct Faults {
  double late = 0.3;             // a ready operation does not complete in this turn
  double partial = 0.3;          // a receive takes only some of what is there
  double no_buffers = 0.01;      // ENOBUFS
  double no_descriptors = 0.01;  // EMFILE
  double aborted = 0.01;         // ECONNABORTED
  double ended_early = 0.03;     // a multishot's completion without `more`
  double cancel_carries = 0.5;   // what is cancelled completes once more, with success
  double interrupted = 0.02;     // EINTR
  double disk_fails = 0.02;      // EIO
  double reset_untold = 0.1;     // a receive goes on though its client has reset
  double cancel_missed = 0.02;   // ENOENT, and the target goes on
  double no_memory = 0;          // of an allocation of the program: tests/simulation/shortage.h
  static Faults none() { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}; }
};

// A connection; the two ends see it through the two directions below.
struct Socket {
  std::string to_server;  // sent, not yet received
  std::string to_client;
  std::size_t window = 256 * 1024;  // what `to_client` may hold: a client that reads slowly
  std::uint64_t acked = 0;          // but for `unacked`
  std::size_t unacked = 0;   // of a client that has vanished; from others what is sent arrives
  std::size_t received = 0;  // by the server, of what was sent to it
  // Of each send: where it ends, of all that was sent, and how much the server had received then.
  std::deque<std::pair<std::size_t, std::size_t>> sends;
  std::size_t sent_in_time = 0;       // by the client, before the window's end
  std::size_t receive_room = 0;       // as told
  std::size_t received_in_place = 0;  // of `received`, into memory of the caller's
  bool client_fin = false;
  bool client_reset = false;
  bool told_of_reset = false;  // or will never be
  bool reset_untold = false;
  bool server_fin = false;
  bool server_shut = false;
  bool server_closed = false;
  bool server_reset = false;  // closed with bytes unread, or in the queue of a closed listener
  bool accepted = false;
  bool sent_after_fin = false;  // by the client, which had not seen it
};

struct ListenSocket {
  std::deque<int> queue;     // connected, not accepted
  std::deque<int> half_way;  // handshakes
  bool unlistened = false;
  bool closed = false;
};

// A server that the simulated process connects to.
class Upstream {
 public:
  virtual ~Upstream() = default;
  // 0, -errno, or nothing yet: asked again in a later turn.
  virtual std::optional<int> connect(int socket) = 0;
};

class Kernel {
 public:
  Kernel(std::uint64_t seed, const Faults& faults) : random(seed), faults(faults) {}

  int make_listener();
  int make_event();
  // A SYN: the new socket, or nothing when it is refused.
  std::optional<int> connect();
  // A SYN that nobody stands behind: the handshake stays half-way. False: it is refused.
  bool spoof_syn();
  // The client's ACK. `reset`: the listener has gone meanwhile. `dropped`: it comes again.
  enum class Ack : std::uint8_t { taken, dropped, reset };
  Ack finish_handshake(int socket);
  [[nodiscard]] bool connected(int socket) const;
  void raise(int signal) { signals.push_back(signal); }

  Ms now = 1'000'000;
  bool window_over = false;  // of the drain
  Random random;
  Faults faults;
  Canary canary = Canary::none;
  std::map<int, Socket> sockets;
  std::map<int, ListenSocket> listeners;
  std::set<int> by_cookie;  // sockets whose handshake is half-way, by a SYN cookie
  std::map<int, std::uint64_t> events;
  std::map<int, std::string> files;  // by descriptor
  Upstream* upstream = nullptr;      // where each outbound connect goes
  std::deque<int> signals;
  int signal_fd = 3;
  int next_fd = 10;
  std::size_t abandoned_handshakes = 0;
  bool syn_cookies = false;  // handshakes are kept nowhere until they are finished
  std::int64_t cookies_sent = 0;
  std::size_t backlog = SIZE_MAX;  // of a listener's queue: an ACK that finds it full is dropped
  std::int64_t listen_overflows = 0;
  std::size_t cookies_refused = 0;  // finished when no listener was there any more
  std::size_t reserved = 0;         // operations that room was asked for
  std::size_t looks = 0;            // at how many bytes wait in a socket, in or out

 private:
  [[nodiscard]] ListenSocket* one_that_listens();
};

class SimIo final : public Io {
 public:
  explicit SimIo(Kernel& kernel) : kernel_(kernel) {}
  SimIo(const SimIo&) = delete;
  SimIo& operator=(const SimIo&) = delete;
  ~SimIo() override;

  void reserve(std::size_t more) override { kernel_.reserved += more; }
  void submit_accept(int listener, Ticket ticket, bool once) override;
  void submit_recv(int socket, Ticket ticket, bool once) override;
  void submit_send(int socket, std::string_view bytes, Ticket ticket) override;
  void submit_send_two(int socket, TwoPieces& pieces, Ticket ticket) override;
  void submit_send_file(int socket, FilePiece& piece, Ticket ticket) override;
  void submit_read(int fd, std::span<std::byte> into, Ticket ticket) override;
  void submit_connect(int socket, const sockaddr* address, socklen_t size, Ticket ticket) override;
  void submit_poll(int fd, unsigned events, Ticket ticket) override;
  void submit_write(int fd, std::string_view bytes, std::uint64_t offset, Ticket ticket) override;
  void submit_sync(int fd, Ticket ticket) override;
  void submit_cancel(int fd, Ticket target) override;
  std::span<const Completion> harvest(Ms until) override;  // never waits: the schedule moves time
  [[nodiscard]] bool may_have_received(Ticket) const override { return false; }
  [[nodiscard]] std::size_t operations() const override { return operations_.size(); }
  [[nodiscard]] std::size_t cancels() const override;
  [[nodiscard]] std::string_view lent(std::uint16_t buffer, std::size_t bytes) const override;
  void give_back(std::uint16_t buffer) override;
  [[nodiscard]] std::size_t buffers_lent() const override { return lent_.size(); }
  Ms now() override { return kernel_.now; }
  std::int64_t wall_seconds() override { return 784111777 + kernel_.now / 1000; }
  int accept_now(int listener) override;
  int open_socket(int family) override;
  void shut_send(int socket) override;
  void shut_both(int socket) override;
  void reset(int socket) override;
  void set_close_resets(int, bool) override {}
  void close(int fd) override;
  std::size_t bytes_waiting(int socket) override;
  std::size_t receive_now(int socket, std::span<char> into) override;
  std::size_t bytes_unacked(int socket) override {
    ++kernel_.looks;
    return kernel_.sockets[socket].unacked;
  }
  std::uint64_t bytes_acked(int socket) override;
  bool gone(int socket) override { return kernel_.sockets[socket].client_reset; }
  bool quiet(int socket) override;
  void set_receive_room(int socket, std::size_t bytes) override {
    kernel_.sockets[socket].receive_room = bytes;
  }
  bool met_itself(int) override { return false; }
  int listen(int) override { return 0; }  // whoever is to be refused before does not come
  int unlisten(int listener) override;
  unsigned accept_queue_length(int listener) override;
  int handshakes_half_way(std::uint16_t port) override;
  TcpCounts tcp_counts() override { return {kernel_.cookies_sent, kernel_.listen_overflows}; }
  void wake(int eventfd) override {
    const Outside outside;
    ++kernel_.events[eventfd];
  }
  std::string peer(int socket) override {  // a reset one is known no more, as in Linux
    return kernel_.sockets[socket].client_reset ? "a client that has gone"
                                                : "192.0.2.1:" + std::to_string(socket);
  }

  [[nodiscard]] Ms waits_until() const { return waits_until_; }

 private:
  enum class Does : std::uint8_t {
    accept,
    recv,
    send,
    send_two,
    send_file,
    read,
    connect,
    poll,
    write,
    sync,
    cancel
  };
  struct Operation {
    Does does = Does::cancel;
    Ticket ticket;
    int fd = -1;
    bool once = false;
    bool canceled = false;
    unsigned events = 0;
    std::string_view bytes;
    std::size_t sent = 0;
    std::uint64_t offset = 0;
    std::span<std::byte> into;
    FilePiece* piece = nullptr;
    const TwoPieces* pieces = nullptr;
  };
  void add(const Operation& operation);
  void note_send(int socket, std::size_t bytes);
  // Each returns true when the operation has ended.
  bool step(Operation& operation);
  bool step_accept(Operation& operation);
  bool step_recv(Operation& operation);
  bool step_send(Operation& operation);
  bool step_send_two(Operation& operation);
  bool step_send_file(Operation& operation);
  bool step_read(Operation& operation);
  bool step_stream_read(Operation& operation);
  bool step_connect(Operation& operation);
  bool step_poll(Operation& operation);
  bool step_write(Operation& operation);
  bool complete(const Operation& operation, int result, bool more = false);
  [[nodiscard]] bool plants(Canary canary);
  void lend(Completion& completion, std::string_view bytes);
  int take_queued(ListenSocket& listener);

  Kernel& kernel_;
  std::vector<Operation> operations_;
  std::vector<Completion> completions_;
  std::map<std::uint16_t, std::unique_ptr<std::array<char, limits::receive_buffer_bytes>>> lent_;
  std::uint16_t next_buffer_ = 0;
  Ms waits_until_ = 0;
};

}  // namespace lastcall::sim
