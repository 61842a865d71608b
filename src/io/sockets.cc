#include "io/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>

#include "base/check.h"

namespace lastcall {
namespace {

// An interface that cannot exist: indices are handed out from 1 upwards and are positive ints.
constexpr int no_interface = 0x7fffffff;
constexpr unsigned state_syn_received = 3;  // TCP_SYN_RECV in the kernel's tcp_states.h
constexpr unsigned state_closed = 7;        // TCP_CLOSE there
constexpr unsigned state_listens = 10;      // TCP_LISTEN there

template <class T>
int set_option(int fd, int level, int option, T value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

Descriptor open_bound(const Address& address, int reuse) {
  const int family = address.storage.ss_family;
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {-1, errno};
  int error = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (error == 0 && reuse != 0) error = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (error == 0 && family == AF_INET6) error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  const auto* name = reinterpret_cast<const sockaddr*>(&address.storage);
  if (error == 0 && bind(fd, name, address.size) != 0) error = errno;
  if (error == 0) return {fd, 0};
  ::close(fd);
  return {-1, error};
}

// What is accepted inherits it (tcp(7)). Where it cannot be had, vanished peers keep their places
// for the idle time-out.
void probe_silent_peers(int listener, Ms silent) {
  if (silent == 0) return;
  const auto seconds = [](Ms ms) { return static_cast<int>(std::clamp<Ms>(ms / 1000, 1, 32'767)); };
  (void)set_option(listener, IPPROTO_TCP, TCP_KEEPIDLE, seconds(silent));
  (void)set_option(listener, IPPROTO_TCP, TCP_KEEPINTVL, seconds(silent / 3));
  (void)set_option(listener, IPPROTO_TCP, TCP_KEEPCNT, limits::keepalive_probes);
  (void)set_option(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
}

// The kernel takes twice as much as it is told, for its own (socket(7)).
int bound_received(int socket, std::size_t bytes) {
  return set_option(socket, SOL_SOCKET, SO_RCVBUF, static_cast<int>(bytes / 2));
}

// Rows of one table of /proc/net (proc(5)) whose local port is `port` and whose state is SYN_RECV.
int count_syn_received(const char* path, std::uint16_t port) {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return -1;
  int count = 0;
  char row[512];
  while (std::fgets(row, sizeof row, file) != nullptr) {
    unsigned local_port = 0;
    unsigned state = 0;
    if (std::sscanf(row, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &local_port, &state) == 2 &&
        local_port == port && state == state_syn_received) {
      ++count;
    }
  }
  std::fclose(file);
  return count;
}

// The same by sock_diag(7), where the kernel picks the rows: a twentieth of the time. -1: denied.
int count_syn_received(int netlink, std::uint8_t family, std::uint16_t port) {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 query;
  } request{};
  request.header = {sizeof request, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0};
  request.query.sdiag_family = family;
  request.query.sdiag_protocol = IPPROTO_TCP;
  request.query.idiag_states = 1u << state_syn_received;
  request.query.id.idiag_sport = htons(port);
  if (send(netlink, &request, sizeof request, 0) != static_cast<ssize_t>(sizeof request)) return -1;
  int count = 0;
  alignas(nlmsghdr) char answer[16 * 1024];
  for (;;) {
    const ssize_t received = recv(netlink, answer, sizeof answer, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return -1;
    auto left = static_cast<unsigned>(received);
    for (auto* m = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(m, left);
         m = NLMSG_NEXT(m, left)) {
      if (m->nlmsg_type == NLMSG_DONE) return count;
      if (m->nlmsg_type == NLMSG_ERROR) return -1;
      ++count;
    }
  }
}

int diag_half_way(std::uint16_t port) {
  const int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (netlink < 0) return -1;
  const int v4 = count_syn_received(netlink, AF_INET, port);
  const int v6 = v4 < 0 ? -1 : count_syn_received(netlink, AF_INET6, port);
  ::close(netlink);
  return v4 < 0 || v6 < 0 ? -1 : v4 + v6;
}

bool read_tcp_info(int fd, tcp_info& info) {
  socklen_t size = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
}

}  // namespace

std::string Address::parse(std::string_view text, Address& address) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return "expected ADDRESS:PORT, such as 0.0.0.0:8080 or [::]:8080";
  std::string host(text.substr(0, colon));
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty())
    return "the port must be a number from 0 to 65535";
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1)
      return "the part in brackets must be an IPv6 address, such as [::1]:8080";
    v6.sin6_family = AF_INET6;
    address.size = sizeof v6;
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1)
      return "the address must be a literal one, such as 127.0.0.1:8080 or [::1]:8080";
    v4.sin_family = AF_INET;
    address.size = sizeof v4;
  }
  address.set_port(port);
  return {};
}

std::uint16_t Address::port() const {
  // sin_port and sin6_port stand at the same place.
  return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

void Address::set_port(std::uint16_t port) {
  reinterpret_cast<sockaddr_in&>(storage).sin_port = htons(port);
}

bool Address::is_ipv6_any() const {
  return storage.ss_family == AF_INET6 &&
         IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr);
}

std::string Address::text() const {
  char host[INET6_ADDRSTRLEN] = "?";
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
    return fmt::format("[{}]:{}", host, port());
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
  inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
  return fmt::format("{}:{}", host, port());
}

bool Address::of_unix(std::string_view path, Address& address) {
  auto& name = reinterpret_cast<sockaddr_un&>(address.storage);
  static_assert(sizeof name <= sizeof address.storage);
  if (path.empty() || path.size() >= sizeof name.sun_path) return false;
  address.storage = {};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, path.size());
  if (path.front() == '@') name.sun_path[0] = '\0';
  const std::size_t end = path.size() + (path.front() == '@' ? 0 : 1);
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + end);
  return true;
}

