// The audit: one line at the end that tells what the drain did, and the exit code that follows.
#pragma once

#include <fmt/format.h>

#include <span>
#include <string_view>

#include "server/process.h"

namespace lastcall {

// One of lastcall/exit_code.h: something was cut or lost, or all is finished. Of a process that has
// `ended_by` something else: what that was decided to be.
[[nodiscard]] int exit_code(const Process& process);

// Its memory is its own: one that stands somewhere already can be filled in a signal's handler.
struct Audit {
  using Text = fmt::basic_memory_buffer<char, 16'384>;

  [[nodiscard]] std::string_view plain_text() const { return {plain.data(), plain.size()}; }
  [[nodiscard]] std::string_view json_text() const { return {json.data(), json.size()}; }

  Text plain;  // for people: `audit: exit=0 signal=SIGTERM …`
  Text json;   // the same members, without braces
};
// When all workers have stopped; or of what they have counted so far, if the process has
// `ended_by` something else.
void make_audit(const Process& process, Audit& audit);

// A field of the audit is one row; the rows stand in the order of the line. The manual's table is
// made of them (tests/reference).
struct AuditField {
  std::string_view name;
  std::string_view meaning;
  // Appends the value to both. False: the field is left out. Null: the value is that of `sum`.
  bool (*write)(const Process& process, Audit& audit);
  Metric sum = "requests_received";
};
[[nodiscard]] std::span<const AuditField> audit_fields();

}  // namespace lastcall
