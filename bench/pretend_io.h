// A kernel that nobody has to call, under lastcall's `Io`: for bench/request_cost.cc, which
// measures over it, and bench/train.cc, whose counts the compiler uses.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "io/io.h"

namespace lastcall {

inline std::int64_t nanoseconds(clockid_t clock) {
  std::timespec time{};
  clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Each client's batch comes in as many buffers as it needs, all in one harvest, unless it is taken
// one buffer at a time, or into other memory; the next batch comes when everything sent has made up
// the answers to this one. Buffers go round in a ring, as the kernel's do: the cache sees all of
// them.
class PretendIo final : public Io {
 public:
  enum class Clock : std::uint8_t {
    real,
    stepped,  // the same in every run: time goes by with each harvest
  };
  static constexpr int first_fd = 1000;  // none is behind it: nobody may use it in a system call

  PretendIo(std::string_view batch, std::size_t clients, Clock clock = Clock::real)
      : batch_(batch), clients_(clients), clock_(clock) {
    for (std::size_t i = 0; i < limits::receive_buffers; ++i) free_[i] = std::uint16_t(i);
    completions_.reserve(8 * limits::receive_buffers);
    // Buffer i carries piece i modulo the number of pieces, mostly.
    for (std::size_t i = 0; i < limits::receive_buffers; ++i)
      fill(i, i % pieces() * limits::receive_buffer_bytes);
    CHECK(limits::receive_buffers % pieces() == 0);
    CHECK(clients * pieces() <= limits::receive_buffers);
  }

  // Of the answers to one batch; before it is told, each client sends one batch only.
  void answer_bytes(std::size_t bytes) {
    for (Client& client : clients_) client.unanswered = client.received = 0;
    batch_answer_bytes_ = bytes;
  }
  [[nodiscard]] std::uint64_t batches() const { return batches_; }
  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }
  [[nodiscard]] std::uint64_t sends() const { return sends_; }
  [[nodiscard]] std::string_view last_sent() const { return last_sent_; }

  void reserve(std::size_t) override {}
  void submit_accept(int, Ticket ticket, bool) override { accept_ = ticket, accepting_ = true; }
  void submit_recv(int socket, Ticket ticket, bool once) override {
    Client& client = client_of(socket);
    client.recv = ticket;
    client.receiving = true;
    client.once = once;
    client.into = {};
  }
  void submit_send(int socket, std::string_view bytes, Ticket ticket) override {
    Client& client = client_of(socket);
    client.send = ticket;
    client.sending = bytes.size();
    last_sent_ = bytes;
    ++sends_;
    bytes_sent_ += bytes.size();
  }
  void submit_send_two(int socket, TwoPieces& pieces, Ticket ticket) override {
    joined_.assign(pieces.first).append(pieces.second);
    submit_send(socket, joined_, ticket);
  }
  void submit_send_file(int, FilePiece&, Ticket) override { std::abort(); }
  void submit_read(int socket, std::span<std::byte> into, Ticket ticket) override {
    if (ticket.kind != Kind::recv) return;  // what it waits for never is
    submit_recv(socket, ticket, true);
    client_of(socket).into = into;
  }
  void submit_connect(int, const sockaddr*, socklen_t, Ticket) override {}
  void submit_poll(int, unsigned, Ticket) override {}
  void submit_write(int, std::string_view, std::uint64_t, Ticket) override {}
  void submit_sync(int, Ticket) override {}
  void submit_cancel(int socket, Ticket target) override {
    client_of(socket).canceled = target.kind == Kind::recv;
  }

  std::span<const Completion> harvest(Ms) override {
    completions_.clear();
    ++harvests_;
    if (accepting_ && accepted_ < clients_.size()) accept_all();
    for (Client& client : clients_) {
      if (client.sending > 0) complete_send(client);
      if (client.canceled) {
        complete_cancel(client);
      } else if (client.receiving && !is_answered_later(client)) {
        client.into.empty() ? complete_recv(client) : complete_read(client);
      }
    }
    return completions_;
  }
  [[nodiscard]] std::size_t operations() const override { return 0; }
  [[nodiscard]] std::size_t cancels() const override { return 0; }

  [[nodiscard]] std::string_view lent(std::uint16_t buffer, std::size_t bytes) const override {
    return {&memory_[buffer * limits::receive_buffer_bytes], bytes};
  }
  void give_back(std::uint16_t buffer) override { free_[given_back_++ % free_.size()] = buffer; }
  [[nodiscard]] std::size_t buffers_lent() const override {
    return lent_ - (given_back_ - free_.size());
  }

  // The real ones, whose cost is lastcall's.
  Ms now() override {
    if (clock_ == Clock::stepped) return 1'000'000 + static_cast<Ms>(harvests_ / harvests_per_ms);
    return nanoseconds(CLOCK_MONOTONIC) / 1'000'000;
  }
  std::int64_t wall_seconds() override {
    if (clock_ == Clock::stepped) return 1'000'000'000 + now() / 1000;
    return nanoseconds(CLOCK_REALTIME_COARSE) / 1'000'000'000;
  }

  int accept_now(int) override { return -EAGAIN; }
  int open_socket(int) override { return -EMFILE; }
  void shut_send(int) override {}
  void shut_both(int) override {}
  void reset(int) override {}
  void set_close_resets(int, bool) override {}
  void close(int) override {}
  std::size_t bytes_waiting(int) override { return 0; }
  [[nodiscard]] bool may_have_received(Ticket) const override { return false; }
  std::size_t receive_now(int, std::span<char>) override { return 0; }
  std::size_t bytes_unacked(int) override { return 0; }
  std::uint64_t bytes_acked(int) override { return 0; }
  bool gone(int) override { return false; }
  bool quiet(int) override { return true; }
  void set_receive_room(int, std::size_t) override {}
  int listen(int) override { return 0; }
  bool met_itself(int) override { return false; }
  int unlisten(int) override { return 0; }
  unsigned accept_queue_length(int) override { return 0; }
  int handshakes_half_way(std::uint16_t) override { return 0; }
  TcpCounts tcp_counts() override { return {}; }
  void wake(int) override {}
  std::string peer(int) override { return "a pretend client"; }

 private:
  static constexpr std::uint64_t harvests_per_ms = 16;

  struct Client {
    Ticket recv;
    Ticket send;
    bool receiving = false;
    bool once = false;
    bool canceled = false;
    std::span<std::byte> into;  // empty: lent buffers
    std::size_t received = 0;   // of its batch
    std::size_t sending = 0;
    std::size_t unanswered = 0;  // bytes of answers that the client still waits for
  };

  Client& client_of(int socket) { return clients_[static_cast<std::size_t>(socket - first_fd)]; }
  [[nodiscard]] std::size_t pieces() const {
    return (batch_.size() + limits::receive_buffer_bytes - 1) / limits::receive_buffer_bytes;
  }
  [[nodiscard]] std::string_view piece_at(std::size_t at) const {
    return batch_.substr(at, limits::receive_buffer_bytes);
  }

  void accept_all() {
    for (; accepted_ < clients_.size(); ++accepted_) {
      completions_.push_back(
          {.ticket = accept_, .result = first_fd + static_cast<int>(accepted_), .more = true});
    }
  }
  void complete_send(Client& client) {
    completions_.push_back({.ticket = client.send, .result = static_cast<int>(client.sending)});
    CHECK(client.unanswered >= client.sending);
    client.unanswered -= client.sending;
    client.sending = 0;
  }
  // Its whole batch has come, and is not answered yet.
  [[nodiscard]] static bool is_answered_later(const Client& client) {
    return client.received == 0 && client.unanswered > 0;
  }
  void complete_recv(Client& client) {
    bool more = true;
    do {
      const std::uint16_t buffer = free_[lent_++ % free_.size()];
      if (carries_[buffer] != client.received) fill(buffer, client.received);
      const std::size_t bytes = piece_at(client.received).size();
      more = !client.once;
      completions_.push_back({.ticket = client.recv,
                              .result = static_cast<int>(bytes),
                              .more = more,
                              .has_buffer = true,
                              .buffer = buffer});
      take(client, bytes);
    } while (more && client.received > 0);
    client.receiving = more;
  }
  void complete_read(Client& client) {
    const std::string_view rest = batch_.substr(client.received, client.into.size());
    std::memcpy(client.into.data(), rest.data(), rest.size());
    completions_.push_back({.ticket = client.recv, .result = static_cast<int>(rest.size())});
    client.receiving = false;
    take(client, rest.size());
  }
  void take(Client& client, std::size_t bytes) {
    client.received += bytes;
    if (client.received < batch_.size()) return;
    client.received = 0;
    client.unanswered = batch_answer_bytes_;
    ++batches_;
  }
  void complete_cancel(Client& client) {
    client.canceled = client.receiving = false;
    completions_.push_back({.ticket = client.recv, .result = -ECANCELED});
    completions_.push_back({.ticket = {Kind::cancel}, .result = 0});
  }
  void fill(std::size_t buffer, std::size_t at) {
    const std::string_view bytes = piece_at(at);
    std::memcpy(&memory_[buffer * limits::receive_buffer_bytes], bytes.data(), bytes.size());
    carries_[buffer] = at;
  }

  const std::string_view batch_;
  std::vector<Client> clients_;
  const Clock clock_;
  std::size_t accepted_ = 0;
  bool accepting_ = false;
  Ticket accept_;
  std::size_t batch_answer_bytes_ = SIZE_MAX;  // not known yet
  std::uint64_t harvests_ = 0;
  std::uint64_t batches_ = 0;
  std::uint64_t sends_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::string_view last_sent_;
  std::string joined_;
  std::array<std::uint16_t, limits::receive_buffers> free_{};
  std::uint64_t lent_ = 0;
  std::uint64_t given_back_ = limits::receive_buffers;
  std::array<char, limits::receive_buffers * limits::receive_buffer_bytes> memory_{};
  std::array<std::size_t, limits::receive_buffers> carries_{};  // from where in the batch
  std::vector<Completion> completions_;
};

}  // namespace lastcall
