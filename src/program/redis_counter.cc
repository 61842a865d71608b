#include "redis_counter.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>

#include <lastcall/context.h>
#include <lastcall/duration.h>
#include <lastcall/log.h>
#include <lastcall/server.h>

namespace lastcall {
namespace {

// KEYS: the counter, this client's note. ARGV: the batch's number, its sum, the note's time to
// live. Returns the number: that this batch is counted, now or before. The note comes first, so
// that it is known to be writable; if the sum then cannot be added, the note is put back as it was.
// So an error always means that nothing happened.
constexpr const char* script =
    "local noted = redis.call('GET', KEYS[2]) or '0' "
    "if tonumber(noted) >= tonumber(ARGV[1]) then return tonumber(ARGV[1]) end "
    "redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3]) "
    "local added = redis.pcall('INCRBY', KEYS[1], ARGV[2]) "
    "if type(added) == 'table' and added.err then "
    "redis.call('SET', KEYS[2], noted, 'EX', ARGV[3]) return added end "
    "return tonumber(ARGV[1])";

// Least time between log lines: new failure 1 s, same one 10 s.
constexpr std::chrono::milliseconds say_new{1'000};
constexpr std::chrono::milliseconds say_again{10'000};

// Both keys in one slot of a Redis Cluster: what stands in braces decides it.
std::string noted_prefix_of(const std::string& key) {
  const auto open = key.find('{');
  const auto close = open == std::string::npos ? open : key.find('}', open);
  const bool tagged = close != std::string::npos && close > open + 1;
  return (tagged ? key : "{" + key + "}") + ":lastcall:";
}

// What Redis says, and where that says little to who has not met it, what it means.
std::string explained(const RedisReply& reply) {
  if (reply.text.empty()) return "not a reply to this command";
  if (!reply.text.starts_with("MOVED ")) return reply.text.substr(0, Redis::error_bytes_max);
  return reply.text +
         " (a node of a Redis Cluster that does not hold --counter-key: name the one behind MOVED "
         "in "
         "--counter, which has the key until the cluster moves it)";
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

// One worker's word is enough; and where there is no memory for a look, there may be for the rest.
Task<> RedisCounter::look() {
  if (this_worker() != 0) co_return;
  try {
    co_await client().reads.add(1);
  } catch (const std::bad_alloc&) {
    log::warning("redis: not looked at, for want of memory");
  }
}

// One GET answers all that ask meanwhile, so that readers do not keep increments from their turn.
Task<std::optional<std::int64_t>> RedisCounter::value() {
  Client& here = client();
  co_await here.reads.add(1);
  co_return here.value;
}

// ---- one worker's side

RedisCounter::Client::Client(const RedisCounter& of, std::uint64_t seed)
    : counter(of),
      redis(of.address_),
      batch(&Client::commit, this),
      reads(&Client::read, this),
      random_state(seed | 1) {
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
  client.under_way = sum;
  bool in_doubt = false;  // a copy of it may have been counted
  bool sent = false;      // the copy under way may be
  try {
    for (;;) {
      try {
        const Mutex::Guard guard = co_await client.turn.lock();
        const RedisReply reply = co_await client.redis.call(client.add_command(number, sum), &sent);
        if (client.is_confirmation(reply, number)) break;
        // An error of Redis: this copy did nothing, an earlier one may have.
        in_doubt |= std::exchange(sent, false) && reply.kind != RedisReply::Kind::error;
        client.saw_failure(reply);
      } catch (const std::bad_alloc&) {  // a while later there may be memory
        in_doubt |= std::exchange(sent, false);
      }
      const bool drained_before = draining();
      for (auto left = client.next_pause(); left.count() > 0 && draining() == drained_before;
           left -= pause_step)
        co_await sleep(std::min<std::chrono::milliseconds>(left, pause_step));
    }
  } catch (...) {  // Canceled, mostly
    if (in_doubt || sent)
      log::warning("redis: {} increments were sent and not confirmed: they may be counted", sum);
    throw;
  }
  client.under_way = 0;
  client.saw_answer();
}

Task<> RedisCounter::Client::read(void* self, std::uint64_t) {
  Client& client = *static_cast<Client*>(self);
  client.value.reset();
  const Mutex::Guard guard = co_await client.turn.lock();
  const RedisReply reply = co_await client.redis.call(client.get_command());
  std::int64_t value = 0;
  const char* const end = reply.text.data() + reply.text.size();
  const auto parsed = std::from_chars(reply.text.data(), end, value);
  const bool number =
      reply.kind == RedisReply::Kind::text && parsed.ec == std::errc{} && parsed.ptr == end;
  if (number || reply.kind == RedisReply::Kind::nil) {
    client.value = value;
    client.saw_answer();
  } else {
    client.saw_failure(reply);
  }
}

bool RedisCounter::Client::is_confirmation(const RedisReply& reply, std::uint64_t number) {
  return reply.kind == RedisReply::Kind::integer &&
         reply.integer == static_cast<std::int64_t>(number);
}

// Longer each time, and not the same for all: a Redis that comes back is not run over. In a
// drain shorter ones, and the one under way ends early: what is due goes out as soon as it can.
std::chrono::milliseconds RedisCounter::Client::next_pause() {
  const unsigned doubled = std::min(failures > 0 ? failures - 1 : 0, 10u);
  const auto longest = draining() ? pause_longest_draining : pause_longest;
  const auto whole = std::min<std::chrono::milliseconds>(pause_first * (1u << doubled), longest);
  return whole / 2 +
         std::chrono::milliseconds(random() % static_cast<std::uint64_t>(whole.count()));
}

void RedisCounter::Client::saw_failure(const RedisReply& reply) {
  // It may be a replica, one that does not know who we are, or no Redis at all: a new connection
  // may find another behind the same name.
  redis.close();
  const Instant at = now();
  if (!failing_since) failing_since = at;
  const std::string why = explained(reply);
  const auto quiet = why == said ? say_again : say_new;
  if (failures++ > 0 && at - said_at < quiet) return;
  said_at = at;
  said = why;
  log::warning("redis {}: {}; increments that wait and are tried again: {}",
               counter.address_.text(), why, under_way);
}

void RedisCounter::Client::saw_answer() {
  if (failing_since)
    log::info("redis {}: answers again, after {}", counter.address_.text(),
              format_duration((now() - *failing_since).count()));
  failing_since.reset();
  failures = 0;
}

}  // namespace lastcall
