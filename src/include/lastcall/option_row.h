// An option as one row: from it come its line of --help, the name of its environment variable, the
// checks of its value, and its line in the manual. `option_rows()` has a row for each member of
// `Options`; a program with options of its own writes rows for them in the same form, as the sample
// program does (src/program/options.cc).
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <lastcall/options.h>

namespace lastcall {

template <class Owner>
struct OptionRow {
  using Member = std::variant<Options::Duration Owner::*, std::size_t Owner::*, unsigned Owner::*,
                              bool Owner::*, std::string Owner::*>;

  std::string_view name;  // "--drain-window"
  Member member;
  // DURATION, SIZE, N or SWITCH, as the member's type goes; of a text what it is, such as PATH, or
  // the words to choose from, such as text|json.
  std::string_view kind;
  std::string_view help;
  std::string_view unset{};  // what the default stands for where it is 0 or empty: "usable CPUs"
  std::uint64_t least = 0;   // milliseconds, bytes or a number; of an N that is given at least 1
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
};

[[nodiscard]] std::span<const OptionRow<Options>> option_rows();

inline constexpr std::string_view environment_prefix = "LASTCALL_";
// "LASTCALL_DRAIN_WINDOW" for "--drain-window".
[[nodiscard]] std::string environment_name(std::string_view option);

namespace detail {

// A value as people write it, and back. `parse_value` says what would be right where `text` is not.
std::string parse_value(Options::Duration& value, std::string_view text, std::string_view kind);
std::string parse_value(std::size_t& value, std::string_view text, std::string_view kind);
std::string parse_value(unsigned& value, std::string_view text, std::string_view kind);
std::string parse_value(bool& value, std::string_view text, std::string_view kind);
std::string parse_value(std::string& value, std::string_view text, std::string_view kind);
std::string show(Options::Duration value, std::string_view kind);
std::string show(std::size_t value, std::string_view kind);
std::string show(unsigned value, std::string_view kind);
std::string show(bool value, std::string_view kind);
std::string show(const std::string& value, std::string_view kind);
// Empty, or that the value is not within the row's range, or none of its words.
std::string out_of_range(std::string_view name, std::string_view kind, std::uint64_t value,
                         std::uint64_t least, std::uint64_t most);
std::string not_a_choice(std::string_view name, std::string_view kind, std::string_view value);

inline std::uint64_t number_of(Options::Duration value) {
  return static_cast<std::uint64_t>(value.count());
}
inline std::uint64_t number_of(std::size_t value) { return value; }
inline std::uint64_t number_of(unsigned value) { return value; }
inline std::uint64_t number_of(bool value) { return value ? 1 : 0; }

template <class Owner, class Value>
std::string wrong_value(const OptionRow<Owner>& row, const Value& value) {
  return out_of_range(row.name, row.kind, number_of(value), row.least, row.most);
}
template <class Owner>
std::string wrong_value(const OptionRow<Owner>& row, const std::string& value) {
  return not_a_choice(row.name, row.kind, value);
}

}  // namespace detail

// Sets the row's member from text. Empty, or what would be right: "a duration such as 5s".
template <class Owner>
[[nodiscard]] std::string set_option(const OptionRow<Owner>& row, Owner& options,
                                     std::string_view text) {
  return std::visit(
      [&](auto member) { return detail::parse_value(options.*member, text, row.kind); },
      row.member);
}

// The row's member as text; for what is 0 or empty, what that stands for.
template <class Owner>
[[nodiscard]] std::string option_text(const OptionRow<Owner>& row, const Owner& options) {
  std::string text =
      std::visit([&](auto member) { return detail::show(options.*member, row.kind); }, row.member);
  const bool unset = text.empty() || (text == "0" && !row.unset.empty());
  if (!unset) return text;
  return row.unset.empty() ? "off" : std::string(row.unset);
}

// Empty, or one line: the first member that is out of its row's range, or none of its words.
template <class Owner>
[[nodiscard]] std::string invalid_option(std::span<const OptionRow<Owner>> rows,
                                         const Owner& options) {
  for (const OptionRow<Owner>& row : rows) {
    std::string wrong = std::visit(
        [&](auto member) { return detail::wrong_value(row, options.*member); }, row.member);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace lastcall
