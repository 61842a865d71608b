// Percent-encoded text as what it stands for (RFC 3986 section 2.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lastcall {

// Writes what `text` stands for to `out`, which has room for as many bytes, and returns how many
// there are; nothing for a '%' without two hexadecimal digits.
[[nodiscard]] std::optional<std::size_t> percent_decode(std::string_view text, char* out);

// A name or a value of a query, as forms write them: a '+' is a space, and an escape that is none
// stands for itself (WHATWG URL standard, section 5.1).
[[nodiscard]] std::string decode_form(std::string_view text);

}  // namespace lastcall
