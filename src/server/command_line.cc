#include <lastcall/command_line.h>

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include <lastcall/log.h>

namespace lastcall {
namespace {

constexpr OptionRow<LogOptions> rows[] = {
    {.name = "--log-format",
     .member = &LogOptions::format,
     .kind = "text|json",
     .help = "of stderr, which never blocks: what does not fit is dropped and counted"},
    {.name = "--log-level",
     .member = &LogOptions::level,
     .kind = "debug|info|warning|error|off",
     .help = "least important line that is written"},
};

// Nothing will be served: a signal ends it as it ends any program.
void be_any_program() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void show(const std::string& text) {
  be_any_program();
  const bool shown = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  std::exit(shown ? exit_finished.code : exit_failed.code);
}

// How many letters are to be added, removed, changed or swapped with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::vector<std::size_t> row(b.size() + 1);
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      row[j + 1] = std::min({row[j] + 1, above[j + 1] + 1, above[j] + (a[i] != b[j])});
      if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j])
        row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above.back();
}

// Kubernetes tells each container of the services beside it, of one called lastcall, too:
// LASTCALL_SERVICE_HOST, LASTCALL_PORT_8080_TCP_ADDR.
bool is_of_a_service(std::string_view variable) {
  const std::string_view name = variable.substr(environment_prefix.size());
  return name.starts_with("PORT") || name.starts_with("SERVICE_") ||
         name.find("_PORT") != std::string_view::npos ||
         name.find("_SERVICE_") != std::string_view::npos;
}

// In lines of at most 80 columns, the first behind `column` of them.
void wrap(std::string& to, std::string_view text, std::size_t column) {
  constexpr std::size_t indent = 6;
  constexpr std::size_t columns = 80;
  for (bool first = true; !text.empty(); first = false) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (!first && column + 1 + word.size() > columns) {
      to.append("\n").append(indent, ' ');
      column = indent;
    } else if (!first) {
      to += ' ';
      ++column;
    }
    to += word;
    column += word.size();
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  to += '\n';
}

}  // namespace

std::span<const OptionRow<LogOptions>> log_option_rows() { return rows; }

CommandLine::CommandLine(std::string about) : about_(std::move(about)) {}

CommandLine& CommandLine::version(std::string text) {
  version_ = std::move(text);
  return *this;
}

CommandLine& CommandLine::knows(std::string_view variable) {
  variables_.push_back(variable);
  return *this;
}

void CommandLine::add_option(Option option) { options_.push_back(std::move(option)); }

CommandLine::Option* CommandLine::find(std::string_view name) {
  const auto at = std::find_if(options_.begin(), options_.end(),
                               [&](const Option& option) { return option.name == name; });
  return at == options_.end() ? nullptr : &*at;
}

void CommandLine::parse(int count, const char* const* arguments) {
  add(log_option_rows(), log_);
  if (count > 0)
    program_ = std::string_view(arguments[0])
                   .substr(std::string_view(arguments[0]).rfind('/') + 1);  // npos + 1 is 0
  std::string wrong = take_arguments(count, arguments);
  const std::string wrong_variable = take_environment();
  log::configure(log_.format == "json" ? log::Format::json : log::Format::text,
                 log::level_named(log_.level).value_or(log::Level::info));
  if (wrong.empty()) wrong = wrong_variable;
  if (!wrong.empty()) refuse(exit_bad_option, wrong + "; see --help");
  for (const Option& option : options_) {
    wrong = option.invalid();
    if (!wrong.empty()) refuse(exit_bad_option, wrong);
  }
  tell_misspelt();
}

// Empty, or what is wrong with them.
std::string CommandLine::take_arguments(int count, const char* const* arguments) {
  std::string wrong;
  const auto note = [&](std::string what) {
    if (wrong.empty()) wrong = std::move(what);
  };
  // To the end, whatever is wrong: the form of the line about it may come last.
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--") {
      rest_.assign(arguments + i + 1, arguments + count);
      break;
    }
    if (argument == "--help" || argument == "-h") show(help());
    if (argument == "--version" && !version_.empty()) show(version_ + "\n");
    const auto equals = argument.find('=');
    Option* const option = find(argument.substr(0, equals));
    if (option == nullptr) {
      const bool is_option = argument.starts_with('-');
      note(is_option ? fmt::format("there is no option {}", argument)
                     : fmt::format("{} is no option: what is none stands behind --", argument));
      continue;
    }
    if (option->given) note(fmt::format("{} is given twice", option->name));
    if (equals != std::string_view::npos) {
      option->given = argument.substr(equals + 1);
    } else if (option->kind == "SWITCH") {
      option->given = "true";
    } else if (i + 1 < count) {
      option->given = arguments[++i];
    } else {
      note(fmt::format("{} needs a value: {}", option->name, option->kind));
    }
  }
  return wrong;
}

