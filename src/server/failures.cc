#include "server/failures.h"

#include <exception>
#include <string_view>

#include <lastcall/log.h>

namespace lastcall {

std::string what_failed() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception of no known kind";
  }
}

void Failures::note(const Request& request, Ms now, bool begun) noexcept {
  try {
    throw;
  } catch (const std::exception& error) {
    tell(&typeid(error), error.what(), request, now, begun);
  } catch (...) {
    tell(nullptr, "what it threw is no std::exception", request, now, begun);
  }
}

Failures::Kind& Failures::kind_of(const std::type_info* type) {
  for (Kind& kind : kinds_) {
    const bool same =
        kind.type == type || (type != nullptr && kind.type != nullptr && *kind.type == *type);
    if (kind.told_at == never || same) {
      kind.type = type;
      return kind;
    }
  }
  return kinds_.back();
}

void Failures::tell(const std::type_info* type, const char* what, const Request& request, Ms now,
                    bool begun) {
  constexpr std::size_t shown = 200;  // bytes of each
  Kind& kind = kind_of(type);
  if (kind.told_at != never && now < kind.told_at + limits::failure_log_ms) {
    ++kind.untold;
    return;
  }
  const auto id = request.field("X-Request-Id").value_or(std::string_view{}).substr(0, shown);
  const std::string_view before_id = id.empty() ? "" : ", request id ";
  const std::string_view path = request.path().substr(0, shown);
  const std::string_view why = std::string_view(what).substr(0, shown);
  const std::string_view came_of_it = begun ? "its answer is broken off" : "answered 500";
  if (kind.untold == 0) {
    log::error("{} {} failed, {}: {}{}{}", request.method_name(), path, came_of_it, why, before_id,
               id);
  } else {
    log::error("{} {} failed, {}: {}{}{}; and {} more since that was said last",
               request.method_name(), path, came_of_it, why, before_id, id, kind.untold);
  }
  kind.told_at = now;
  kind.untold = 0;
}

}  // namespace lastcall
