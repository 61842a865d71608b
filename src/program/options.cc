// All that knows CLI11.
#include "options.h"

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <sstream>
#include <vector>

#include <lastcall/exit_code.h>

#ifndef LASTCALL_VERSION
#define LASTCALL_VERSION "unknown"
#endif

namespace lastcall {
namespace {

constexpr OptionRow<ProgramOptions> rows[] = {
    {.name = "--job-delay",
     .member = &ProgramOptions::job_delay,
     .kind = "DURATION",
     .help = "the simulated slow work behind /incr; shorter than --shutdown-timeout, or the last "
             "ones are cut"},
    {.name = "--served-by",
     .member = &ProgramOptions::served_by,
     .kind = "SWITCH",
     .help = "answers name their host in X-Served-By"},
    {.name = "--log-format",
     .member = &ProgramOptions::log_format,
     .kind = "text|json",
     .help = "of stderr, which never blocks: what does not fit is dropped and counted"},
    {.name = "--log-level",
     .member = &ProgramOptions::log_level,
     .kind = "debug|info|warning|error|off",
     .help = "least important line that is written"},
};

std::string exit_code_lines() {
  std::string lines;
  for (const ExitCode& each : exit_codes)
    lines += fmt::format("\n  {:<4} {}", each.code, each.meaning);
  return lines;
}

// Options as CLI11 reads them. A value comes as text, from an argument or else the environment, and
// is judged in one place, so that both say the same of a bad one.
class CommandLine {
 public:
  explicit CommandLine(ProgramOptions& options);
  [[nodiscard]] std::optional<int> parse(int argc, char** argv, std::string& text);

 private:
  struct Entry {
    std::string name;
    std::string text;
    std::function<std::string(std::string_view)> set;  // says what would be right
    CLI::Option* option = nullptr;
  };

  template <class Owner>
  void add(std::span<const OptionRow<Owner>> rows, Owner& owner);

  CLI::App app_{"An HTTP/1.1 server that never drops a request when its process is taken away.",
                "lastcall"};
  std::vector<std::unique_ptr<Entry>> entries_;
};

CommandLine::CommandLine(ProgramOptions& options) {
  app_.set_version_flag("--version", "lastcall " LASTCALL_VERSION);
  app_.footer(
      "Durations: 5s, 250ms, 1m30s. Sizes: 16KiB, 1MiB, or bytes. Each option can be set in the\n"
      "environment too: --drain-window is LASTCALL_DRAIN_WINDOW. Exit codes:" +
      exit_code_lines());
  add(option_rows(), options.server);
  add(counter_option_rows(), options.counter);
  add(program_option_rows(), options);
}

template <class Owner>
void CommandLine::add(std::span<const OptionRow<Owner>> rows, Owner& owner) {
  for (const OptionRow<Owner>& row : rows) {
    auto entry = std::make_unique<Entry>();
    entry->name = row.name;
    entry->set = [&row, &owner](std::string_view text) { return set_option(row, owner, text); };
    const std::string described = fmt::format("{} [{}]", row.help, option_text(row, owner));
    entry->option = row.kind == "SWITCH" ? app_.add_flag(entry->name, entry->text, described)
                                         : app_.add_option(entry->name, entry->text, described);
    entry->option->type_name(std::string(row.kind));
    entries_.push_back(std::move(entry));
  }
}

// The form of a line about a bad option, whichever that is.
void note_log_format(int argc, char** argv, ProgramOptions& options) {
  constexpr std::string_view name = "--log-format";
  const char* const environment = std::getenv(environment_name(name).c_str());
  std::string_view format = environment == nullptr ? "" : environment;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == name && i + 1 < argc) format = argv[i + 1];
    if (argument.starts_with(name) && argument.substr(name.size()).starts_with('='))
      format = argument.substr(name.size() + 1);
  }
  if (format == "json") options.log_format = format;
}

std::optional<int> CommandLine::parse(int argc, char** argv, std::string& text) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& success) {
    std::ostringstream out;  // --help and --version
    const int code = app_.exit(success, out, out);
    text = out.str();
    return code;
  } catch (const CLI::ParseError& error) {
    text = fmt::format("{}; see --help", error.what());
    std::replace(text.begin(), text.end(), '\n', ' ');
    return exit_bad_option.code;
  }
  for (const auto& entry : entries_) {
    const std::string variable = environment_name(entry->name);
    const char* environment = std::getenv(variable.c_str());
    if (entry->option->count() == 0) {  // an argument wins over the environment
      if (environment == nullptr || *environment == '\0') continue;
      entry->text = environment;
    }
    const std::string wanted = entry->set(entry->text);
    if (wanted.empty()) continue;
    text = fmt::format("{} (or {}) is '{}': it must be {}; see --help", entry->name, variable,
                       entry->text, wanted);
    return exit_bad_option.code;
  }
  return std::nullopt;
}

}  // namespace

std::span<const OptionRow<ProgramOptions>> program_option_rows() { return rows; }

std::string ProgramOptions::invalid() const {
  std::string wrong = server.invalid();
  if (wrong.empty()) wrong = invalid_option(program_option_rows(), *this);
  return wrong.empty() ? counter.invalid() : wrong;
}

std::optional<int> parse_program_options(int argc, char** argv, ProgramOptions& options,
                                         std::string& text) {
  CommandLine line(options);
  note_log_format(argc, argv, options);
  return line.parse(argc, argv, text);
}

}  // namespace lastcall
