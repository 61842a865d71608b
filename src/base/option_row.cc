#include <lastcall/option_row.h>

#include <fmt/core.h>

#include <cctype>
#include <charconv>

#include <lastcall/duration.h>

namespace lastcall {
namespace {

// Whole, and at least 1: an N that is left to us is not given at all.
template <class Number>
std::string take_number(Number& value, std::string_view text) {
  Number parsed = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, parsed);
  if (error != std::errc{} || stopped != end || parsed == 0) return "a whole number of at least 1";
  value = parsed;
  return {};
}

// Is it one of "text|json"? A kind without a bar takes any text.
bool is_choice(std::string_view text, std::string_view choices) {
  if (choices.find('|') == std::string_view::npos) return true;
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    if (choices.substr(0, bar) == text) return true;
    choices = bar == std::string_view::npos ? std::string_view{} : choices.substr(bar + 1);
  }
  return false;
}

std::string shown(std::string_view kind, std::uint64_t value) {
  return kind == "DURATION" ? format_duration(static_cast<std::int64_t>(value))
                            : fmt::format("{}", value);
}

}  // namespace

std::string environment_name(std::string_view option) {
  std::string name(environment_prefix);
  for (const char c : option.substr(2)) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

namespace detail {

std::string parse_value(Options::Duration& value, std::string_view text, std::string_view) {
  const auto parsed = parse_duration(text);
  if (!parsed) return "a duration such as 5s, 250ms or 0s";
  value = Options::Duration(*parsed);
  return {};
}

std::string parse_value(std::size_t& value, std::string_view text, std::string_view kind) {
  if (kind != "SIZE") return take_number(value, text);
  const auto parsed = parse_size(text);
  if (!parsed) return "a size such as 16KiB, 1MiB or 4096";
  value = *parsed;
  return {};
}

std::string parse_value(unsigned& value, std::string_view text, std::string_view) {
  return take_number(value, text);
}

std::string parse_value(bool& value, std::string_view text, std::string_view) {
  const bool yes = text == "true" || text == "1";
  if (!yes && text != "false" && text != "0") return "one of true|1|false|0";
  value = yes;
  return {};
}

std::string parse_value(std::string& value, std::string_view text, std::string_view kind) {
  if (!is_choice(text, kind)) return fmt::format("one of {}", kind);
  value = text;
  return {};
}

std::string show(Options::Duration value, std::string_view) {
  return format_duration(value.count());
}

std::string show(std::size_t value, std::string_view kind) {
  return kind == "SIZE" ? format_size(value) : fmt::format("{}", value);
}

std::string show(unsigned value, std::string_view) { return fmt::format("{}", value); }
std::string show(bool value, std::string_view) { return value ? "true" : "false"; }
std::string show(const std::string& value, std::string_view) { return value; }

std::string out_of_range(std::string_view name, std::string_view kind, std::uint64_t value,
                         std::uint64_t least, std::uint64_t most) {
  if (value >= least && value <= most) return {};
  return fmt::format("{} is {}: it must be from {} to {}", name, shown(kind, value),
                     shown(kind, least), shown(kind, most));
}

std::string not_a_choice(std::string_view name, std::string_view kind, std::string_view value) {
  if (is_choice(value, kind)) return {};
  return fmt::format("{} is '{}': it must be one of {}", name, value, kind);
}

}  // namespace detail
}  // namespace lastcall
