// The floor: what the kernel alone costs. A server that answers every request with the same bytes
// and understands none of them. It drives io_uring as src/io/uring.cc does (the same flags, sizes,
// multishot accept and receive, one send in flight), so that what lastcall costs beyond it is HTTP;
// with --epoll it is the least that a server over epoll(7) can do.
//
//   floor [--epoll] [--parse] PORT      on 127.0.0.1, one thread; until it is killed
//
// Its answer has as many bytes as lastcall's to `GET /`. A request ends at an empty line: counted,
// so that pipelining works, and nothing else is looked at. With --parse llhttp finds that end, and
// what it finds besides is discarded: the bound of a server that leaves to llhttp what a request
// is. For benchmarks on loopback only: a client that sends a body or breaks off is nobody's concern
// here.
#include <arpa/inet.h>
#include <fcntl.h>
#include <liburing.h>
#include <llhttp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"

namespace {

namespace limits = lastcall::limits;

constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\n"
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "Content-Length: 11\r\n"
    "Content-Type: text/plain\r\n"
    "\r\n"
    "hello world";
constexpr std::size_t batch_max = 1024;  // answers in one send
constexpr int buffer_group = 0;
constexpr std::size_t descriptors_max = 65'536;

enum class Kind : std::uint8_t { accept, recv, send };

// As many as one send may hold.
std::string make_answers() {
  std::string answers;
  for (std::size_t i = 0; i < batch_max; ++i) answers += answer;
  return answers;
}

std::uint64_t ticket(Kind kind, int fd) {
  return static_cast<std::uint64_t>(fd) << 8 | static_cast<std::uint8_t>(kind);
}

struct Client {
  bool sending = false;
  bool gone = false;  // closed once nothing is outstanding
  std::size_t owed = 0;
};

[[noreturn]] void fail(const char* what, int error) {
  std::fprintf(stderr, "floor: %s: %s\n", what, std::strerror(error));
  std::exit(1);
}

int listen_on(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // inherited
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail("bind", errno);
  if (listen(fd, limits::listen_backlog) != 0) fail("listen", errno);
  return fd;
}

// Where requests end, of each client by its descriptor.
class Requests {
 public:
  explicit Requests(bool parses);

  void begin(int fd);  // a client has come
  // How many end in these bytes, behind those that have come before.
  [[nodiscard]] std::size_t ends(int fd, std::string_view bytes) {
    const auto client = static_cast<std::size_t>(fd);
    return parsers_.empty() ? count(last_[client], bytes) : parse(parsers_[client], bytes);
  }

 private:
  static std::size_t count(std::uint32_t& last, std::string_view bytes);
  static std::size_t parse(llhttp_t& parser, std::string_view bytes);

  llhttp_settings_t settings_{};
  std::vector<std::uint32_t> last_;  // the last four bytes of each
  std::vector<llhttp_t> parsers_;    // empty: nothing is parsed
};

Requests::Requests(bool parses)
    : last_(parses ? 0 : descriptors_max), parsers_(parses ? descriptors_max : 0) {
  llhttp_settings_init(&settings_);
  settings_.on_message_complete = [](llhttp_t* parser) {
    ++*static_cast<std::size_t*>(parser->data);
    return 0;
  };
}

void Requests::begin(int fd) {
  const auto client = static_cast<std::size_t>(fd);
  if (parsers_.empty()) {
    last_.at(client) = 0;
  } else {
    llhttp_init(&parsers_.at(client), HTTP_REQUEST, &settings_);
  }
}

// The compiler makes vector instructions of the inner loop: 16 places or more at a time.
std::size_t Requests::count(std::uint32_t& last, std::string_view bytes) {
  constexpr std::uint32_t end = 0x0d0a0d0a;
  constexpr std::size_t at_once = 128;  // so that a byte holds their sum
  std::size_t found = 0;
  const auto next = [&](char byte) {
    last = last << 8 | static_cast<std::uint8_t>(byte);
    found += last == end;
  };
  if (bytes.size() < 4) {
    for (const char byte : bytes) next(byte);
    return found;
  }
  for (std::size_t i = 0; i < 3; ++i) next(bytes[i]);
  const char* at = bytes.data();
  const char* const places_end = at + bytes.size() - 3;
  const auto is_end = [](const char* place) {
    return static_cast<std::uint8_t>((place[0] == '\r') & (place[1] == '\n') & (place[2] == '\r') &
                                     (place[3] == '\n'));
  };
  for (; places_end - at >= static_cast<std::ptrdiff_t>(at_once); at += at_once) {
    std::uint8_t sum = 0;
    for (std::size_t i = 0; i < at_once; ++i) sum += is_end(at + i);
    found += sum;
  }
  for (; at != places_end; ++at) found += is_end(at);
  for (std::size_t i = bytes.size() - 4; i < bytes.size(); ++i)
    last = last << 8 | static_cast<std::uint8_t>(bytes[i]);
  return found;
}

std::size_t Requests::parse(llhttp_t& parser, std::string_view bytes) {
  std::size_t found = 0;
  parser.data = &found;
  if (llhttp_execute(&parser, bytes.data(), bytes.size()) == HPE_OK) return found;
  std::fprintf(stderr, "floor: %s\n", llhttp_get_error_reason(&parser));
  std::exit(1);
}

class Floor {
 public:
  Floor(std::uint16_t port, bool parses);
  [[noreturn]] void run();

