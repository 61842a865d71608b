// One core: a ring, its listeners and connections, and the loop. Worker 0 is the leader: it reads
// the signalfd, holds the admin listener, un-listens for all, and stops last.
//
// A turn: harvest what has completed -> dispatch each completion by its kind -> fire timers ->
// resume what waits for the turn's end, begin new jobs, finish what coroutines have ended -> one
// step of the drain, and finish what that has ended -> receives that waited for a buffer -> tend
// listeners.
//
// Invariants
//  1. Operations in flight = those of connections + listeners + what coroutines await + our two
//     reads + cancels: checked after each turn in debug, sanitizer and simulation builds. At the
//     end all are 0, and so are jobs, lent buffers, exchanges, slabs and timers: CHECKed.
//  2. Requests received = in flight + answered + undelivered + cut: checked as the first is.
//  3. A worker is used on one thread, but for the atomics in its WorkerSlot.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "await/blocking_pool.h"
#include "await/context.h"
#include "await/inbox.h"
#include "await/jobs.h"
#include "await/open_streams.h"
#include "await/operations.h"
#include "await/ready.h"
#include "await/resolver.h"
#include "await/sleepers.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "base/timers.h"
#include "http/buffers.h"
#include "http/date.h"
#include "http/exchange.h"
#include "http/router.h"
#include "http/trusted_proxies.h"
#include "io/io.h"
#include "server/connection.h"
#include "server/cut_report.h"
#include "server/door.h"
#include "server/drain.h"
#include "server/errand.h"
#include "server/failures.h"
#include "server/process.h"
#include "server/share.h"
#include "server/unseen_handshakes.h"

namespace lastcall {

// What becomes of clients that come before the worker serves.
enum class BeforeReady : std::uint8_t {
  wait,    // in the listener's queue
  refuse,  // it does not listen yet
  deny,    // 503
};

struct SignalHook {
  int signal;
  detail::Callable<void()> run;
};

// What the server gives a worker; outlives it. Sizes and numbers are this worker's share.
struct WorkerConfig {
  const Router* router = nullptr;
  const Router* admin_router = nullptr;
  ParserLimits parser;
  After on_error;  // of answers that no handler has made
  const TrustedProxies* trusted_proxies = nullptr;
  std::size_t connections_max = 65'536;
  Memory::Bounds memory;
  std::size_t send_bytes_max = limits::send_bytes_max;
  std::size_t share_bytes = limits::share_bytes;
  bool narrow = false;            // the kernel's buffers are bounded (memory_plan.h),
  std::size_t wide_sockets = 0;   // but for so many
  bool watches_resident = false;  // what the process has in memory is looked at, too
  std::size_t jobs_max = Options{}.max_jobs;
  bool evict_silent = Options{}.evict_silent;
  Ms header_timeout = Options{}.header_timeout.count();
  Ms body_timeout = Options{}.body_timeout.count();
  Ms idle_timeout = Options{}.idle_timeout.count();
  Ms write_timeout = Options{}.write_timeout.count();
  Ms tunnel_timeout = never;            // from the window's end
  detail::Callable<Task<>()> on_start;  // run once on each worker, before it serves
  BeforeReady before_ready = BeforeReady::wait;
  BlockingPool* blocking = nullptr;  // null: code that blocks cannot be run
  // The leader's: called once when the drain begins; run once behind it; and what the program wants
  // to hear of itself, by a signalfd of its own (-1: of none).
  detail::Callable<void()> on_drain;
  detail::Callable<Task<>()> on_drained;
  std::vector<SignalHook> signal_hooks;
  int hooked_signal_fd = -1;
};

class Worker {
 public:
  Worker(Io& io, const WorkerConfig& config, Process& process, unsigned index);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Takes over what its slot has, and the descriptors of the leader (-1: none); begins to accept.
  void start(int admin_listener, int signal_fd);
  void run();   // until stopped
  void turn();  // one round; waits for completions or the next instant something is due
  [[nodiscard]] bool stopped() const { return drain_.phase() == Phase::stopped; }
  [[nodiscard]] std::size_t connections_kept() const;  // objects in memory, used or not
  void check_invariants() const;                       // between turns
  void check_nothing_left() const;                     // once stopped

