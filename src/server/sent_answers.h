// Which of a connection's answers that the kernel has taken did the client not acknowledge? The
// kernel sends them on by itself, for as long as this process's network lasts.
//
// Positions are bytes of the connection's stream, as tcp(7) counts them (tcpi_bytes_acked). It
// remembers the latest 32 answers; a client with more unread was pipelining, and the older ones
// stay counted as answered.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace lastcall {

class SentAnswers {
 public:
  void clear() {
    stream_ = 0;
    answers_ = 0;
  }
  // `end`: the answer's last byte within the coming send.
  void add(std::size_t end) {
    ends_[answers_++ % kept_] = static_cast<std::uint32_t>(stream_ + end);
  }
  void sent(std::size_t bytes) { stream_ += bytes; }

  // How many end beyond what is acknowledged.
  [[nodiscard]] std::size_t unread(std::uint64_t acked) const {
    if (acked >= stream_) return 0;
    const std::uint64_t behind = stream_ - acked;
    const std::size_t known = std::min<std::uint64_t>(answers_, kept_);
    std::size_t count = 0;
    while (count < known && behind_end(count) < behind) ++count;
    return count;
  }
  // They are accounted for.
  void forget() { answers_ = 0; }

 private:
  static constexpr std::size_t kept_ = 32;

  // How far the stream goes on behind the end of an answer, the latest first.
  [[nodiscard]] std::uint32_t behind_end(std::size_t before_latest) const {
    return static_cast<std::uint32_t>(stream_) - ends_[(answers_ - 1 - before_latest) % kept_];
  }

  std::uint64_t stream_ = 0;
  std::uint64_t answers_ = 0;
  std::array<std::uint32_t, kept_> ends_{};  // modulo 2^32: less than that is ever unread
};

}  // namespace lastcall
