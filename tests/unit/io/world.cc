#include "world.h"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "base/check.h"
#include "io/epoll.h"
#include "io/uring.h"

namespace lastcall {
namespace {

constexpr Ms patience_ms = 10'000;  // for what must come
constexpr Ms quiet_ms = 40;         // then nothing more does

template <class Maker>
std::unique_ptr<Io> make(Maker maker) {
  std::string error;
  auto io = maker(error);
  if (io == nullptr) throw std::runtime_error(error);
  return io;
}

}  // namespace

World::Completions World::harvest(const std::function<bool(const Completions&)>& enough) {
  return collect(patience_ms, enough);
}

World::Completions World::harvest(std::size_t count) {
  return harvest([count](const Completions& all) { return all.size() >= count; });
}

World::Completions World::settle() {
  return collect(quiet_ms, [](const Completions&) { return false; });
}

World::Completions World::collect(Ms patience,
                                  const std::function<bool(const Completions&)>& enough) {
  Completions all;
  Ms until = io().now() + patience;
  while (!enough(all)) {
    const bool last_look = io().now() >= until;
    const auto some = io().harvest(until);
    if (some.empty() && last_look) break;
    if (!some.empty()) until = io().now() + patience;
    all.insert(all.end(), some.begin(), some.end());
    pass_time();
  }
  return all;
}

// ---- real sockets

UringWorld::UringWorld() : RealWorld(make(make_uring)) {}
EpollWorld::EpollWorld() : RealWorld(make(make_epoll)) {}

RealWorld::RealWorld(std::unique_ptr<Io> io) : io_(std::move(io)) {
  Address loopback;
  CHECK(Address::parse("127.0.0.1:0", loopback).empty());
  listener_ = open_listener(loopback).fd;
  CHECK(listener_ >= 0);
}

RealWorld::~RealWorld() {
  io_->close(listener_);
  for (const int fd : mine_) ::close(fd);
}

int RealWorld::make_event() {
  mine_.push_back(eventfd(0, EFD_CLOEXEC));
  return mine_.back();
}

int RealWorld::make_file() {
  std::string path = "/tmp/lastcall-contract-XXXXXX";
  const int fd = mkstemp(path.data());
  CHECK(fd >= 0);
  unlink(path.c_str());
  mine_.push_back(fd);
  return fd;
}

std::string RealWorld::contents(int file) {
  std::string all(1 << 16, '\0');
  const ssize_t bytes = pread(file, all.data(), all.size(), 0);
  CHECK(bytes >= 0);
  all.resize(static_cast<std::size_t>(bytes));
  return all;
}

int RealWorld::signal_fd() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  mine_.push_back(signalfd(-1, &set, SFD_CLOEXEC));
  return mine_.back();
}

// To the process, as a kubelet does: up to Linux 6.1 the ring reads a signalfd on a thread of its
// own, which does not see what another thread alone was sent.
void RealWorld::raise_signal() { kill(getpid(), SIGUSR2); }

int RealWorld::connect() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const Address to = somebody();
  CHECK(::connect(fd, reinterpret_cast<const sockaddr*>(&to.storage), to.size) == 0);
  mine_.push_back(fd);
  return fd;
}

void RealWorld::send(int peer, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    CHECK(sent > 0);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string RealWorld::receive(int peer, std::size_t bytes) {
  std::string all(bytes, '\0');
  std::size_t have = 0;
  while (have < bytes) {
    const ssize_t got = ::recv(peer, all.data() + have, bytes - have, 0);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  all.resize(have);
  return all;
}

void RealWorld::fin(int peer) { ::shutdown(peer, SHUT_WR); }

void RealWorld::reset(int peer) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  mine_.erase(std::find(mine_.begin(), mine_.end(), peer));
  ::close(peer);
}

// Bound and not listening: a connect is refused.
Address RealWorld::nobody() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Address loopback;
  CHECK(Address::parse("127.0.0.1:0", loopback).empty());
  CHECK(bind(fd, reinterpret_cast<const sockaddr*>(&loopback.storage), loopback.size) == 0);
  mine_.push_back(fd);
  return local_address(fd);
}

// ---- the simulated kernel

SimulatedWorld::SimulatedWorld() : listener_(kernel_.make_listener()) {
  kernel_.upstream = &answer_;
}

void SimulatedWorld::raise_signal() { kernel_.raise(SIGUSR2); }

int SimulatedWorld::connect() {
  const int socket = kernel_.connect().value();
  CHECK(kernel_.finish_handshake(socket) == sim::Kernel::Ack::taken);
  return socket;
}

void SimulatedWorld::send(int peer, std::string_view bytes) {
  kernel_.sockets[peer].to_server += bytes;
}

std::string SimulatedWorld::receive(int peer, std::size_t bytes) {
  std::string all;
  std::string& arrived = kernel_.sockets[peer].to_client;
  for (int tries = 0; tries < 1000 && all.size() < bytes; ++tries) {
    const std::size_t some = std::min(bytes - all.size(), arrived.size());
    all += arrived.substr(0, some);
    arrived.erase(0, some);
    if (all.size() < bytes) break;
  }
  return all;
}

Address SimulatedWorld::somebody() {
  answer_.result = 0;
  return {};
}

Address SimulatedWorld::nobody() {
  answer_.result = -ECONNREFUSED;
  return {};
}

}  // namespace lastcall
