// Durations and sizes as people write them: "5s", "250ms", "1m30s"; "16KiB", "1MiB", "512".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bounds.h"

namespace lastcall {

// Whole numbers, each with its unit: h, m, s, ms. A bare 0 needs none. Nothing on any other text,
// and beyond a day.
[[nodiscard]] std::optional<Ms> parse_duration(std::string_view text);
[[nodiscard]] std::string format_duration(Ms duration);
// A whole number, with KiB, MiB, GiB, or no unit for bytes.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::uint64_t bytes);

}  // namespace lastcall
