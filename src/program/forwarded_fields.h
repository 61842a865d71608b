// Who the client is, for a command that sees nothing but us: X-Forwarded-For, -Proto and -Host.
#pragma once

#include <span>
#include <string_view>

#include <lastcall/client.h>
#include <lastcall/request.h>

namespace lastcall {

// What is ours to say, and nobody else's.
[[nodiscard]] std::span<const std::string_view> forwarded_names();
[[nodiscard]] std::span<const std::string_view> no_names();
// What a trusted proxy has said of them is kept, and goes on; of anybody else nothing is.
void add_forwarded(const Request& request, ClientRequest& asked);

}  // namespace lastcall