Descriptor claim_port(std::uint16_t port) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  // Behind a zero byte: abstract.
  const auto [end, size] =
      fmt::format_to_n(name.sun_path + 1, sizeof name.sun_path - 1, "lastcall-takes-port-{}", port);
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {-1, errno};
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  const auto bytes = static_cast<socklen_t>(end - reinterpret_cast<const char*>(&name));
  if (bind(fd, address, bytes) == 0) return {fd, 0};
  const int error = errno;
  ::close(fd);
  return {-1, error};
}

int probe_port(const Address& address) {
  const Descriptor probe = open_bound(address, 0);
  if (probe.error != 0) return probe.error;
  ::close(probe.fd);
  return 0;
}

Descriptor open_listener(const Address& address, const ListenerOptions& options) {
  const Descriptor bound = open_bound(address, 1);
  if (bound.error != 0) return bound;
  int error = set_option(bound.fd, IPPROTO_TCP, TCP_NODELAY, 1);
  probe_silent_peers(bound.fd, options.keepalive);
  if (options.narrow) {
    (void)bound_received(bound.fd, limits::narrow_socket_bytes);
    (void)set_option(bound.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT,
                     static_cast<int>(limits::unsent_bytes_max));
  }
  if (error == 0 && options.listens && listen(bound.fd, limits::listen_backlog) != 0) error = errno;
  if (error == 0) return bound;
  ::close(bound.fd);
  return {-1, error};
}

Address local_address(int socket) {
  Address address;
  address.size = sizeof address.storage;
  getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  return address;
}

std::string peer_text(int socket) {
  Address address;
  address.size = sizeof address.storage;
  const bool known =
      getpeername(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size) == 0;
  try {
    return known ? address.text() : "a client that has gone";
  } catch (const std::bad_alloc&) {
    return "a client";  // so short that it needs no memory
  }
}

bool can_unlisten() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int error = set_option(fd, SOL_SOCKET, SO_BINDTOIFINDEX, no_interface);
  ::close(fd);
  return error == 0;
}

Ms monotonic_ms() {
  std::timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return Ms{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

std::int64_t SocketIo::wall_seconds() {
  std::timespec time{};
  clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return time.tv_sec;
}

// Sockets are blocking ones: io_uring waits by itself, and fails at once where O_NONBLOCK is set.
// Only the sweep, when no operation is left on the listener, needs it.
int SocketIo::accept_now(int listener) {
  fcntl(listener, F_SETFL, O_NONBLOCK);
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  return fd >= 0 ? fd : -errno;
}

int SocketIo::listen(int socket) {
  return ::listen(socket, limits::listen_backlog) == 0 ? 0 : -errno;
}

int SocketIo::open_socket(int family) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  (void)set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);  // whoever listens later may have its port
  return fd;
}

