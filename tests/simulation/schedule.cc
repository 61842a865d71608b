#include "schedule.h"

#include <fmt/core.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <vector>

#include <lastcall/log.h>
#include <lastcall/server.h>

#include "client.h"
#include "program/redis_counter.h"
#include "server/audit.h"
#include "server/health.h"
#include "server/worker.h"
#include "sim_redis.h"

namespace lastcall::sim {
namespace {

void echo(Request& request, Response& response, void*) { response.body(request.body()); }

Task<> wait(Request& request, Response& response, void*) {
  const auto ms = std::stol(std::string(request.query_value("ms").value_or("0")));
  co_await sleep(std::chrono::milliseconds(ms));
  response.body(request.query_value("id").value_or(""));
}

// The sample service's `/incr`: the answer first, then a wait, then the increment.
struct Counting {
  Counter* counter = nullptr;
  Ms delay = 0;
  std::uint64_t accepted = 0;
  std::int64_t seen = 0;  // the largest value that was read
  bool went_back = false;
};

Task<> count_later(Counting* counting) {
  co_await sleep(std::chrono::milliseconds(counting->delay));
  co_await counting->counter->add(1);
}

void incr(Request& request, Response& response, void* state) {
  auto* counting = static_cast<Counting*>(state);
  if (background("incr", count_later, counting)) ++counting->accepted;
  response.body(request.query_value("id").value_or(""));
}

// Reads the counter, and answers its id whether or not Redis did.
Task<> count(Request& request, Response& response, void* state) {
  auto* counting = static_cast<Counting*>(state);
  const std::int64_t seen_before = counting->seen;
  const std::optional<std::int64_t> value = co_await counting->counter->value();
  if (value) {
    counting->went_back |= *value < seen_before;
    counting->seen = std::max(counting->seen, *value);
  }
  response.body(request.query_value("id").value_or(""));
}

// ---- what reads its request as it comes (client.cc: make_streamed)

struct Streaming {
  bool cut_taken_for_whole = false;
};

bool is_whole(std::string_view content) { return content.ends_with(';'); }

Task<> rest(const Request& request) {
  const auto ms = std::stol(request.query_value("ms").value_or("0"));
  if (ms > 0) co_await sleep(std::chrono::milliseconds(ms));
}

Handler relay(Streaming& seen) {
  return [&seen](Request& request, Response& response) -> Task<> {
    auto body = co_await response.begin();
    char last = 0;
    while (const auto piece = co_await request.read()) {
      last = piece->back();
      if (!co_await body.write(*piece)) co_return;
      if (piece->size() > 10'000) co_await rest(request);
    }
    seen.cut_taken_for_whole |= last != ';';
  };
}

Handler gather(Streaming& seen) {
  return [&seen](Request& request, Response& response) -> Task<> {
    std::string all;
    while (const auto piece = co_await request.read()) {
      all += *piece;
      co_await rest(request);
    }
    seen.cut_taken_for_whole |= !is_whole(all);
    response.body(all);
  };
}

Handler collect(Streaming& seen) {
  return [&seen](Request& request, Response& response) -> Task<> {
    (void)co_await request.gather(50'000);
    co_await rest(request);
    const std::string_view all = co_await request.read_all();
    seen.cut_taken_for_whole |= !is_whole(all);
    response.body(all);
  };
}

Task<> broken(Request& request, Response& response) {
  const std::string_view all = co_await request.read_all();
  auto body = co_await response.begin();
  (void)co_await body.write(all.substr(0, all.size() / 2));
  co_await rest(request);
  throw std::runtime_error("broken off");
}

// A file that is larger than what is read into an answer, written once and for all runs.
class ServedFile {
 public:
  ServedFile() {
    directory_ = std::filesystem::temp_directory_path() / "lastcall-simulation-XXXXXX";
    std::string name = directory_.string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory for a file");
    directory_ = name;
    std::ofstream(directory_ / "file") << served_content;
  }
  ServedFile(const ServedFile&) = delete;
  ServedFile& operator=(const ServedFile&) = delete;
  ~ServedFile() {
    if (::getpid() == owner_) std::filesystem::remove_all(directory_);
  }
  [[nodiscard]] static std::string directory() {
    static const ServedFile only;
    return only.directory_.string();
  }

 private:
  std::filesystem::path directory_;
  const pid_t owner_ = ::getpid();  // canaries run in children
};

RedisAddress redis_address(bool with_password) {
  RedisAddress address;
  address.host = "127.0.0.1";
  if (with_password) address.password = "secret";
  return address;
}

// What a seed decides.
struct Plan {
  explicit Plan(Random& random) {
    workers = random.chance(0.3) ? 2 : 1;
    budget.window = random.between(0, 1500);
    // Mostly ample: then nothing may be cut at all. Who stops half-way is given up after 30 s, and
    // may keep others waiting, twice.
    ample = random.chance(0.8);
    budget.timeout = ample ? 150'000 : random.between(0, 800);
    budget.lead = budget.window / 2;
    unlistens = random.chance(0.8);
    syn_cookies = random.chance(0.1);
    backlog = random.chance(0.1) ? static_cast<std::size_t>(random.between(1, 4)) : SIZE_MAX;
    spoofed_syns = random.chance(0.1) ? random.between(1, 100) : 0;
    clients = static_cast<unsigned>(random.between(1, 30));
    signal_at = random.between(0, 2500);
    repeats = random.chance(0.2);
    forces = random.chance(0.05);
    job_delay = random.between(0, 1200);
    redis_trouble = random.chance(0.3) ? 0 : 1;
    redis_password = random.chance(0.3);
    connections_max = random.chance(0.2) ? static_cast<std::size_t>(random.between(1, 8)) : 65'536;
  }
  unsigned workers;
  Budget budget;
  bool ample;
  bool unlistens;  // else: a kernel that cannot
  bool syn_cookies;
  std::size_t backlog;
  std::int64_t spoofed_syns;  // at the signal
  unsigned clients;
  Ms signal_at;
  bool repeats;
  bool forces;
  std::size_t connections_max;
  Ms job_delay;
  double redis_trouble;
  bool redis_password;
};

class Schedule {
 public:
  Schedule(std::uint64_t seed, Canary canary, double no_memory)
      : kernel_(seed, faults(no_memory)),
        plan_(kernel_.random),
        process_(plan_.workers, plan_.budget),
        redis_(kernel_, plan_.redis_trouble, kernel_.now + plan_.signal_at + 10'000),
        counter_(redis_address(plan_.redis_password), "counter", seed) {
    kernel_.canary = canary;
    kernel_.upstream = &redis_;
    kernel_.syn_cookies = plan_.syn_cookies;
    kernel_.backlog = plan_.backlog;
    redis_.password_wanted = plan_.redis_password;
    counting_ = {&counter_, plan_.job_delay};
    process_.can_unlisten = plan_.unlistens;
    process_.tcp_at_start = {0, 0};
    router_.add({Method::any, "/echo", Handler(echo, nullptr)});
    router_.add({Method::get, "/wait", Handler(wait, nullptr)});
    router_.add({Method::post, "/incr", Handler(incr, &counting_)});
    router_.add({Method::get, "/counter", Handler(count, &counting_)});
    router_.add({Method::post, "/relay", relay(streaming_)});
    router_.add({Method::post, "/gather", gather(streaming_)});
    router_.add({Method::post, "/collect", collect(streaming_)});
    router_.add({Method::post, "/broken", broken});
    router_.add(
        {Method::get, "/file", [directory = ServedFile::directory()](Request&, Response& response) {
           response.file(directory, "file");
         }});
    add_health_routes(router_, health_);
    add_health_routes(admin_router_, health_);
    config_.on_start = detail::Callable<Task<>()>::of([this] { return counter_.look(); });
    config_.router = &router_;
    config_.admin_router = &admin_router_;
    config_.connections_max = plan_.connections_max;
    if (kernel_.random.chance(0.5)) config_.share_bytes = 20'000;
    start_workers();
  }

  Verdict run() {
    const Ms began = kernel_.now;
    const Ms patience = began + 300'000;
    while (process_.workers_stopped < plan_.workers) {
      if (kernel_.now > patience) {
        verdict_.failure = "the server never stopped";
        abandon();
        return verdict_;
      }
      raise_signals(kernel_.now - began);
      const Deadlines deadlines = process_.deadlines();
      kernel_.window_over = deadlines.set() && kernel_.now >= deadlines.window_end;
      for (const auto& client : clients_) {
        if (kernel_.random.chance(0.4)) client->step();
      }
      redis_.step();
      for (std::size_t i = 0; i < workers_.size(); ++i) {
        if (!workers_[i]->stopped() && kernel_.random.chance(0.8)) turn(*workers_[i]);
      }
      kernel_.now +=
          kernel_.random.chance(0.1) ? kernel_.random.between(5, 30) : kernel_.random.between(0, 3);
    }
    judge();
    return verdict_;
  }

 private:
  static Faults faults(double no_memory) {
    Faults faults;
    faults.no_memory = no_memory;
    return faults;
  }

  void turn(Worker& worker) const {
    allocations_may_fail = scarce();
    worker.turn();
    allocations_may_fail = false;
  }

  [[nodiscard]] bool scarce() const { return kernel_.faults.no_memory > 0; }

  // The listeners listen before the workers run: some clients are there first.
  void start_workers() {
    for (unsigned i = 0; i < plan_.workers; ++i) {
      process_.slots[i].listener = kernel_.make_listener();
      process_.slots[i].wake_fd = kernel_.make_event();
    }
    invite_clients();
    for (const auto& client : clients_) {
      for (int steps = 0; steps < 4; ++steps) client->step();
    }
    for (unsigned i = 0; i < plan_.workers; ++i) {
      ios_.push_back(std::make_unique<SimIo>(kernel_));
      workers_.push_back(std::make_unique<Worker>(*ios_[i], config_, process_, i));
      workers_[i]->start(-1, i == 0 ? kernel_.signal_fd : -1);
    }
  }

  void invite_clients() {
    for (unsigned id = 0; id < plan_.clients; ++id) {
      const auto manner = static_cast<Client::Manner>(
          kernel_.random.below(static_cast<std::uint64_t>(Client::Manner::end)));
      const Ms begins =
          kernel_.now +
          (kernel_.random.chance(0.05) ? 0 : kernel_.random.between(1, plan_.signal_at + 2500));
      clients_.push_back(std::make_unique<Client>(
          kernel_, manner, id, begins, static_cast<unsigned>(kernel_.random.between(1, 25))));
    }
  }

  void raise_signals(Ms elapsed) {
    if (!raised_ && elapsed >= plan_.signal_at) {
      raised_ = true;
      for (std::int64_t i = 0; i < plan_.spoofed_syns; ++i) (void)kernel_.spoof_syn();
      kernel_.raise(plan_.forces ? SIGINT : SIGTERM);
    }
    if (raised_ && kernel_.random.chance(0.01)) {
      if (plan_.repeats) kernel_.raise(SIGTERM);
      if (plan_.forces && elapsed > plan_.signal_at + 300) kernel_.raise(SIGINT);
    }
  }

  // Lets the clients see the end, then asks: was each request that came in full answered once?
  void judge() {
    for (int round = 0; round < 2000; ++round) {
      kernel_.now += 10;
      for (const auto& client : clients_) client->step();
    }
    for (const auto& client : clients_) client->give_up();
    verdict_.exit_code = exit_code(process_);
    verdict_.cut = process_.sum("requests_cut") + process_.sum("queue_lost");
    verdict_.late = process_.sum("lost_in_drain");
    verdict_.swept = process_.sum("accepted_in_sweep");
    verdict_.after_unlisten = process_.sum("accepted_after_unlisten");
    unsigned losers = 0;
    Audit audit;
    make_audit(process_, audit);
    log::debug("{}", audit.plain_text());
    for (const auto& client : clients_) {
      verdict_.answered += client->answered();
      verdict_.refused += client->refused();
      verdict_.lost += client->lost();
      losers += client->lost() > 0;
      log::debug("client of manner {}: {} answered, {} lost{}{}",
                 static_cast<int>(client->manner()), client->answered(), client->lost(),
                 client->refused() ? ", refused" : "", client->torn() ? ", torn" : "");
      if (!client->violation().empty()) fail(client->violation());
      if (ample() && client->lost() > 0 && !client->sent_after_fin())
        fail("a request that had arrived before our FIN is lost");
      if (client->torn() && verdict_.cut == 0 && !scarce())
        fail("an answer is torn, and nothing was cut");
    }
    if (streaming_.cut_taken_for_whole) fail("a handler took a cut content for a whole one");
    judge_counters(losers);
    judge_increments();
  }

  void judge_counters(unsigned losers) {
    // For want of memory: their clients saw that they were cut.
    const std::uint64_t broken_off = scarce() ? process_.sum("answers_broken_off") : 0;
    // Behind such a one, before the drain: told in the log, and by its metric.
    const bool told_late = scarce() && process_.sum("lost_after_fin") > 0;
    if (verdict_.lost > broken_off && verdict_.exit_code == 0 && !told_late)
      fail(fmt::format("{} requests lost, and exit code 0", verdict_.lost));
    if (ample()) {
      // With time enough only a request that met an unannounced FIN can be lost, and is counted.
      if (plan_.unlistens && kernel_.abandoned_handshakes + kernel_.cookies_refused > 0)
        fail("a handshake half-way was abandoned");
      if (verdict_.cut > 0) fail(fmt::format("{} cut before the deadline", verdict_.cut));
      if (losers > verdict_.late)
        fail(fmt::format("{} clients lost requests, {} are accounted for", losers, verdict_.late));
    }
    // Not each request: a connection that was never accepted is told as one.
    const auto told = verdict_.cut + verdict_.late + process_.sum("requests_undelivered") +
                      process_.sum("requests_rejected") + broken_off;
    if (verdict_.lost > 0 && told == 0)
      fail(fmt::format("{} requests lost, none is told", verdict_.lost));
    if (kernel_.cookies_refused > 0 && process_.syn_cookies + process_.queue_overflows <= 0)
      fail("SYN cookies were in use at the listener's end, and nothing says so");
    if (process_.sum("handshakes_abandoned") < static_cast<std::uint64_t>(plan_.spoofed_syns))
      fail("not each handshake half-way is counted");
    const auto received = process_.sum("requests_received");
    const auto ended = process_.sum("requests_answered") + process_.sum("requests_undelivered") +
                       process_.sum("requests_cut") + process_.sum("answers_broken_off") -
                       process_.sum("answers_unread");
    if (received != ended) fail(fmt::format("{} received, {} ended", received, ended));
    if (process_.sum("requests_in_flight") != 0) fail("requests still in flight");
    if (process_.sum("connections_open") != 0) fail("connections still open");
    const auto rejected = scarce() ? process_.sum("requests_rejected") : 0;
    if (verdict_.answered > process_.sum("requests_answered") + rejected)
      fail("clients saw more answers than were counted");
    for (const auto& [fd, socket] : kernel_.sockets) {
      if (socket.accepted && !socket.server_closed) fail("a descriptor leaks");
    }
    for (const auto& [fd, listener] : kernel_.listeners) {
      if (!listener.closed) fail("a listener leaks");
    }
  }

  // Each increment accepted is counted once, or its job is unfinished and named; one whose reply
  // never came may be both.
  void judge_increments() {
    redis_.run_late_commands();
    verdict_.counted = static_cast<std::uint64_t>(redis_.counter());
    verdict_.unfinished = process_.sum("jobs_unfinished");
    const std::uint64_t accepted = counting_.accepted;
    if (verdict_.counted > accepted)
      fail(fmt::format("{} increments accepted, {} counted", accepted, verdict_.counted));
    if (verdict_.counted + verdict_.unfinished + process_.sum("jobs_failed") < accepted)
      fail(fmt::format("{} increments accepted, {} counted, {} unfinished", accepted,
                       verdict_.counted, verdict_.unfinished));
    if (ample() && verdict_.unfinished > 0)
      fail(fmt::format("{} jobs unfinished before the deadline", verdict_.unfinished));
    if (verdict_.unfinished > 0 && verdict_.exit_code == 0)
      fail("jobs unfinished, and exit code 0");
    if (counting_.went_back) fail("the counter went back");
    if (counting_.seen > redis_.counter()) fail("a reader saw more than was counted");
    std::uint64_t listed = 0;
    for (const JobSum& sum : process_.job_sums()) listed += sum.unfinished;
    if (listed != verdict_.unfinished) fail("not each unfinished job is named");
    if (process_.sum("jobs_started") != accepted) fail("jobs are miscounted");
    if (process_.sum("jobs_failed") > 0 && !scarce()) fail("a job failed");
    if (process_.sum("streams_open") != 0) fail("an outbound connection leaks");
  }

  // Nothing may be cut: there is time for all, and memory.
  [[nodiscard]] bool ample() const { return plan_.ample && !plan_.forces && !scarce(); }

  void fail(const std::string& what) {
    if (verdict_.failure.empty()) verdict_.failure = what;
  }

  // A server that hangs cannot be taken apart in order: it is left where it is.
  void abandon() {
    for (auto& worker : workers_) (void)worker.release();
    for (auto& io : ios_) (void)io.release();
  }

  Kernel kernel_;
  Plan plan_;
  Process process_;
  Health health_{.process = &process_, .also_alive = {}};
  Streaming streaming_;
  Router router_;
  Router admin_router_;
  WorkerConfig config_;
  SimRedis redis_;
  RedisCounter counter_;
  Counting counting_;
  std::vector<std::unique_ptr<SimIo>> ios_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Client>> clients_;
  bool raised_ = false;
  Verdict verdict_;
};

}  // namespace

Verdict run_schedule(std::uint64_t seed, Canary canary, double no_memory) {
  return Schedule(seed, canary, no_memory).run();
}

}  // namespace lastcall::sim