  // ---- for its connections
  [[nodiscard]] Io& io() { return io_; }
  [[nodiscard]] TimerWheel& timers() { return timers_; }
  [[nodiscard]] Memory& memory() { return memory_; }
  [[nodiscard]] SlabPool& slabs() { return slabs_; }
  [[nodiscard]] ExchangePool& exchanges() { return exchanges_; }
  [[nodiscard]] Metrics& metrics() { return slot_.metrics; }
  [[nodiscard]] RouteTable& under_way() { return slot_.under_way; }
  // Its handler is called, or what it returned is begun; null: some coroutine may go on.
  void note_handling(const Route* route) { slot_.handling.store(route, std::memory_order_relaxed); }
  [[nodiscard]] const WorkerConfig& config() const { return config_; }
  [[nodiscard]] const DateCache& date() const { return date_; }
  [[nodiscard]] Response& scratch() { return scratch_; }
  [[nodiscard]] Failures& failures() { return failures_; }
  [[nodiscard]] CutReport& cut_report() { return cut_report_; }
  [[nodiscard]] Ms now() const { return now_; }
  [[nodiscard]] bool serves() const { return serves_; }  // what was to be done before is done
  [[nodiscard]] Phase phase() const { return drain_.phase(); }
  // Is a connection told to close with its next answer? In a drain from a moment of its own on, in
  // the first half of the window (`draw`, 0 to 1); and always where there are few places left.
  [[nodiscard]] bool says_close(const Door& door, float draw) const;
  [[nodiscard]] bool crowded(const Door& door) const;  // nine of ten places are taken
  [[nodiscard]] float draw();
  // A filled buffer for `recv` is queued, not yet dispatched.
  [[nodiscard]] bool may_have_received(Ticket recv) const;
  // How many requests of one connection are answered before the others have their turn: twice what
  // those of the last turn had each, so that who has always more takes two shares at most.
  [[nodiscard]] std::size_t batch_max() const { return batch_max_; }
  // Half of the memory is used: clients are held back, and receives bring a buffer at a time.
  [[nodiscard]] bool tight() const { return tight_; }
  void count_answer(bool first_of_batch) {
    ++turn_answers_;
    turn_batches_ += first_of_batch;
  }
  void saw_arrival(Ms accepted_at);
  void park(Connection& connection);  // no receive buffer was left
  [[nodiscard]] Share& share() { return share_; }
  void note_moved(Connection& connection);  // at the end of the turn: Connection::on_moved
  void release(Connection& connection);
  [[nodiscard]] bool has_room_for_task();  // false: there is no memory to remember it by
  // Runs its coroutine until that first waits. True: it has ended, and its answer is whole;
  // Connection::on_handled will not be called.
  [[nodiscard]] bool start_task(Exchange& exchange);
  [[nodiscard]] bool take_wide_socket() {
    if (wide_sockets_ == config_.wide_sockets) return false;
    ++wide_sockets_;
    return true;
  }
  void give_wide_socket() { --wide_sockets_; }
  // Is there more to wait for than clients that have had our FIN?
  [[nodiscard]] bool waits_beside_ending() const {
    return main_.open > main_.lingering + main_.shut || waiting_ + jobs_.running() > 0;
  }
  void count_abandoned() { ++abandoned_; }  // nobody waits for it, it runs on
  static void on_task_done(void* exchange) noexcept;

 private:
  void dispatch_all(std::span<const Completion> completions);
  void dispatch(const Completion& completion) noexcept;
  void on_accept(const Completion& completion);
  void on_signal(const Completion& completion);
  void on_drain_signal(int signal);
  void on_hooked_signal(int signal);
  void on_wake(const Completion& completion);
  void stand_still_at_the_end(std::span<const Completion> completions);
  void on_broken_io();
  static void on_heartbeat(void* worker) noexcept;
  void report_denied();
  void count_frames();
  void give_memory_back();
  void watch_resident(std::size_t least);
  void trim_slots();
  [[nodiscard]] static bool used(const std::unique_ptr<Connection>& connection) {
    return connection != nullptr && connection->in_use();
  }
  void verify();
  void begin_start_task();
  void end_start_task();
  [[nodiscard]] bool begin_listening();
  void fail_start(std::string_view why);
  void begin_serving();
  void note_batches();
  void observe_memory();
  Connection* find(const Completion& completion);
  void adopt(int fd, Door& door, bool swept);
  [[nodiscard]] Connection* free_slot();
  void deny(int fd, const Door& door);
  void count_accepted(bool swept);
  void run_coroutines();
  void finish_tasks();
  void end_abandoned(Exchange& exchange);
  void move_streams();
  void resume_parked();
  void resume_shares();
  void tend_listeners();
  [[nodiscard]] std::size_t room(const Door& door) const;
  [[nodiscard]] std::vector<Connection*>& silent_since(Ms since, const Door& door);
  void make_room(Door& door);
  [[nodiscard]] Ms next_instant() const;

