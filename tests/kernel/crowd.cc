// crowd PORT CLIENTS KIB MS: so many clients on the loopback, each with a slow request and,
// pipelined behind it, as much as that of others. A line says what became of them: all their
// answers came
// (`served`; `denied` of them by 503 at least once), or their connection ended before (`lost`).
// Static, for a guest that has nothing else.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t request_bytes = 15 * 1024;
constexpr std::size_t connecting_max = 200;  // at once
constexpr std::time_t seconds_max = 200;

struct Client {
  int fd = -1;
  std::size_t sent = 0;
  std::size_t answers = 0;
  bool connected = false;
  bool denied = false;
  std::string input;
};

struct Crowd {
  std::string requests;  // of each
  std::size_t answers = 0;
  int epoll = epoll_create1(0);
  std::vector<Client> clients;
  std::size_t connecting = 0;
  std::size_t served = 0;
  std::size_t denied = 0;
  std::size_t lost = 0;
};

std::string requests_of(std::size_t kib, const char* ms, std::size_t& count) {
  std::string all = std::string("GET /slow?ms=") + ms + " HTTP/1.1\r\nHost: crowd\r\n\r\n";
  for (count = 1; all.size() < kib * 1024; ++count) {
    std::string one = "GET / HTTP/1.1\r\nHost: crowd\r\nX-Fill: ";
    one.append(request_bytes - one.size() - 4, 'x');
    all += one + "\r\n\r\n";
  }
  return all;
}

void begin(Crowd& crowd, std::size_t index, std::uint16_t port) {
  Client& client = crowd.clients[index];
  client.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (client.fd < 0 || (connect(client.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 &&
                        errno != EINPROGRESS)) {
    ++crowd.lost;
    return;
  }
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = index}};
  epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, client.fd, &event);
  ++crowd.connecting;
}

void end(Crowd& crowd, Client& client) {
  const bool all = client.answers == crowd.answers;
  ++(all ? crowd.served : crowd.lost);
  if (all && client.denied) ++crowd.denied;
  if (!client.connected) --crowd.connecting;
  close(client.fd);
  client.fd = -1;
}

void send_more(const Crowd& crowd, Client& client) {
  while (client.sent < crowd.requests.size()) {
    const std::string_view rest = std::string_view(crowd.requests).substr(client.sent);
    const ssize_t bytes = send(client.fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (bytes <= 0) return;
    client.sent += static_cast<std::size_t>(bytes);
  }
}

// False: the connection has ended.
bool read_more(Client& client) {
  static std::array<char, 64 * 1024> bytes;
  for (;;) {
    const ssize_t got = recv(client.fd, bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) return false;
    client.input.append(bytes.data(), static_cast<std::size_t>(got));
    constexpr std::string_view status = "HTTP/1.1 ";
    std::size_t at = 0;
    for (std::size_t next = 0; (next = client.input.find(status, at)) != std::string::npos &&
                               next + status.size() + 3 <= client.input.size();
         at = next + status.size()) {
      ++client.answers;
      if (client.input.compare(next + status.size(), 3, "503") == 0) client.denied = true;
    }
    client.input.erase(
        0, std::max(at, client.input.size() - std::min<std::size_t>(client.input.size(), 12)));
  }
}

void on_event(Crowd& crowd, Client& client) {
  if (client.fd < 0) return;
  if (!client.connected) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      end(crowd, client);
      return;
    }
    client.connected = true;
    --crowd.connecting;
  }
  send_more(crowd, client);
  if (!read_more(client) || client.answers == crowd.answers) end(crowd, client);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "crowd PORT CLIENTS KIB MS\n");
    return 2;
  }
  const rlimit many{40'000, 40'000};
  setrlimit(RLIMIT_NOFILE, &many);
  Crowd crowd;
  crowd.requests = requests_of(std::strtoul(argv[3], nullptr, 10), argv[4], crowd.answers);
  crowd.clients.resize(std::strtoul(argv[2], nullptr, 10));
  const auto port = static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10));
  const std::time_t until = std::time(nullptr) + seconds_max;
  std::size_t begun = 0;
  while (crowd.served + crowd.lost < crowd.clients.size() && std::time(nullptr) < until) {
    while (begun < crowd.clients.size() && crowd.connecting < connecting_max)
      begin(crowd, begun++, port);
    std::array<epoll_event, 512> events;
    const int count = epoll_wait(crowd.epoll, events.data(), events.size(), 1000);
    for (int i = 0; i < count; ++i)
      on_event(crowd, crowd.clients[events[static_cast<std::size_t>(i)].data.u64]);
  }
  const std::size_t waiting = crowd.clients.size() - crowd.served - crowd.lost;
  std::printf("served=%zu denied=%zu lost=%zu waiting=%zu\n", crowd.served, crowd.denied,
              crowd.lost, waiting);
  return 0;
}
