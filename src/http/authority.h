// The host and port of a Host field, or of a target in absolute-form.
#pragma once

#include <string_view>

namespace lastcall {

// RFC 3986 section 3.2.2: reg-name or IP-literal, then an optional port. A comma, though a
// sub-delim, means that two Hosts were joined on the way: refused. Userinfo is not allowed here.
[[nodiscard]] bool is_authority(std::string_view text);

}  // namespace lastcall