// An argument wins over the environment; both are judged in one place, so that both say the same of
// a bad value.
std::string CommandLine::take_environment() {
  std::string wrong;
  for (Option& option : options_) {
    const std::string variable = environment_name(option.name);
    const char* const environment = std::getenv(variable.c_str());
    if (!option.given && environment != nullptr && *environment != '\0') option.given = environment;
    if (!option.given) continue;
    const std::string wanted = option.set(*option.given);
    if (wanted.empty() || !wrong.empty()) continue;
    wrong = fmt::format("{} (or {}) is '{}': it must be {}", option.name, variable, *option.given,
                        wanted);
  }
  return wrong;
}

void CommandLine::tell_misspelt() const {
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view pair = *each;
    const std::string_view variable = pair.substr(0, pair.find('='));
    if (!variable.starts_with(environment_prefix) || is_of_a_service(variable)) continue;
    if (std::find(variables_.begin(), variables_.end(), variable) != variables_.end()) continue;
    std::string nearest;
    std::size_t least = variable.size();
    for (const Option& option : options_) {
      const std::string name = environment_name(option.name);
      const std::size_t away = distance(variable, name);
      if (away < least) nearest = name;
      least = std::min(least, away);
    }
    constexpr std::size_t hardly_meant = 4;
    if (least == 0) continue;
    if (least < hardly_meant) {
      log::warning("{} stands for no option: is it {}? --help has them all", variable, nearest);
    } else {
      log::warning("{} stands for no option: --help has them all", variable);
    }
  }
}

std::string CommandLine::help() const {
  std::string text;
  wrap(text, about_, 0);
  text += fmt::format("Usage: {} [OPTIONS] [-- REST...]\n\nOptions:\n", program_);
  const auto add = [&](std::string_view name, std::string_view kind, std::string_view meaning) {
    const bool takes = !kind.empty() && kind != "SWITCH";
    const std::string head = fmt::format("  {}{}{}", name, takes ? " " : "", takes ? kind : "");
    text.append(head).append("\n").append(6, ' ');
    wrap(text, meaning, 6);
  };
  add("--help", {}, "this text");
  if (!version_.empty()) add("--version", {}, "which one this is");
  for (const Option& option : options_) {
    const bool is_switch = option.kind == "SWITCH";
    add(option.name, option.kind,
        is_switch ? std::string(option.help) : fmt::format("{} [{}]", option.help, option.unset));
  }
  text +=
      "\nDurations: 5s, 250ms, 1m30s. Sizes: 16KiB, 1MiB, or bytes. Each option can be set in\n"
      "the environment, too: --drain-window is LASTCALL_DRAIN_WINDOW. Exit codes:\n";
  for (const ExitCode& each : exit_codes) {
    text += fmt::format("  {:<4}", each.code);
    wrap(text, each.meaning, 6);
  }
  return text;
}

void CommandLine::refuse(const ExitCode& exit, std::string_view why) const {
  be_any_program();
  std::string line(why);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  if (log_.format == "json" && log::enabled(log::Level::error)) {
    log::error("{}", line);
  } else {
    std::fputs(fmt::format("{}: {}\n", program_, line).c_str(), stderr);  // which may be gone
  }
  std::exit(exit.code);
}

Options Options::from(int count, const char* const* arguments) {
  Options options;
  CommandLine line("A service that never drops a request when its process is taken away.");
  line.add(option_rows(), options).parse(count, arguments);
  if (const std::string wrong = options.invalid(); !wrong.empty())
    line.refuse(exit_bad_option, wrong);
  options.rest = line.rest();
  return options;
}

}  // namespace lastcall
