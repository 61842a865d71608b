// The audit: one line at the end that tells what the drain did, and the exit code that follows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server/process.h"

namespace lastcall {

// One of lastcall/exit_code.h: something was cut or lost, or all is finished.
[[nodiscard]] int exit_code(const Process& process);

struct Audit {
  std::string text;  // for people: `audit: exit=0 signal=SIGTERM …`
  std::string json;  // the same members, without braces
};
// After all workers have stopped.
[[nodiscard]] Audit make_audit(const Process& process);

// A field of the audit is one row; the rows stand in the order of the line. The manual's table is
// made of them (tests/reference).
struct AuditField {
  struct Value {
    std::string text;
    std::string json;
  };

  std::string_view name;
  std::string_view meaning;
  std::optional<Value> (*value)(const Process& process);  // nothing: the field is left out
};
[[nodiscard]] std::span<const AuditField> audit_fields();

}  // namespace lastcall
