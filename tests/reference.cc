// What the manual's tables say, from the rows that the code obeys: tests/reference compares them
// with k8s/README.md, or writes them there.
#include <fmt/core.h>

#include <string_view>

#include <lastcall/command_line.h>
#include <lastcall/exit_code.h>

#include "program/options.h"
#include "program/wrap_options.h"
#include "server/audit.h"

using namespace lastcall;

namespace {

void begin(std::string_view block, std::string_view columns) {
  fmt::print("<!-- {}: written by tests/reference --write -->\n{}\n", block, columns);
}

void end(std::string_view block) { fmt::print("<!-- end of {} -->\n", block); }

// A bar would end the cell.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

template <class Owner>
void print_options(std::span<const OptionRow<Owner>> rows) {
  const Owner defaults{};
  for (const OptionRow<Owner>& row : rows) {
    const bool is_switch = row.kind == "SWITCH";
    fmt::print("| `{}{}{}` | {} | {} |\n", row.name, is_switch ? "" : " ",
               is_switch ? std::string() : cell(row.kind),
               is_switch ? "off" : option_text(row, defaults), cell(row.help));
  }
}

}  // namespace

int main() {
  begin("options", "| option | default | meaning |\n|---|---|---|");
  print_options(option_rows());
  print_options(counter_option_rows());
  print_options(program_option_rows());
  print_options(log_option_rows());
  end("options");
  begin("options with a command", "| option | default | meaning |\n|---|---|---|");
  print_options(wrap_option_rows());
  end("options with a command");
  begin("exit codes", "| code | means |\n|---|---|");
  for (const ExitCode& each : exit_codes)
    fmt::print("| {} | {} |\n", each.code, cell(each.meaning));
  end("exit codes");
  begin("audit", "| field | says |\n|---|---|");
  for (const AuditField& field : audit_fields())
    fmt::print("| `{}` | {} |\n", field.name, cell(field.meaning));
  end("audit");
  return 0;
}
