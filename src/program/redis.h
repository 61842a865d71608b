// One connection to Redis: RESP by hiredis's formatter and reader, on our own stream; never
// hiredis's blocking calls.
//
// Used on one worker. It connects when it is asked something, and is closed after any failure:
// whoever asked decides whether to ask again.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <lastcall/stream.h>
#include <lastcall/task.h>

struct redisReader;

namespace lastcall {

// redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]; user and password percent-encoded, IPv6 in
// brackets.
struct RedisAddress {
  std::string host;
  std::uint16_t port = 6379;
  std::string user;
  std::string password;
  std::string password_file;  // read at each connect, in the place of `password`: it may be rotated
  unsigned database = 0;

  // Empty on success, else what is wrong; never shows the password.
  [[nodiscard]] static std::string parse(std::string_view url, RedisAddress& address);
  [[nodiscard]] std::string text() const;  // "host:port/database", for the log
};

// The first line of a file, without white space around it. Empty on success, else what is wrong.
[[nodiscard]] std::string read_password(const std::string& path, std::string& password);
[[nodiscard]] std::string_view without_blanks(std::string_view text);  // around it

struct RedisReply {
  enum class Kind : std::uint8_t {
    none,     // the connection failed: `text` says how; what was sent may have run, or may yet run
    error,    // Redis said no: `text` is its word, or its beginning; the command did nothing
    nil,      // there is no such value
    integer,  // `integer`
    text,     // `text`
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  std::string text;
};

class Redis {
 public:
  explicit Redis(RedisAddress address);
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;
  ~Redis();

  // One command. Connects first where needed: AUTH, SELECT. One call at a time. Throws Canceled.
  // `sent`, if given, is true once the command is handed over: from then on Redis may have it.
  [[nodiscard]] Task<RedisReply> call(std::vector<std::string> arguments, bool* sent = nullptr);
  void close();
  [[nodiscard]] const RedisAddress& address() const { return address_; }

  static constexpr std::chrono::milliseconds connect_limit{3000};  // the name's resolution included
  static constexpr std::chrono::milliseconds reply_limit{2000};    // from the command to its reply
  static constexpr std::size_t reply_bytes_max = 64 * 1024;
  static constexpr std::size_t error_bytes_max = 256;  // of what is kept of an error, and logged

 private:
  Task<RedisReply> connect();  // kind text: connected
  Task<RedisReply> exchange(std::vector<std::string> arguments, bool* sent = nullptr);
  RedisReply fail(std::string_view doing, const std::error_code& error);
  [[nodiscard]] bool next_reply(RedisReply& reply);

  struct FreeReader {
    void operator()(redisReader* reader) const;
  };
  const RedisAddress address_;
  Stream stream_;
  bool awaits_reply_ = false;  // left so by an exception: what comes next is not ours
  std::unique_ptr<redisReader, FreeReader> reader_;
};

}  // namespace lastcall