  // the drain, in its order
  void observe_signal();
  void step_drain(Event event, Ms at);
  [[nodiscard]] Remaining remaining();
  [[nodiscard]] std::size_t posts_waiting();
  void begin_drain();
  void begin_closing();
  void unlisten_in_time();
  void unlisten_all();
  void note_unseen_at_the_end();
  void settle();
  [[nodiscard]] std::optional<int> settled() const;
  [[nodiscard]] bool waits_for_work() const;
  void count_abandoned_handshakes(int half_way);
  void close_silent_batch();
  void cut();
  void cancel_blocking();
  void cut_tunnels();
  void begin_last_work();
  void cut_last_work();
  void end_last_work();
  void fail_last_work(std::string_view why);
  void close_admin();
  void cut_admin();
  void read_signals(std::uint32_t which);
  void release_reads();
  void cancel_reads();
  void report_progress();
  void log_progress() const;
  void stop();
  void wake_all();

  [[nodiscard]] bool leader() const { return index_ == 0; }

  Io& io_;
  const WorkerConfig& config_;
  Process& process_;
  const unsigned index_;
  WorkerSlot& slot_;
  Ms now_;
  TimerWheel timers_;
  Sleepers sleepers_;
  Ready ready_;
  Ready drain_waiters_;
  Operations operations_;
  OpenStreams open_streams_;
  Resolver resolver_;
  Jobs jobs_;
  Inbox& inbox_;
  Context context_;
  Memory memory_;
  SlabPool slabs_;
  ExchangePool exchanges_;
  DateCache date_;
  Response scratch_;
  Failures failures_;
  CutReport cut_report_;
  Drain drain_;
  Door main_;
  Door admin_;
  Timer heartbeat_;
  std::vector<std::unique_ptr<Connection>> connections_;  // by slot; null: made when it is used
  std::vector<std::uint32_t> free_slots_;
  std::size_t slots_reserved_ = 0;  // with `io_`, whose room stays when a slot is given back
  std::vector<std::pair<std::uint32_t, std::uint32_t>> parked_;  // slot and generation
  std::vector<std::uint32_t> moved_;                             // slots, each once
  Share share_;
  std::vector<Connection*> silent_;  // as asked for last
  std::vector<Exchange*> finished_;
  std::vector<Exchange*> finishing_;  // swapped with it: both keep their room
  Errand start_work_;
  Errand last_work_;
  bool last_work_is_due_ = false;  // or under way
  bool last_work_begun_ = false;
  bool serves_ = false;
  std::size_t waiting_ = 0;    // coroutines of handlers that have not ended
  std::size_t abandoned_ = 0;  // those of them whose client has gone, or was cut
  std::size_t batch_max_ = limits::batch_answers_max;
  std::size_t turn_answers_ = 0;  // of this turn,
  std::size_t turn_batches_ = 0;  // by so many connections
  std::size_t wide_sockets_ = 0;
  bool tight_ = false;
  std::size_t verified_ = 0;  // the slot to look at next
  Ms heartbeat_due_ = 0;
  std::size_t memory_high_ = 0;  // since memory was last given back
  unsigned trims_seen_ = 0;      // of the process
  unsigned trims_done_ = 0;      // leader's
  Ms trims_next_ = 0;
  std::size_t resident_before_ = 0;          // a second ago
  std::size_t resident_trimmed_ = SIZE_MAX;  // when memory was last given back
  std::uint64_t denied_reported_ = 0;
  std::uint64_t files_reported_ = 0;
  std::uint64_t lost_reported_ = 0;
  std::uint64_t random_;
  // Signals: those that drain, and those that the program has hooks for.
  struct SignalReading {
    int fd = -1;
    bool outstanding = false;
    alignas(8) std::array<std::byte, 128> buffer{};  // struct signalfd_siginfo
  };
  std::array<SignalReading, 2> signals_;  // by the index of their tickets
  int wake_fd_ = -1;
  bool wake_read_ = false;  // that read is outstanding
  bool woken_ = false;      // and has not looked since at what others have said
  bool reads_released_ = false;
  bool cut_ = false;         // the deadline has passed
  bool forced_ = false;      // a second interrupt has been seen
  UnseenHandshakes unseen_;  // leader's
  bool postponed_ = false;   // un-listening, for their sake
  Ms unseen_poll_at_ = 0;
  Ms settle_poll_at_ = 0;
  Ms close_poll_at_ = 0;
  Ms admin_cut_at_ = never;
  std::span<const Completion> undispatched_;  // of this turn
  alignas(8) std::array<std::byte, 8> wake_buffer_{};
};

}  // namespace lastcall
