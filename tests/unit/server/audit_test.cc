#include "server/audit.h"

#include <doctest/doctest.h>

#include <csignal>

using namespace lastcall;

TEST_CASE("the exit code tells what was cut, and by whom") {
  for (const Metric metric :
       {Metric("requests_cut"), Metric("queue_lost"), Metric("lost_in_drain")}) {
    Process process(1, {});
    (void)process.on_signal(SIGINT, 1);
    CHECK(exit_code(process) == 0);
    process.slots[0].metrics.add(metric);
    CHECK(exit_code(process) == 3);
    (void)process.on_signal(SIGINT, 2);
    CHECK(exit_code(process) == 4);
  }
}

TEST_CASE("the audit says the same to people and to machines") {
  Process process(1, {.window = 10, .timeout = 10, .lead = 0});
  (void)process.on_signal(SIGTERM, 50);
  process.slots[0].metrics.add("requests_cut", 7);
  const Audit audit = make_audit(process);
  CHECK(audit.text.find("audit: exit=3 signal=SIGTERM") == 0);
  CHECK(audit.text.find(" requests_cut=7 ") != std::string::npos);
  CHECK(audit.json.find("\"exit\":3,\"signal\":\"SIGTERM\"") == 0);
  CHECK(audit.json.find("\"requests_cut\":7,") != std::string::npos);
}
