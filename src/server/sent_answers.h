// Which of a connection's answers that the kernel has taken did the client not acknowledge? The
// kernel sends them on by itself, for as long as this process's network lasts.
//
// Positions are bytes of the connection's stream, as tcp(7) counts them (tcpi_bytes_acked). Answers
// stand one by one until many are not acknowledged: then neighbours stand together, and of those
// that are acknowledged in part all count as unread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace lastcall {

class SentAnswers {
 public:
  void clear() { stream_ = size_ = 0; }
  void sent(std::uint64_t bytes) {
    if (size_ > 0 && behind(groups_[0]) + bytes > far) forget_far(bytes);
    stream_ += bytes;
  }
  // An answer behind whose last byte the stream goes on for so many. Not when it is full.
  void add(std::uint64_t behind) {
    if (behind > far) return;
    groups_[size_++] = {static_cast<std::uint32_t>(stream_ - behind), 1};
  }
  [[nodiscard]] bool full() const { return size_ == groups_.size(); }
  // `unacked`: of all that was sent.
  void make_room(std::size_t unacked) {
    std::size_t acked = 0;
    while (acked < size_ && behind(groups_[acked]) >= unacked) ++acked;
    for (std::size_t i = acked; i < size_; ++i) groups_[i - acked] = groups_[i];
    size_ -= acked;
    if (size_ > groups_.size() / 2) join_neighbours();
  }

  // How many end beyond what is acknowledged.
  [[nodiscard]] std::size_t unread(std::uint64_t acked) const {
    const std::uint64_t unacked = acked >= stream_ ? 0 : stream_ - acked;
    std::size_t count = 0;
    for (std::size_t i = size_; i > 0 && behind(groups_[i - 1]) < unacked; --i)
      count += groups_[i - 1].answers;
    return count;
  }
  // They are accounted for.
  void forget() { size_ = 0; }

 private:
  // What lies so far behind is acknowledged: no kernel keeps as much.
  static constexpr std::uint64_t far = UINT32_MAX;

  struct Group {
    std::uint32_t end;  // of its last answer, modulo 2^32
    std::uint32_t answers;
  };

  // How far the stream goes on behind it.
  [[nodiscard]] std::uint32_t behind(const Group& group) const {
    return static_cast<std::uint32_t>(stream_) - group.end;
  }
  void forget_far(std::uint64_t bytes) {
    std::size_t gone = 0;
    while (gone < size_ && behind(groups_[gone]) + bytes > far) ++gone;
    for (std::size_t i = gone; i < size_; ++i) groups_[i - gone] = groups_[i];
    size_ -= gone;
  }
  void join_neighbours() {
    std::size_t joined = 0;
    for (std::size_t i = 0; i < size_; i += 2) {
      Group group = groups_[i];
      if (i + 1 < size_) group = {groups_[i + 1].end, group.answers + groups_[i + 1].answers};
      groups_[joined++] = group;
    }
    size_ = joined;
  }

  std::uint64_t stream_ = 0;
  std::size_t size_ = 0;
  std::array<Group, 16> groups_{};
};

}  // namespace lastcall
