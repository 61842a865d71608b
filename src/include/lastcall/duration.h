// Durations and sizes as people write them: "5s", "250ms", "1m30s"; "16KiB", "1MiB", "512".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lastcall {

// In milliseconds. Whole numbers, each with its unit: h, m, s, ms. A bare 0 needs none. Nothing on
// any other text, and beyond a day.
[[nodiscard]] std::optional<std::int64_t> parse_duration(std::string_view text);
[[nodiscard]] std::string format_duration(std::int64_t milliseconds);
// In bytes. A whole number, with KiB, MiB, GiB, or no unit for bytes.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::uint64_t bytes);

}  // namespace lastcall
