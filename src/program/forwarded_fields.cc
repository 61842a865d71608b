#include "forwarded_fields.h"

#include <string>

namespace lastcall {
namespace {

constexpr std::string_view names[] = {"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
                                      "Forwarded"};

}  // namespace

std::span<const std::string_view> forwarded_names() { return names; }
std::span<const std::string_view> no_names() { return {}; }

void add_forwarded(const Request& request, ClientRequest& asked) {
  const bool trusted = request.comes_by_trusted_proxy();
  // What its Connection names is for us alone (RFC 9110 section 7.6.1).
  const auto said = [&](std::string_view name) {
    const bool kept = trusted && !request.connection_names(name);
    return kept ? request.combined_field(name) : std::nullopt;
  };
  std::string by = request.peer_address();
  if (const auto before = said("X-Forwarded-For")) by = *before + ", " + by;
  asked.field("X-Forwarded-For", by);
  asked.field("X-Forwarded-Proto", said("X-Forwarded-Proto").value_or("http"));
  const std::string host(request.host());
  asked.field("X-Forwarded-Host", said("X-Forwarded-Host").value_or(host));
  if (const auto forwarded = said("Forwarded")) asked.field("Forwarded", *forwarded);
}

}  // namespace lastcall
