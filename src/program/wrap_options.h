// What may be set where lastcall stands in front of a command: `lastcall --upstream … -- COMMAND`.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <lastcall/option_row.h>

namespace lastcall {

// Where the command listens.
struct UpstreamAddress {
  std::string host;  // a name or an address; empty: `path`
  std::uint16_t port = 0;
  std::string path;  // of a unix socket

  // "127.0.0.1:3000", "[::1]:3000", "unix:/run/app.sock". Empty, or what is wrong with it.
  [[nodiscard]] static std::string parse(std::string_view text, UpstreamAddress& address);
};

struct WrapOptions {
  using Duration = Options::Duration;

  WrapOptions();
  // An inherited PORT is where we are to listen.
  void take_port(const char* port);

  Options server;  // with defaults for this
  std::string upstream;
  std::string ready_path;
  Duration start_timeout{0};
  Duration hang_timeout{60'000};
  Duration after_drain{0};
  std::string stop_signal = "TERM";
  Duration stop_timeout{5'000};
  std::string pass_signals = "HUP,USR1,USR2,WINCH";
  std::size_t buffer = 64 * 1024;
  std::string forwarded = "on";
  Duration keep_alive{1'000};
  std::string retry = "on";
  std::size_t upstream_max = 0;
  Duration queue_timeout{10'000};
  Duration connect_timeout{5'000};
  Duration first_byte_timeout{0};
  Duration silence_timeout{0};
  bool tcp = false;

  [[nodiscard]] std::vector<int> passed_signals() const;
  [[nodiscard]] int stop_signal_number() const;
  [[nodiscard]] UpstreamAddress address() const;
  // Sets what follows for the server from the rest.
  void finish();
  // Empty, or one line that says which value is wrong and what would be right.
  [[nodiscard]] std::string invalid() const;

 private:
  [[nodiscard]] bool listens_at_port() const {
    return !inherited_.empty() && server.listen == inherited_;
  }
  [[nodiscard]] std::string listen_text() const;  // as the user may know it

  std::string inherited_;  // --listen, as PORT has it
};

[[nodiscard]] std::span<const OptionRow<WrapOptions>> wrap_option_rows();

}  // namespace lastcall