 private:
  io_uring_sqe* next_sqe();
  void give_back(std::uint16_t buffer);
  void submit_accept();
  void submit_recv(int fd);
  void on_accept(const io_uring_cqe& cqe);
  void on_recv(const io_uring_cqe& cqe, int fd);
  void on_send(const io_uring_cqe& cqe, int fd);
  void flush(int fd);

  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  std::unique_ptr<char[]> memory_;
  int given_back_ = 0;  // not yet told to the kernel
  int listener_;
  Requests requests_;
  std::string answers_ = make_answers();
  std::vector<Client> clients_{descriptors_max};  // by descriptor
};

Floor::Floor(std::uint16_t port, bool parses) : listener_(listen_on(port)), requests_(parses) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  params.cq_entries = limits::completion_entries;
  int error = -io_uring_queue_init_params(limits::submission_entries, &ring_, &params);
  if (error != 0) fail("io_uring", error);
  (void)io_uring_register_ring_fd(&ring_);
  buffers_ = io_uring_setup_buf_ring(&ring_, limits::receive_buffers, buffer_group, 0, &error);
  if (buffers_ == nullptr) fail("buffers", -error);
  memory_.reset(new char[limits::receive_buffers * limits::receive_buffer_bytes]);
  for (unsigned i = 0; i < limits::receive_buffers; ++i) give_back(static_cast<std::uint16_t>(i));
}

io_uring_sqe* Floor::next_sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    io_uring_submit(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void Floor::run() {
  submit_accept();
  for (;;) {
    io_uring_buf_ring_advance(buffers_, given_back_);
    given_back_ = 0;
    // With a timeout, as lastcall has one: it costs the same.
    __kernel_timespec timeout{.tv_sec = 1, .tv_nsec = 0};
    io_uring_cqe* cqe = nullptr;
    io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &timeout, nullptr);
    unsigned head = 0;
    unsigned count = 0;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      const int fd = static_cast<int>(cqe->user_data >> 8);
      switch (static_cast<Kind>(cqe->user_data & 0xff)) {
        case Kind::accept: on_accept(*cqe); break;
        case Kind::recv: on_recv(*cqe, fd); break;
        case Kind::send: on_send(*cqe, fd); break;
      }
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
  }
}

void Floor::give_back(std::uint16_t buffer) {
  io_uring_buf_ring_add(buffers_, memory_.get() + buffer * limits::receive_buffer_bytes,
                        limits::receive_buffer_bytes, buffer,
                        io_uring_buf_ring_mask(limits::receive_buffers), given_back_++);
}

void Floor::submit_accept() {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_multishot_accept(sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
  io_uring_sqe_set_data64(sqe, ticket(Kind::accept, listener_));
}

void Floor::on_accept(const io_uring_cqe& cqe) {
  if (cqe.res >= 0) {
    clients_.at(static_cast<std::size_t>(cqe.res)) = {};
    requests_.begin(cqe.res);
    submit_recv(cqe.res);
  }
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) submit_accept();
}