// shutdown(2) itself: as an io_uring operation it would cost a kernel thread. ENOTCONN means that
// the peer was faster, which the outstanding operations report as well.
void SocketIo::shut_send(int socket) { ::shutdown(socket, SHUT_WR); }
void SocketIo::shut_both(int socket) { ::shutdown(socket, SHUT_RDWR); }

void SocketIo::close(int fd) { CHECK(::close(fd) == 0 || errno != EBADF); }

std::size_t SocketIo::bytes_waiting(int socket) {
  int bytes = 0;
  return ioctl(socket, SIOCINQ, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

std::size_t SocketIo::receive_now(int socket, std::span<char> into) {
  const ssize_t bytes = ::recv(socket, into.data(), into.size(), MSG_DONTWAIT);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

std::size_t SocketIo::bytes_unacked(int socket) {
  int bytes = 0;
  return ioctl(socket, SIOCOUTQ, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

bool SocketIo::met_itself(int socket) {
  Address peer;
  peer.size = sizeof peer.storage;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&peer.storage), &peer.size) != 0)
    return false;
  const Address local = local_address(socket);
  return peer.storage.ss_family != AF_UNIX && local.size == peer.size &&
         std::memcmp(&local.storage, &peer.storage, peer.size) == 0;
}

void SocketIo::set_receive_room(int socket, std::size_t bytes) {
  (void)bound_received(socket, bytes);
}

// tcp(7): a connect to no address dissolves the association, with a RST. Where that fails, close(2)
// sends it, by SO_LINGER of socket(7).
void SocketIo::reset(int socket) {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  if (connect(socket, &nobody, sizeof nobody) != 0) set_close_resets(socket, true);
}

void SocketIo::set_close_resets(int socket, bool resets) {
  const linger none{.l_onoff = resets, .l_linger = 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

bool SocketIo::gone(int socket) {
  tcp_info info{};
  return read_tcp_info(socket, info) && info.tcpi_state == state_closed;
}

bool SocketIo::quiet(int socket) {
  pollfd input{socket, POLLIN | POLLRDHUP, 0};
  return poll(&input, 1, 0) == 0;
}

std::uint64_t SocketIo::bytes_acked(int socket) {
  tcp_info info{};
  return read_tcp_info(socket, info) ? info.tcpi_bytes_acked : 0;
}

int SocketIo::unlisten(int listener) {
  return -set_option(listener, SOL_SOCKET, SO_BINDTOIFINDEX, no_interface);
}

unsigned connections_queued(int listener) {
  tcp_info info{};
  return read_tcp_info(listener, info) && info.tcpi_state == state_listens ? info.tcpi_unacked : 0;
}

unsigned SocketIo::accept_queue_length(int listener) { return connections_queued(listener); }

int SocketIo::handshakes_half_way(std::uint16_t port) {
  if (const int count = diag_half_way(port); count >= 0) return count;
  const int v4 = count_syn_received("/proc/net/tcp", port);
  if (v4 < 0) return -1;
  const int v6 = count_syn_received("/proc/net/tcp6", port);  // absent where IPv6 is off
  return v4 + (v6 < 0 ? 0 : v6);
}

// Pairs of lines: names, and their values.
TcpCounts SocketIo::tcp_counts() {
  TcpCounts counts;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/net/netstat", "re"),
                                                             std::fclose);
  std::array<char, 8192> names;
  std::array<char, 8192> values;
  while (file != nullptr && std::fgets(names.data(), names.size(), file.get()) != nullptr &&
         std::fgets(values.data(), values.size(), file.get()) != nullptr) {
    char* names_left = nullptr;
    char* values_left = nullptr;
    const char* name = strtok_r(names.data(), " \n", &names_left);
    const char* value = strtok_r(values.data(), " \n", &values_left);
    while (name != nullptr && value != nullptr) {
      if (std::strcmp(name, "SyncookiesSent") == 0)
        counts.cookies_sent = std::strtoll(value, nullptr, 10);
      if (std::strcmp(name, "ListenOverflows") == 0)
        counts.listen_overflows = std::strtoll(value, nullptr, 10);
      name = strtok_r(nullptr, " \n", &names_left);
      value = strtok_r(nullptr, " \n", &values_left);
    }
  }
  return counts;
}

void wake_event(int eventfd) {
  const std::uint64_t one = 1;
  // EAGAIN: the counter is full, so that it is readable already.
  if (::write(eventfd, &one, sizeof one) < 0) CHECK(errno == EAGAIN || errno == EINTR);
}

}  // namespace lastcall
