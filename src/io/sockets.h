// Linux's sockets as system calls that never block: what every implementation of the seam on Linux
// shares.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "io/io.h"

namespace lastcall {

// "127.0.0.1:8080", "[::1]:8080": a literal address and a port, 0 for any free one.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  // Empty on success, else what is wrong with `text`.
  [[nodiscard]] static std::string parse(std::string_view text, Address& address);
  // Of a unix socket, by its path or, behind '@', its abstract name. False: too long.
  [[nodiscard]] static bool of_unix(std::string_view path, Address& address);
  [[nodiscard]] std::uint16_t port() const;
  void set_port(std::uint16_t port);
  [[nodiscard]] bool is_ipv6_any() const;
  [[nodiscard]] std::string text() const;
};

struct Descriptor {  // or why there is none
  int fd = -1;
  int error = 0;  // errno
};

// Only one process of this network namespace at a time looks whether a port is free, and takes it:
// two that look in the same instant would both find it free, and share it by SO_REUSEPORT. Held
// until the descriptor is closed: an abstract socket's name (unix(7)). EADDRINUSE: another has it;
// any other error: there is no such thing here, and nobody to wait for.
[[nodiscard]] Descriptor claim_port(std::uint16_t port);
// Is someone else listening there? SO_REUSEPORT would hide it, so this binds without. 0, or errno.
[[nodiscard]] int probe_port(const Address& address);
// How a listener is to be.
struct ListenerOptions {
  Ms keepalive = 0;
  bool narrow = false;
  bool listens = true;  // else it is only bound
};
// A listening socket: SO_REUSEPORT, TCP_NODELAY (inherited), dual stack where it is IPv6. A peer of
// an accepted one that has vanished is asked for after `keepalive` ms of silence, and given up
// after as much again and a third; 0: never.
// `narrow`: what the kernel may hold for it is bounded (limits::narrow_socket_bytes, received;
// unsent_bytes_max, TCP_NOTSENT_LOWAT of tcp(7)): else both grow to megabytes.
[[nodiscard]] Descriptor open_listener(const Address& address, const ListenerOptions& options = {});
[[nodiscard]] Address local_address(int socket);
[[nodiscard]] std::string peer_text(int socket);
// Can a listener be un-listened here? Tried on a socket of its own.
[[nodiscard]] bool can_unlisten();

// In the accept queue of a listener. Async-signal-safe, as what follows.
[[nodiscard]] unsigned connections_queued(int listener);
[[nodiscard]] Ms monotonic_ms();  // CLOCK_MONOTONIC
void wake_event(int eventfd);     // eventfd(2): whoever reads it wakes

// The clock and the socket calls of `Io`; its operations come from a derived class.
class SocketIo : public Io {
 public:
  Ms now() override { return monotonic_ms(); }
  std::int64_t wall_seconds() override;
  int listen(int socket) override;
  int accept_now(int listener) override;
  int open_socket(int family) override;
  void shut_send(int socket) override;
  void shut_both(int socket) override;
  void reset(int socket) override;
  void set_close_resets(int socket, bool resets) override;
  void close(int fd) override;
  std::size_t bytes_waiting(int socket) override;
  std::size_t receive_now(int socket, std::span<char> into) override;
  std::size_t bytes_unacked(int socket) override;
  std::uint64_t bytes_acked(int socket) override;
  bool gone(int socket) override;
  bool met_itself(int socket) override;
  bool quiet(int socket) override;
  void set_receive_room(int socket, std::size_t bytes) override;
  int unlisten(int listener) override;
  unsigned accept_queue_length(int listener) override;
  int handshakes_half_way(std::uint16_t port) override;
  TcpCounts tcp_counts() override;
  void wake(int eventfd) override { wake_event(eventfd); }
  std::string peer(int socket) override { return peer_text(socket); }
};

}  // namespace lastcall
