#include <lastcall/duration.h>

#include <fmt/core.h>

#include <charconv>

#include "base/limits.h"

namespace lastcall {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr Unit time_units[] = {{"ms", 1}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}};
constexpr Unit size_units[] = {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

// Takes digits off the front of `text`.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

std::optional<Ms> parse_duration(std::string_view text) {
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  Ms total = 0;
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number || *number > static_cast<std::uint64_t>(limits::duration_ms_max))
      return std::nullopt;
    const Unit* unit = nullptr;
    for (const Unit& candidate : time_units) {
      if (text.starts_with(candidate.name)) {
        unit = &candidate;
        break;
      }
    }
    if (unit == nullptr) return std::nullopt;
    text.remove_prefix(unit->name.size());
    total += static_cast<Ms>(*number) * unit->factor;
    if (total > limits::duration_ms_max) return std::nullopt;
  }
  return total;
}

std::string format_duration(Ms duration) {
  if (duration % 1000 != 0) return fmt::format("{}ms", duration);
  if (duration != 0 && duration % 3'600'000 == 0) return fmt::format("{}h", duration / 3'600'000);
  return fmt::format("{}s", duration / 1000);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto number = take_number(text);
  if (!number) return std::nullopt;
  if (text.empty()) return number;
  for (const Unit& unit : size_units) {
    if (text == unit.name && *number <= (std::uint64_t{1} << 30))
      return *number * static_cast<std::uint64_t>(unit.factor);
  }
  return std::nullopt;
}

std::string format_size(std::uint64_t bytes) {
  for (auto unit = std::rbegin(size_units); unit != std::rend(size_units); ++unit) {
    const auto factor = static_cast<std::uint64_t>(unit->factor);
    if (bytes != 0 && bytes % factor == 0) return fmt::format("{}{}", bytes / factor, unit->name);
  }
  return fmt::format("{}", bytes);
}

}  // namespace lastcall
