#include "counter.h"

#include <fmt/core.h>

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "file_counter.h"
#include "redis.h"
#include "redis_counter.h"

namespace lastcall {
namespace {

constexpr std::string_view file_scheme = "file:";
constexpr std::string_view redis_scheme = "redis:";

class MemoryCounter final : public Counter {
 public:
  Task<> add(std::uint64_t n) override {
    value_ += static_cast<std::int64_t>(n);
    co_return;
  }
  Task<std::optional<std::int64_t>> value() override { co_return value_.load(); }

 private:
  std::atomic<std::int64_t> value_{0};
};

std::unique_ptr<Counter> make_redis_counter(const CounterOptions& options, std::string& why) {
  RedisAddress address;
  why = RedisAddress::parse(options.where, address);
  if (!why.empty()) return nullptr;
  const char* environment = std::getenv("LASTCALL_COUNTER_PASSWORD");
  if (address.password.empty() && !options.password_file.empty()) {
    address.password_file = options.password_file;
    std::string password;
    why = read_password(address.password_file, password);
    if (!why.empty()) {
      why = "--counter-password-file: " + why;
      return nullptr;
    }
  } else if (address.password.empty() && environment != nullptr) {
    address.password = without_blanks(environment);
  }
  return std::make_unique<RedisCounter>(address, options.key, RedisCounter::random_seed());
}

constexpr OptionRow<CounterOptions> rows[] = {
    {.name = "--counter",
     .member = &CounterOptions::where,
     .kind = "WHERE",
     .help = "where /incr counts: memory, file:PATH, or "
             "redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]"},
    {.name = "--counter-key",
     .member = &CounterOptions::key,
     .kind = "KEY",
     .help = "the counter's name in Redis"},
    {.name = "--counter-password-file",
     .member = &CounterOptions::password_file,
     .kind = "PATH",
     .help = "its first line, without white space around it, is Redis's password, read at each "
             "connect, if the URL has none; else LASTCALL_COUNTER_PASSWORD in the environment"},
};

}  // namespace

std::span<const OptionRow<CounterOptions>> counter_option_rows() { return rows; }

std::string CounterOptions::invalid() const {
  if (key.empty()) return "--counter-key is empty: it must name a key in Redis";
  if (where == "memory") return {};
  if (where.starts_with(file_scheme)) {
    if (where.size() > file_scheme.size()) return {};
    return "--counter is 'file:': a path must follow, such as file:/var/lib/lastcall/counter";
  }
  if (where.starts_with(redis_scheme)) {
    RedisAddress address;
    const std::string wrong = RedisAddress::parse(where, address);
    return wrong.empty() ? wrong : "--counter: " + wrong;  // never the URL: it may hold a password
  }
  return "--counter (or LASTCALL_COUNTER) must be memory, file:PATH or "
         "redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]";
}

std::unique_ptr<Counter> make_counter(const CounterOptions& options, std::string& why) {
  const std::string_view where = options.where;
  if (where.starts_with(file_scheme))
    return FileCounter::open(std::string(where.substr(file_scheme.size())), why);
  if (where.starts_with(redis_scheme)) return make_redis_counter(options, why);
  return std::make_unique<MemoryCounter>();
}

}  // namespace lastcall
