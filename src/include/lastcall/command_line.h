// A program's arguments and environment, for one that has options of its own beside the server's;
// for one that has none, `Options::from` does.
//
//   struct ShopOptions { std::string database = "shop"; };
//   constexpr lastcall::OptionRow<ShopOptions> rows[] = {
//       {.name = "--database", .member = &ShopOptions::database, .kind = "URL", .help = "…"}};
//
//   lastcall::Options options;
//   ShopOptions shop;
//   lastcall::CommandLine line("A shop.");
//   line.add(lastcall::option_rows(), options).add<ShopOptions>(rows, shop).parse(argc, argv);
//
// Each option is an argument, `--database URL` or `--database=URL`, or else a variable of the
// environment, LASTCALL_DATABASE; a switch needs no value. Every program has --help, --log-format
// and --log-level, too. What stands behind `--` is `rest`. A variable that is hardly anything but a
// misspelt one is told in the log.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lastcall/exit_code.h>
#include <lastcall/option_row.h>

namespace lastcall {

struct LogOptions {
  std::string format = "text";
  std::string level = "info";
};
[[nodiscard]] std::span<const OptionRow<LogOptions>> log_option_rows();

class CommandLine {
 public:
  explicit CommandLine(std::string about);  // a sentence, for --help

  // What --version prints; without it there is no such option.
  CommandLine& version(std::string text);
  // `owner` has the defaults, and gets what is given; it and the rows outlive this.
  template <class Owner>
  CommandLine& add(std::span<const OptionRow<Owner>> rows, Owner& owner) {
    for (const OptionRow<Owner>& row : rows) {
      add_option(
          {.name = row.name,
           .kind = row.kind,
           .help = row.help,
           .unset = option_text(row, owner),
           .set = [&row, &owner](std::string_view text) { return set_option(row, owner, text); },
           .invalid =
               [&row, &owner] {
                 return invalid_option(std::span<const OptionRow<Owner>>(&row, 1), owner);
               }});
    }
    return *this;
  }

  // A variable that the program reads by itself: a literal.
  CommandLine& knows(std::string_view variable);
  // Sets what is given, and the log's form and level. Ends the process where there is nothing to
  // run: by exit code 0 behind --help and --version, by 2 and one line on stderr where something is
  // wrong with an option by itself. What is wrong with several of them together is for the owner to
  // say (`Options::invalid`), and to `refuse`.
  void parse(int count, const char* const* arguments);
  [[nodiscard]] const std::vector<std::string>& rest() const { return rest_; }
  // Ends the process with this one line, in the form that --log-format says. Signals that
  // `block_signals` has blocked end it, too, should nobody read the line.
  [[noreturn]] void refuse(const ExitCode& exit, std::string_view why) const;

 private:
  struct Option {
    std::string_view name;
    std::string_view kind;
    std::string_view help;
    std::string unset;
    std::function<std::string(std::string_view)> set;  // says what would be right
    std::function<std::string()> invalid;              // is it within the row's range?
    std::optional<std::string> given{};
  };

  void add_option(Option option);
  [[nodiscard]] Option* find(std::string_view name);
  [[nodiscard]] std::string take_arguments(int count, const char* const* arguments);
  [[nodiscard]] std::string take_environment();
  void tell_misspelt() const;
  [[nodiscard]] std::string help() const;

  const std::string about_;
  std::string version_;
  std::string program_ = "program";
  LogOptions log_;
  std::vector<std::string_view> variables_;  // that are no options
  std::vector<Option> options_;
  std::vector<std::string> rest_;
};

}  // namespace lastcall
