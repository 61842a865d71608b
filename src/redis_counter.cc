#include "redis_counter.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>

#include "duration.h"
#include "local.h"
#include "log.h"
#include "server.h"

namespace lastcall {
namespace {

// KEYS: the counter, this client's note. ARGV: the batch's number, its sum, the note's time to
// live. The INCRBY comes first, since it alone can fail by what it finds; if then the note cannot
// be written, the script takes the sum back and says so: an error always means that nothing
// happened.
constexpr const char* script =
    "local noted = tonumber(redis.call('GET', KEYS[2]) or '0') "
    "if noted >= tonumber(ARGV[1]) then return redis.call('GET', KEYS[1]) end "
    "local value = redis.call('INCRBY', KEYS[1], ARGV[2]) "
    "local note = redis.pcall('SET', KEYS[2], ARGV[1], 'EX', ARGV[3]) "
    "if note.err then redis.call('DECRBY', KEYS[1], ARGV[2]) return note end "
    "return value";

constexpr Ms say_again_ms = 10'000;

// Both keys in one slot of a Redis Cluster: what stands in braces decides it.
std::string noted_prefix_of(const std::string& key) {
  const auto open = key.find('{');
  const bool tagged = open != std::string::npos && key.find('}', open) > open + 1 &&
                      key.find('}', open) != std::string::npos;
  return (tagged ? key : "{" + key + "}") + ":lastcall:";
}

}  // namespace

RedisCounter::RedisCounter(RedisAddress address, std::string key, std::uint64_t seed)
    : address_(std::move(address)),
      key_(std::move(key)),
      noted_prefix_(noted_prefix_of(key_)),
      seed_(seed) {}

RedisCounter::~RedisCounter() = default;

std::uint64_t RedisCounter::random_seed() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed))
    seed = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  return seed;
}

RedisCounter::Client& RedisCounter::client() {
  const unsigned worker = this_worker();
  auto& client = clients_[worker];
  if (client == nullptr)
    client = std::make_unique<Client>(*this, seed_ + worker * 0x9e3779b97f4a7c15ull);
  return *client;
}

Task<> RedisCounter::add(std::uint64_t n) { return client().batch.add(n); }

Task<std::optional<std::int64_t>> RedisCounter::value() {
  Client& here = client();
  if (here.turn.waiting() >= readers_max) co_return std::nullopt;
  const Ms asked_at = local().now;
  const Mutex::Guard guard = co_await here.turn.lock();
  // A Redis that says nothing costs one reader its patience, not each of the queue in turn.
  if (here.failed_at >= asked_at) co_return std::nullopt;
  const RedisReply reply = co_await here.redis.call(here.get_command());
  if (reply.kind == RedisReply::Kind::none) here.failed_at = local().now;
  if (reply.kind == RedisReply::Kind::nil) co_return 0;
  std::int64_t value = 0;
  const char* const end = reply.text.data() + reply.text.size();
  const auto parsed = std::from_chars(reply.text.data(), end, value);
  const bool known =
      reply.kind == RedisReply::Kind::text && parsed.ec == std::errc{} && parsed.ptr == end;
  co_return known ? std::optional(value) : std::nullopt;
}

// ---- one worker's side

RedisCounter::Client::Client(const RedisCounter& of, std::uint64_t seed)
    : counter(of), redis(of.address_), batch(&Client::commit, this), random_state(seed | 1) {
  id = fmt::format("{:016x}{:016x}", random(), random());
}

std::uint64_t RedisCounter::Client::random() {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return random_state * 0x2545f4914f6cdd1dull;
}

// Not within the coroutines: see redis.cc.
std::vector<std::string> RedisCounter::Client::get_command() const { return {"GET", counter.key_}; }

std::vector<std::string> RedisCounter::Client::add_command(std::uint64_t number,
                                                           std::uint64_t sum) const {
  return {"EVAL",
          script,
          "2",
          counter.key_,
          counter.noted_prefix_ + id,
          std::to_string(number),
          std::to_string(sum),
          std::to_string(std::chrono::seconds(remembered).count())};
}

Task<> RedisCounter::Client::commit(void* self, std::uint64_t sum) {
  Client& client = *static_cast<Client*>(self);
  const std::uint64_t number = ++client.batch_number;
  bool in_doubt = false;
  try {
    for (;;) {
      {
        const Mutex::Guard guard = co_await client.turn.lock();
        auto command = client.add_command(number, sum);
        const bool doubted = std::exchange(in_doubt, true);
        const RedisReply reply = co_await client.redis.call(std::move(command));
        if (reply.kind == RedisReply::Kind::integer || reply.kind == RedisReply::Kind::text) break;
        // An error of Redis: this copy did nothing, an earlier one may have.
        in_doubt = doubted || reply.kind != RedisReply::Kind::error;
        client.saw_failure(reply, sum);
      }
      co_await client.pause();
    }
  } catch (const Canceled&) {
    if (in_doubt) log::warning("redis: {} increments were sent and not confirmed", sum);
    throw;
  }
  client.saw_answer();
}

// Longer from time to time, and not the same for all: a Redis that comes back is not run over. In a
// drain shorter ones, and the one under way ends early: what is due goes out as soon as it can.
Task<> RedisCounter::Client::pause() {
  constexpr std::chrono::milliseconds slice{100};
  const unsigned doubled = std::min(failures - 1, 10u);
  const auto longest = draining() ? pause_longest_draining : pause_longest;
  const auto whole = std::min<std::chrono::milliseconds>(pause_first * (1u << doubled), longest);
  auto left =
      whole / 2 + std::chrono::milliseconds(random() % static_cast<std::uint64_t>(whole.count()));
  const bool drained_before = draining();
  while (left.count() > 0 && draining() == drained_before) {
    co_await sleep(std::min<std::chrono::milliseconds>(left, slice));
    left -= slice;
  }
}

void RedisCounter::Client::saw_failure(const RedisReply& reply, std::uint64_t waiting) {
  // A replica, or a server of whom it is not known who we are: by its name another may be found.
  if (reply.kind == RedisReply::Kind::error) redis.close();
  const Ms now = local().now;
  if (reply.kind == RedisReply::Kind::none) failed_at = now;
  if (failing_since < 0) failing_since = now;
  if (failures++ > 0 && now - said_at < say_again_ms) return;
  said_at = now;
  log::warning("redis {}: {}; {} increments wait and are tried again", counter.address_.text(),
               reply.text, waiting);
}

void RedisCounter::Client::saw_answer() {
  if (failing_since >= 0)
    log::info("redis {}: answers again, after {}", counter.address_.text(),
              format_duration(local().now - failing_since));
  failing_since = -1;
  failures = 0;
}

}  // namespace lastcall
