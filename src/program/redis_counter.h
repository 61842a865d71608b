// A counter in Redis that many processes share: each increment is counted exactly once.
//
// INCR is not idempotent: when a reply is lost nobody knows whether to send it again. So each
// worker is a client with a random id that numbers its batches, and a script in Redis adds a batch
// and notes its number in one atomic step. A batch goes out again and again, under its number,
// until a reply has come; Redis adds it the first time and says so every time. The number is
// compared by size: a copy that a slow network delivers after the next batch changes nothing.
//
// One batch of a worker is under way at a time, since only the last number is remembered; what
// becomes due meanwhile is folded into the next (batch.h). What waits is jobs, and so bounded by
// --max-jobs; readers share one GET.
//
// What remains possible: a Redis that forgets what it has confirmed (without `appendonly yes` and
// `appendfsync always`, or by failing over to a replica that lags) forgets increments; one that
// evicts keys with a time to live, or a batch that is in doubt for longer than `remembered`, may
// count a batch twice. At the drain's deadline a batch may be in doubt: its jobs are then named as
// unfinished, and the log says that they may have been counted.
//
// The client reads and writes the counter's key and its neighbours `{KEY}:lastcall:*`, or
// `KEY:lastcall:*` where KEY has a {tag} of its own. Its user needs EVAL, GET, SET and INCRBY, and
// SELECT for a database other than 0.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <lastcall/context.h>
#include <lastcall/latch.h>

#include "batch.h"
#include "counter.h"
#include "redis.h"

namespace lastcall {

class RedisCounter final : public Counter {
 public:
  RedisCounter(RedisAddress address, std::string key, std::uint64_t seed);
  ~RedisCounter() override;

  Task<> add(std::uint64_t n) override;
  Task<> look() override;
  // Nothing while Redis cannot be reached.
  Task<std::optional<std::int64_t>> value() override;

  [[nodiscard]] static std::uint64_t random_seed();

  static constexpr std::chrono::hours remembered{7 * 24};  // a batch's number
  static constexpr std::chrono::milliseconds pause_first{50};
  static constexpr std::chrono::milliseconds pause_longest{1000};
  static constexpr std::chrono::milliseconds pause_step{100};
  static constexpr std::chrono::milliseconds pause_longest_draining{200};

 private:
  // One worker's side of it.
  struct Client {
    Client(const RedisCounter& counter, std::uint64_t seed);

    static Task<> commit(void* client, std::uint64_t sum);
    static Task<> read(void* client, std::uint64_t);
    [[nodiscard]] std::vector<std::string> get_command() const;
    [[nodiscard]] std::vector<std::string> add_command(std::uint64_t number,
                                                       std::uint64_t sum) const;
    [[nodiscard]] static bool is_confirmation(const RedisReply& reply, std::uint64_t number);
    [[nodiscard]] std::chrono::milliseconds next_pause();
    [[nodiscard]] std::uint64_t random();
    void saw_failure(const RedisReply& reply);
    void saw_answer();

    const RedisCounter& counter;
    Redis redis;
    Mutex turn;  // to speak to Redis
    Batch batch;
    Batch reads;
    std::optional<std::int64_t> value;  // as the last read found it
    std::uint64_t random_state;
    std::string id;
    std::uint64_t batch_number = 0;
    std::uint64_t under_way = 0;           // increments of the batch that is
    std::optional<Instant> failing_since;  // nothing: it answers
    Instant said_at;                       // when the log last said why not, ...
    std::string said;                      // ... and what it said
    unsigned failures = 0;                 // in a row
  };
  [[nodiscard]] Client& client();

  const RedisAddress address_;
  const std::string key_;
  const std::string noted_prefix_;  // of the keys that hold a client's last batch number
  const std::uint64_t seed_;
  std::array<std::unique_ptr<Client>, workers_max> clients_;  // each its worker's own
};

}  // namespace lastcall
