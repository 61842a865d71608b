// One core: a ring, its listeners and connections, and the loop. Worker 0 is the leader: it reads
// the signalfd, holds the admin listener, un-listens for all, and stops last.
//
// A turn: harvest what has completed -> dispatch each completion by its kind -> fire timers ->
// resume what waits for the turn's end, begin new jobs, finish what coroutines have ended -> one
// step of the drain -> tend listeners.
//
// Invariants
//  1. Operations in flight = those of connections + listeners + what coroutines await + our two
//     reads + cancels; at the end all are 0, and so are jobs, lent buffers, exchanges, slabs and
//     timers: CHECKed.
//  2. A worker is used on one thread, but for the atomics in its WorkerSlot.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "buffers.h"
#include "connection.h"
#include "counters.h"
#include "drain.h"
#include "exchange.h"
#include "io.h"
#include "jobs.h"
#include "latch.h"
#include "listener.h"
#include "local.h"
#include "operations.h"
#include "resolver.h"
#include "router.h"
#include "shared.h"
#include "sleep.h"
#include "streams.h"
#include "timers.h"

namespace lastcall {

// What an instance of the server gives each of its workers; outlives them.
struct WorkerConfig {
  const Router* router = nullptr;
  const Router* admin_router = nullptr;
  ParserLimits parser;
  std::size_t connections_max = 65'536;                   // of this worker
  std::size_t body_memory = limits::body_memory_default;  // of this worker
  std::size_t jobs_max = limits::jobs_default;            // of this worker
  Ms header_timeout = 10'000;
  Ms body_timeout = 30'000;
  Ms idle_timeout = 620'000;
  Ms write_timeout = 30'000;
  void (*on_drain)(void*) = nullptr;  // called once, on the leader's thread
  void* on_drain_state = nullptr;
};

class Worker {
 public:
  Worker(Io& io, const WorkerConfig& config, Shared& shared, unsigned index);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Takes the listeners over (-1: none) and the descriptors that wake it, and begins to accept.
  void start(int listener, int admin_listener, int signal_fd, int wake_fd);
  void run();   // until stopped
  void turn();  // one round; waits for completions or the next instant something is due
  [[nodiscard]] bool stopped() const { return drain_.phase() == Phase::stopped; }
  void check_nothing_left() const;

  // ---- for its connections
  [[nodiscard]] Io& io() { return io_; }
  [[nodiscard]] TimerWheel& timers() { return timers_; }
  [[nodiscard]] SlabPool& slabs() { return slabs_; }
  [[nodiscard]] ExchangePool& exchanges() { return exchanges_; }
  [[nodiscard]] Counters& counters() { return slot_.counters; }
  [[nodiscard]] const WorkerConfig& config() const { return config_; }
  [[nodiscard]] const DateCache& date() const { return date_; }
  [[nodiscard]] Response& scratch() { return scratch_; }
  [[nodiscard]] Ms now() const { return now_; }
  [[nodiscard]] Phase phase() const { return drain_.phase(); }
  // Is a connection told to close with its next answer? Each drew (0 to 1) its own moment in the
  // first half of the window.
  [[nodiscard]] bool says_close(bool admin, float draw) const;
  [[nodiscard]] float draw();
  // A buffer that it has filled is still to be dispatched: in this turn, or in the next one.
  [[nodiscard]] bool may_have_received(Ticket recv) const;
  [[nodiscard]] bool admin_closing() const { return admin_closing_; }
  // Memory of spills, which goes from connection to connection.
  [[nodiscard]] std::string take_spill();
  void give_spill(std::string&& spill);
  void saw_arrival(Ms accepted_at);
  void park(Connection& connection);  // no receive buffer was left
  void release(Connection& connection);
  void waiting(Exchange& exchange);   // a coroutine begins
  void abandoned() { ++abandoned_; }  // its client has gone, it runs on
  static void on_task_done(void* exchange) noexcept;

 private:
  void take(std::span<const Completion> completions);
  void dispatch(const Completion& completion) noexcept;
  void on_accept(const Completion& completion);
  void on_signal(const Completion& completion);
  void on_wake(const Completion& completion);
  static void on_heartbeat(void* worker) noexcept;
  void report_denied();
  Connection* find(const Completion& completion);
  void adopt(int fd, bool admin, bool swept);
  void run_coroutines();
  void finish_tasks();
  void resume_parked();
  void tend_listeners();
  [[nodiscard]] std::size_t room(bool admin) const;
  [[nodiscard]] Ms next_instant() const;

  // the drain, in its order
  void observe_signal();
  void step_drain(Event event, Ms at);
  [[nodiscard]] Remaining remaining() const;
  void announce();
  void unlisten_all();
  void settle();
  [[nodiscard]] bool settled() const;
  void close_silent_slice();
  void cut();
  void close_admin();
  void cut_admin();
  void release_reads();
  void report_progress();
  void stop();
  void wake_all();

  [[nodiscard]] bool leader() const { return index_ == 0; }

  Io& io_;
  const WorkerConfig& config_;
  Shared& shared_;
  const unsigned index_;
  WorkerSlot& slot_;
  Ms now_;
  TimerWheel timers_;
  Sleepers sleepers_;
  Ready ready_;
  Operations operations_;
  Streams streams_;
  Resolver resolver_;
  Jobs jobs_;
  Local local_;
  BodyBudget body_budget_;
  SlabPool slabs_;
  ExchangePool exchanges_;
  DateCache date_;
  Response scratch_;
  Drain drain_;
  Listener listener_;
  Listener admin_listener_;
  Timer heartbeat_;
  std::vector<std::unique_ptr<Connection>> connections_;  // by slot
  std::vector<std::uint32_t> free_slots_;
  std::size_t open_ = 0;
  std::size_t admin_open_ = 0;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> parked_;  // slot and generation
  std::vector<Exchange*> finished_;
  std::vector<std::string> spills_;
  std::size_t waiting_ = 0;    // coroutines that have not ended
  std::size_t abandoned_ = 0;  // those of them whose client has gone, or was cut
  std::uint64_t denied_reported_ = 0;
  std::uint64_t random_;
  int signal_fd_ = -1;
  int wake_fd_ = -1;
  bool signal_read_ = false;  // that read is outstanding
  bool wake_read_ = false;
  bool reads_released_ = false;
  bool cut_ = false;  // the deadline has passed
  bool admin_closing_ = false;
  Ms settle_poll_at_ = 0;
  Ms close_poll_at_ = 0;
  Ms admin_cut_at_ = TimerWheel::never;
  std::span<const Completion> undispatched_;               // of this turn
  alignas(8) std::array<std::byte, 128> signal_buffer_{};  // struct signalfd_siginfo
  alignas(8) std::array<std::byte, 8> wake_buffer_{};
};

}  // namespace lastcall
