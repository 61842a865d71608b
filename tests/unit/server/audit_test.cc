#include "server/audit.h"

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <string_view>

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
  Audit audit;
  make_audit(process, audit);
  const std::string_view text = audit.plain_text();
  const std::string_view json = audit.json_text();
  CHECK(text.find("audit: exit=3 signal=SIGTERM") == 0);
  CHECK(text.find(" requests_cut=7 ") != std::string_view::npos);
  CHECK(json.find("\"exit\":3,\"signal\":\"SIGTERM\"") == 0);
  CHECK(json.find("\"requests_cut\":7,") != std::string_view::npos);
}

TEST_CASE("of a process that ends otherwise than by its loop, what is under way is lost") {
  Process process(2, {});
  process.slots[0].metrics.add("requests_in_flight", 3);
  process.slots[1].metrics.add("requests_cut", 1);
  process.slots[1].metrics.add("jobs_running", 2);
  JobRow& row = process.slots[1].jobs[0];
  row.name_bytes = 4;
  row.name = "mail";
  row.running = 2;
  CHECK(exit_code(process) == 3);
  process.ended_by = "SIGSEGV";
  process.ended_with = 139;
  Audit audit;
  make_audit(process, audit);
  const std::string_view text = audit.plain_text();
  CHECK(exit_code(process) == 139);
  CHECK(text.find("audit: exit=139 ended_by=SIGSEGV ") == 0);
  CHECK(text.find(" requests_cut=4 ") != std::string_view::npos);
  CHECK(text.find(" jobs_unfinished=2 unfinished=mail:2 ") != std::string_view::npos);
}

TEST_CASE("a process that ends with 0 of its own, and loses something, does not end with 0") {
  Process process(1, {});
  process.ended_by = "exit()";
  CHECK(exit_code(process) == 0);
  process.slots[0].metrics.add("requests_in_flight");
  CHECK(exit_code(process) == 3);
}

TEST_CASE("what handlers had is told by route, and no route's path breaks the line") {
  Router router;
  for (const char* path : {"/a,\"b\" c", "/wait"})
    router.add({Method::get, path, [](Request&, Response&) {}});
  Process process(2, {});
  process.router = &router;
  process.slots[0].metrics.add("requests_in_flight", 4);
  for (WorkerSlot& slot : process.slots) slot.under_way.begin(router.all()[1]);
  process.slots[1].under_way.begin(router.all()[0]);
  Audit audit;
  make_audit(process, audit);
  CHECK(audit.plain_text().find("cut_by_route") == std::string_view::npos);
  process.ended_by = "watchdog";
  make_audit(process, audit);
  CHECK(audit.plain_text().find(" cut_by_route=GET/a??b??c:1,GET/wait:2 ") !=
        std::string_view::npos);
  CHECK(audit.json_text().find(
            R"("cut_by_route":[{"route":"GET /a??b??c","requests":1},{"route":"GET /wait",)") !=
        std::string_view::npos);
  process.slots[0].under_way.end(router.all()[1]);
  CHECK(process.under_way(1) == 1);
}

TEST_CASE("routes beyond what is told one by one are summed") {
  Router router;
  for (std::size_t i = 0; i < limits::routes_told + 5; ++i)
    router.add({Method::get, fmt::format("/{}", 1000 + i), [](Request&, Response&) {}});
  Process process(1, {});
  process.router = &router;
  process.ended_by = "watchdog";
  for (const Route& route : router.all()) process.slots[0].under_way.begin(route);
  Audit audit;
  make_audit(process, audit);
  CHECK(audit.plain_text().find("GET/1030:1,others:6 ") != std::string_view::npos);
}
