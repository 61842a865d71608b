#include "program_options.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#include "duration.h"

#ifndef LASTCALL_VERSION
#define LASTCALL_VERSION "unknown"
#endif

namespace lastcall {
namespace {

// One option: its value comes as text, from an argument or else the environment, and is judged in
// one place, so that both say the same of a bad one.
struct Entry {
  std::string name;  // "--drain-window"
  std::string text;
  std::string wanted;                             // "a duration such as 5s or 250ms"
  std::function<bool(const std::string&)> apply;  // false: not what is wanted
  CLI::Option* option = nullptr;
};

std::string environment_name(std::string_view option) {
  std::string name = "LASTCALL_";
  for (const char c : option.substr(2)) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

class Parser {
 public:
  explicit Parser(ProgramOptions& options);
  [[nodiscard]] std::optional<int> parse(int argc, char** argv);

 private:
  void duration(const char* name, Options::Duration& value, const char* help);
  void size(const char* name, std::size_t& value, const char* help);
  template <class Number>
  void number(const char* name, Number& value, const char* none, const char* help);
  void flag(const char* name, bool& value, const char* help);
  void text(const char* name, std::string& value, const char* kind, const char* help);
  template <class Value>
  void choice(const char* name, Value& value, const char* initial,
              std::vector<std::pair<std::string, Value>> choices, const char* help);
  void add(const char* name, const std::string& kind, const std::string& initial,
           const std::string& wanted, const char* help,
           std::function<bool(const std::string&)> apply);
  [[nodiscard]] int refuse(const std::string& why) const;

  CLI::App app_{"An HTTP/1.1 server that never drops a request when its process is taken away.",
                "lastcall"};
  std::vector<std::unique_ptr<Entry>> entries_;
};

Parser::Parser(ProgramOptions& options) {
  Options& o = options.server;
  app_.set_version_flag("--version", "lastcall " LASTCALL_VERSION);
  app_.footer(
      "Durations: 5s, 250ms, 1m30s. Sizes: 16KiB, 1MiB, or bytes. Each option can be set in the\n"
      "environment too: --drain-window is LASTCALL_DRAIN_WINDOW. Exit codes: 0 everything "
      "finished,\n"
      "1 could not start or broke, 2 bad option, 3 the deadline cut something, 4 a second SIGINT\n"
      "or SIGQUIT did.");
  text("--listen", o.listen, "ADDRESS:PORT", "where to serve; port 0 picks one and logs it");
  text("--admin-listen", o.admin_listen, "ADDRESS:PORT",
       "a second listener for health paths and /metrics only, closed last");
  number("--workers", o.workers, "usable CPUs", "reactor threads");
  duration("--drain-window", o.drain_window, "listener open after SIGTERM");
  duration("--shutdown-timeout", o.shutdown_timeout,
           "from the window's end: requests in flight and jobs must be done");
  duration("--grace-period", o.grace_period,
           "the pod's terminationGracePeriodSeconds: pre-stop + window + timeout + 3s must fit");
  duration("--pre-stop", o.pre_stop, "what a preStop hook spends of the grace period");
  duration("--serving-lead", o.serving_lead,
           "how long before the listener's end /servingz turns 503; at most the window");
  flag("--hard", o.hard, "the control: end at once on SIGTERM");
  number("--max-connections", o.max_connections, "from RLIMIT_NOFILE",
         "open at once; above it accepting pauses");
  duration("--header-timeout", o.header_timeout, "for a request's head, from its first byte");
  duration("--body-timeout", o.body_timeout, "for progress of a request's body");
  duration("--idle-timeout", o.idle_timeout, "between requests; longer than any load balancer's");
  duration("--write-timeout", o.write_timeout, "for progress of a client reading its answer");
  size("--max-header-bytes", o.max_header_bytes, "request line and fields; 431 beyond");
  size("--max-body-bytes", o.max_body_bytes, "one body; 413 beyond");
  size("--body-memory", o.body_memory, "all bodies together, received or sent; 503 beyond");
  number("--max-jobs", o.max_jobs, "65536", "background jobs under way; /incr answers 503 beyond");
  text("--counter", options.counter.where, "WHERE",
       "where /incr counts: memory, file:PATH, or redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]");
  text("--counter-key", options.counter.key, "KEY", "the counter's name in Redis");
  text("--counter-password-file", options.counter.password_file, "PATH",
       "its first line is Redis's password, if the URL has none; else LASTCALL_COUNTER_PASSWORD");
  duration("--job-delay", options.job_delay, "the simulated slow work behind /incr");
  flag("--served-by", options.served_by, "answers name their host in X-Served-By");
  text("--termination-log", o.termination_log, "PATH",
       "where the audit goes as JSON if the file exists");
  choice<log::Format>("--log-format", options.log_format, "text",
                      {{"text", log::Format::text}, {"json", log::Format::json}}, "of stderr");
  choice<log::Level>("--log-level", options.log_level, "info",
                     {{"debug", log::Level::debug},
                      {"info", log::Level::info},
                      {"warning", log::Level::warning},
                      {"error", log::Level::error},
                      {"off", log::Level::off}},
                     "least important line that is written");
}

void Parser::add(const char* name, const std::string& kind, const std::string& initial,
                 const std::string& wanted, const char* help,
                 std::function<bool(const std::string&)> apply) {
  auto entry = std::make_unique<Entry>();
  entry->name = name;
  entry->wanted = wanted;
  entry->apply = std::move(apply);
  const std::string described = fmt::format("{} [{}]", help, initial);
  entry->option = kind == "SWITCH" ? app_.add_flag(name, entry->text, described)
                                   : app_.add_option(name, entry->text, described);
  entry->option->type_name(kind);
  entries_.push_back(std::move(entry));
}

void Parser::duration(const char* name, Options::Duration& value, const char* help) {
  add(name, "DURATION", format_duration(value.count()), "a duration such as 5s, 250ms or 0s", help,
      [&value](const std::string& text) {
        const auto parsed = parse_duration(text);
        if (parsed) value = Options::Duration(*parsed);
        return parsed.has_value();
      });
}

void Parser::size(const char* name, std::size_t& value, const char* help) {
  add(name, "SIZE", format_size(value), "a size such as 16KiB, 1MiB or 4096", help,
      [&value](const std::string& text) {
        const auto parsed = parse_size(text);
        if (parsed) value = *parsed;
        return parsed.has_value();
      });
}

template <class Number>
void Parser::number(const char* name, Number& value, const char* none, const char* help) {
  add(name, "N", none, "a whole number of at least 1", help, [&value](const std::string& text) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() && value > 0;
  });
}

void Parser::flag(const char* name, bool& value, const char* help) {
  choice<bool>(name, value, "false", {{"true", true}, {"1", true}, {"false", false}, {"0", false}},
               help);
}

void Parser::text(const char* name, std::string& value, const char* kind, const char* help) {
  add(name, kind, value.empty() ? "off" : value, kind, help, [&value](const std::string& text) {
    value = text;
    return true;
  });
}

template <class Value>
void Parser::choice(const char* name, Value& value, const char* initial,
                    std::vector<std::pair<std::string, Value>> choices, const char* help) {
  std::string names;
  for (const auto& [text, meant] : choices) names += (names.empty() ? "" : "|") + text;
  const std::string kind = std::is_same_v<Value, bool> ? "SWITCH" : names;
  add(name, kind, initial, "one of " + names, help,
      [&value, choices = std::move(choices)](const std::string& text) {
        for (const auto& [name, meant] : choices) {
          if (name == text) {
            value = meant;
            return true;
          }
        }
        return false;
      });
}

int Parser::refuse(const std::string& why) const {
  fmt::print(stderr, "lastcall: {}; see --help\n", why);
  return 2;
}

std::optional<int> Parser::parse(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app_.exit(success);  // --help and --version
  } catch (const CLI::ParseError& error) {
    std::string why = error.what();
    std::replace(why.begin(), why.end(), '\n', ' ');
    return refuse(why);
  }
  for (const auto& entry : entries_) {
    const std::string variable = environment_name(entry->name);
    const char* environment = std::getenv(variable.c_str());
    if (entry->option->count() == 0) {  // an argument wins over the environment
      if (environment == nullptr || *environment == '\0') continue;
      entry->text = environment;
    }
    if (entry->apply(entry->text)) continue;
    return refuse(fmt::format("{} (or {}) is '{}': it must be {}", entry->name, variable,
                              entry->text, entry->wanted));
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> parse_program_options(int argc, char** argv, ProgramOptions& options) {
  return Parser(options).parse(argc, argv);
}

}  // namespace lastcall
