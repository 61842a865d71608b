#include "redis.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <hiredis/hiredis.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <lastcall/context.h>

namespace lastcall {
namespace {

// RFC 3986 section 2.1. False: a '%' without two hexadecimal digits.
bool percent_decode(std::string_view text, std::string& decoded) {
  decoded.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned byte = 0;
    if (text.size() - i < 3) return false;
    const char* const digits = text.data() + i + 1;
    const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
    if (error != std::errc{} || end != digits + 2) return false;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return true;
}

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// "HOST[:PORT]", "[v6][:PORT]".
std::string parse_host(std::string_view text, RedisAddress& address) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto bracket = text.find(']');
    if (bracket == std::string_view::npos) return "the '[' of the host has no ']'";
    address.host = text.substr(1, bracket - 1);
    port = text.substr(bracket + 1);
    if (!port.empty() && port.front() != ':') return "after the ']' of the host comes :PORT";
  } else {
    const auto colon = text.find(':');
    address.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (address.host.empty()) return "the host is missing, as in redis://localhost:6379/0";
  if (port.empty()) return {};
  if (!parse_number(port.substr(1), address.port) || address.port == 0)
    return "the port must be a number from 1 to 65535";
  return {};
}

// Commands are made outside the coroutines: in them GCC 12 mistakes the temporaries of an
// initializer list.
std::vector<std::string> login_of(const RedisAddress& address, const std::string& password) {
  if (address.user.empty()) return {"AUTH", password};
  return {"AUTH", address.user, password};
}

std::vector<std::string> select_of(const RedisAddress& address) {
  return {"SELECT", std::to_string(address.database)};
}

bool format(const std::vector<std::string>& arguments, std::string& command) {
  std::vector<const char*> starts;
  std::vector<std::size_t> sizes;
  for (const std::string& argument : arguments) {
    starts.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  char* formatted = nullptr;
  const auto size = redisFormatCommandArgv(&formatted, static_cast<int>(starts.size()),
                                           starts.data(), sizes.data());
  if (size < 0) return false;
  const std::unique_ptr<char, void (*)(char*)> owned(formatted, redisFreeCommand);
  command.assign(formatted, static_cast<std::size_t>(size));
  return true;
}

}  // namespace

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// A secret's file is small; and should it be a pipe, nobody is waited for.
std::string read_password(const std::string& path, std::string& password) {
  const auto because = [&](const char* what) {
    return fmt::format("cannot read '{}': {}", path, what);
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return because(std::strerror(errno));
  std::array<char, 4096> text{};
  const auto size = ::read(fd, text.data(), text.size());
  const int error = errno;
  ::close(fd);
  if (size < 0) return because(std::strerror(error));
  const std::string_view all(text.data(), static_cast<std::size_t>(size));
  password = without_blanks(all.substr(0, all.find('\n')));
  if (!password.empty()) return {};
  return size == 0 ? because("empty") : fmt::format("the first line of '{}' is empty", path);
}

std::string RedisAddress::parse(std::string_view url, RedisAddress& address) {
  constexpr std::string_view scheme = "redis://";
  if (!url.starts_with(scheme)) return "expected redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]";
  url.remove_prefix(scheme.size());
  const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; };
  if (std::any_of(url.begin(), url.end(), blank))
    return "it has white space or a control character in it: a newline at its end, perhaps";
  if (const auto at = url.rfind('@'); at != std::string_view::npos) {
    const std::string_view who = url.substr(0, at);
    url.remove_prefix(at + 1);
    const auto colon = who.find(':');
    if (colon == std::string_view::npos)
      return "what stands before '@' must be USER:PASSWORD, or :PASSWORD";
    if (!percent_decode(who.substr(0, colon), address.user) ||
        !percent_decode(who.substr(colon + 1), address.password))
      return "a '%' in user or password must be followed by two hexadecimal digits";
  }
  if (const auto slash = url.find('/'); slash != std::string_view::npos) {
    const std::string_view database = url.substr(slash + 1);
    if (!database.empty() && !parse_number(database, address.database))
      return "the database must be a number, as in redis://localhost:6379/0";
    url = url.substr(0, slash);
  }
  return parse_host(url, address);
}

std::string RedisAddress::text() const { return fmt::format("{}:{}/{}", host, port, database); }

void Redis::FreeReader::operator()(redisReader* reader) const { redisReaderFree(reader); }

Redis::Redis(RedisAddress address) : address_(std::move(address)) {}
Redis::~Redis() = default;

void Redis::close() {
  stream_.close();
  reader_.reset();
  awaits_reply_ = false;
}

Task<RedisReply> Redis::call(std::vector<std::string> arguments, bool* sent) {
  if (awaits_reply_) close();
  if (!stream_.is_open()) {
    RedisReply connected = co_await connect();
    if (connected.kind != RedisReply::Kind::text) {
      close();
      co_return connected;
    }
  }
  co_return co_await exchange(std::move(arguments), sent);
}

Task<RedisReply> Redis::connect() {
  const std::error_code error =
      co_await stream_.connect(address_.host, address_.port, connect_limit);
  if (error) co_return fail("cannot connect", error);
  reader_.reset(redisReaderCreate());
  if (reader_ == nullptr)
    co_return fail("cannot connect", std::make_error_code(std::errc::not_enough_memory));
  RedisReply reply;
  reply.kind = RedisReply::Kind::text;
  std::string password = address_.password;
  if (!address_.password_file.empty()) {
    if (const auto why = read_password(address_.password_file, password); !why.empty())
      co_return fail(why, {});
  }
  if (!password.empty()) reply = co_await exchange(login_of(address_, password));
  if (reply.kind == RedisReply::Kind::text && address_.database != 0)
    reply = co_await exchange(select_of(address_));
  co_return reply;
}

Task<RedisReply> Redis::exchange(std::vector<std::string> arguments, bool* sent) {
  std::string command;
  if (!format(arguments, command)) co_return fail("cannot format a command", {});
  if (sent != nullptr) *sent = true;
  awaits_reply_ = true;
  const Instant deadline = now() + reply_limit;
  if (const auto error = co_await stream_.send(std::move(command), reply_limit))
    co_return fail("cannot send", error);
  RedisReply reply;
  for (std::size_t bytes = 0; !next_reply(reply);) {
    const Received received = co_await stream_.receive(deadline - now());
    if (received.error) co_return fail("no reply", received.error);
    if (received.ended())
      co_return fail("no reply", std::make_error_code(std::errc::connection_reset));
    // Commands of ours are not answered by arrays, for which hiredis would take memory at once.
    const bool ours =
        bytes > 0 || std::string_view("+-:$").find(received.bytes[0]) != std::string_view::npos;
    bytes += received.bytes.size();
    if (!ours || bytes > reply_bytes_max ||
        redisReaderFeed(reader_.get(), received.bytes.data(), received.bytes.size()) != REDIS_OK)
      co_return fail("not a reply of Redis", {});
  }
  if (reader_ != nullptr && reader_->len > reader_->pos)
    co_return fail("more replies than commands", {});
  awaits_reply_ = false;
  co_return reply;
}

// True: `reply` is one, or the connection is not Redis's and has been closed.
bool Redis::next_reply(RedisReply& reply) {
  void* parsed = nullptr;
  if (redisReaderGetReply(reader_.get(), &parsed) != REDIS_OK) {
    reply = fail("not a reply of Redis", {});
    return true;
  }
  if (parsed == nullptr) return false;
  const std::unique_ptr<void, void (*)(void*)> owned(parsed, freeReplyObject);
  const auto& from = *static_cast<redisReply*>(parsed);
  switch (from.type) {
    case REDIS_REPLY_INTEGER: reply.kind = RedisReply::Kind::integer; break;
    case REDIS_REPLY_NIL: reply.kind = RedisReply::Kind::nil; break;
    case REDIS_REPLY_ERROR: reply.kind = RedisReply::Kind::error; break;
    default: reply.kind = RedisReply::Kind::text; break;
  }
  reply.integer = from.integer;
  const bool error = from.type == REDIS_REPLY_ERROR;
  const std::size_t most = error ? error_bytes_max : reply_bytes_max;
  if (from.str != nullptr)
    reply.text.assign(from.str, std::min(static_cast<std::size_t>(from.len), most));
  return true;
}

RedisReply Redis::fail(std::string_view doing, const std::error_code& error) {
  close();
  RedisReply reply;
  reply.text = error ? fmt::format("{}: {}", doing, error.message()) : std::string(doing);
  return reply;
}

}  // namespace lastcall