void Floor::submit_recv(int fd) {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = buffer_group;
  io_uring_sqe_set_data64(sqe, ticket(Kind::recv, fd));
}

void Floor::on_recv(const io_uring_cqe& cqe, int fd) {
  Client& client = clients_[static_cast<std::size_t>(fd)];
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
    const auto buffer = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    if (cqe.res > 0) {
      const char* const bytes = memory_.get() + buffer * limits::receive_buffer_bytes;
      client.owed += requests_.ends(fd, {bytes, static_cast<std::size_t>(cqe.res)});
    }
    give_back(buffer);
  }
  if (cqe.res > 0 || cqe.res == -ENOBUFS) {
    flush(fd);
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) submit_recv(fd);
    return;
  }
  client.gone = true;
  if (!client.sending) close(fd);
}

void Floor::flush(int fd) {
  Client& client = clients_[static_cast<std::size_t>(fd)];
  if (client.sending || client.owed == 0) return;
  const std::size_t count = std::min(client.owed, batch_max);
  client.owed -= count;
  client.sending = true;
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_send(sqe, fd, answers_.data(), count * answer.size(), MSG_WAITALL | MSG_NOSIGNAL);
  io_uring_sqe_set_data64(sqe, ticket(Kind::send, fd));
}

void Floor::on_send(const io_uring_cqe&, int fd) {
  Client& client = clients_[static_cast<std::size_t>(fd)];
  client.sending = false;
  if (client.gone) {
    close(fd);
  } else {
    flush(fd);
  }
}

// One event, one receive, one send: that is all.
class EpollFloor {
 public:
  EpollFloor(std::uint16_t port, bool parses);
  [[noreturn]] void run();

 private:
  void watch(int fd);
  void accept_all();
  void serve(int fd);

  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  int listener_;
  Requests requests_;
  std::string answers_ = make_answers();
  std::array<char, limits::receive_buffer_bytes> buffer_{};
  std::vector<Client> clients_{descriptors_max};  // by descriptor
};

EpollFloor::EpollFloor(std::uint16_t port, bool parses)
    : listener_(listen_on(port)), requests_(parses) {
  if (epoll_ < 0) fail("epoll", errno);
  fcntl(listener_, F_SETFL, O_NONBLOCK);  // the ring wants it blocking
  watch(listener_);
}

void EpollFloor::watch(int fd) {
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data = {.fd = fd}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl", errno);
}

void EpollFloor::run() {
  std::array<epoll_event, 512> events;
  for (;;) {
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener_) {
        accept_all();
      } else {
        serve(fd);
      }
    }
  }
}

void EpollFloor::accept_all() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    clients_.at(static_cast<std::size_t>(fd)) = {};
    requests_.begin(fd);
    watch(fd);
  }
}

// Until a receive is short: then nothing is left. What a send does not take is dropped, with its
// client: none of the loads here is slower than we are.
void EpollFloor::serve(int fd) {
  Client& client = clients_[static_cast<std::size_t>(fd)];
  for (;;) {
    const ssize_t bytes = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (bytes < 0 && errno == EAGAIN) return;
    bool good = bytes > 0;
    if (good) client.owed += requests_.ends(fd, {buffer_.data(), static_cast<std::size_t>(bytes)});
    while (good && client.owed > 0) {
      const std::size_t count = std::min(client.owed, batch_max);
      client.owed -= count;
      const std::size_t size = count * answer.size();
      good = send(fd, answers_.data(), size, MSG_NOSIGNAL) == static_cast<ssize_t>(size);
    }
    if (!good) {
      close(fd);
      return;
    }
    if (static_cast<std::size_t>(bytes) < buffer_.size()) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool epoll = false;
  bool parses = false;
  long port = 0;
  for (const std::string_view argument :
       std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
    if (argument == "--epoll") {
      epoll = true;
    } else if (argument == "--parse") {
      parses = true;
    } else {
      port = std::strtol(argument.data(), nullptr, 10);
    }
  }
  if (port < 1 || port > 65'535) {
    std::fprintf(stderr, "usage: floor [--epoll] [--parse] PORT\n");
    return 2;
  }
  if (epoll) EpollFloor(static_cast<std::uint16_t>(port), parses).run();
  Floor(static_cast<std::uint16_t>(port), parses).run();
}
