// The loop of a worker: what a turn does, in its order; its connections, and the coroutines of
// their handlers. What a drain does: worker_drain.cc.
#include "server/worker.h"

#include <algorithm>
#include <new>
#include <utility>

#include <lastcall/log.h>

#include "base/check.h"
#include "base/reserve.h"
#include "server/hooks.h"
#include "server/last_words.h"

namespace lastcall {
namespace {

constexpr std::uint32_t main_index = 0;  // of the listeners, in tickets
constexpr std::uint32_t admin_index = 1;

}  // namespace

Worker::Worker(Io& io, const WorkerConfig& config, Process& process, unsigned index)
    : io_(io),
      config_(config),
      process_(process),
      index_(index),
      slot_(process.slots[index]),
      now_(io.now()),
      timers_(now_),
      sleepers_(timers_),
      operations_(io, timers_),
      resolver_(operations_, timers_),
      jobs_(timers_, slot_.metrics, slot_.jobs, config.jobs_max),
      inbox_(inbox_of(index)),
      context_{.io = io,
               .timers = timers_,
               .metrics = slot_.metrics,
               .sleepers = sleepers_,
               .ready = ready_,
               .drain_begun = drain_waiters_,
               .operations = operations_,
               .resolver = resolver_,
               .open_streams = open_streams_,
               .jobs = jobs_,
               .worker = index,
               .places = config.connections_max,
               .blocking = config.blocking},
      memory_(config.memory),
      slabs_(memory_),
      exchanges_(memory_, io, config.trusted_proxies),
      cut_report_(process.cut_lines),
      main_(io, slot_.metrics, main_index, config.router, config.connections_max, false,
            config.evict_silent),
      admin_(io, slot_.metrics, admin_index, config.admin_router, limits::admin_connections_max,
             true, true),
      heartbeat_(&Worker::on_heartbeat, this),
      share_(config.share_bytes),
      random_(0x9e3779b97f4a7c15ull * (index + 1) ^ static_cast<std::uint64_t>(now_)) {
  context_.connections_open = &main_.open;
}

// ---- the loop

void Worker::run() {
  while (!stopped()) turn();
  Context::enter(nullptr);
}

void Worker::turn() {
  stand_still_at_the_end({});
  slot_.busy_since.store(0, std::memory_order_relaxed);
  const auto completions = io_.harvest(next_instant());
  stand_still_at_the_end(completions);
  now_ = io_.now();
  slot_.busy_since.store(now_, std::memory_order_relaxed);
  note_handling(nullptr);
  Context::enter(&context_);
  context_.now = now_;
  if (waiting_ + jobs_.running() + memory_.frames() > 0) count_frames();
  note_batches();
  share_.begin_turn();
  date_.update(io_.wall_seconds());
  process_.note_turn(slot_.heartbeat.load(std::memory_order_relaxed), now_);
  slot_.heartbeat.store(now_, std::memory_order_relaxed);
  dispatch_all(completions);
  observe_memory();
  if (io_.broken() != 0) on_broken_io();
  note_handling(nullptr);
  timers_.advance(now_);
  run_coroutines();  // before the deadline may cut: an answer that is ready goes out
  woken_ = false;
  observe_signal();
  finish_tasks();
  move_streams();
  jobs_.finish(now_);
  if (start_work_.has_ended()) end_start_task();
  if (last_work_.has_ended()) end_last_work();
  resume_parked();
  resume_shares();
  tend_listeners();
  if (stopped()) stop();
#ifndef NDEBUG
  check_invariants();
#endif
}

// Where another thread ends the process, and says what becomes of all requests.
void Worker::stand_still_at_the_end(std::span<const Completion> completions) {
  if (process_.ended_by.load(std::memory_order_relaxed) == nullptr) return;
  for (const Completion& each : completions) {
    const bool client = each.ticket.kind == Kind::accept && each.ticket.index == main_index;
    if (client && each.result >= 0) metrics().add("queue_lost");
  }
  wait_for_the_end();
}

void Worker::on_broken_io() {
  if (process_.io_error() != 0) return;
  process_.on_broken_io(io_.broken(), now_);
  wake_all();
}

void Worker::dispatch_all(std::span<const Completion> completions) {
  // The signal first: the kernel's copy is gone with its completion, and a handler that blocks in
  // this very turn must not keep it from arming the watchdog.
  if (leader()) {
    for (const Completion& completion : completions) {
      if (completion.ticket.kind == Kind::signal) on_signal(completion);
    }
  }
  DCHECK(undispatched_.empty());
  for (undispatched_ = completions; !undispatched_.empty();) {
    const Completion& completion = undispatched_.front();
    undispatched_ = undispatched_.subspan(1);
    dispatch(completion);
  }
}

bool Worker::may_have_received(Ticket recv) const {
  return received_some(undispatched_, recv) || io_.may_have_received(recv);
}

void Worker::dispatch(const Completion& completion) noexcept {
  switch (completion.ticket.kind) {
    case Kind::accept: on_accept(completion); return;
    case Kind::recv:
      if (Connection* connection = find(completion)) connection->on_recv(completion);
      return;
    case Kind::send:
      if (Connection* connection = find(completion)) connection->on_send(completion);
      return;
    case Kind::signal: return;  // taken before all others: `dispatch_all`
    case Kind::wake: on_wake(completion); return;
    case Kind::awaited:
      note_handling(nullptr);
      operations_.on_awaited(completion);
      return;
    case Kind::cancel: return;  // ENOENT and EALREADY are normal: the target was faster
  }
}

Ms Worker::next_instant() const {
  if (!finished_.empty() || !ready_.empty() || !parked_.empty() || !moved_.empty() ||
      share_.is_waited_for() || jobs_.waits_for_turn() || inbox_.has_some() || woken_)
    return now_;
  return std::min({timers_.next(), drain_.next(process_.deadlines(), now_),
                   main_.listener.retry_at(), admin_.listener.retry_at()});
}

// At least one turn a second: liveness looks at it, and a drain says what it waits for.
void Worker::on_heartbeat(void* self) noexcept {
  auto& worker = *static_cast<Worker*>(self);
  const bool late =
      worker.heartbeat_due_ != 0 && worker.now_ - worker.heartbeat_due_ >= limits::blocked_ms;
  if (late) worker.metrics().add("turns_late");
  worker.heartbeat_due_ = worker.now_ + limits::heartbeat_ms;
  worker.timers_.arm(worker.heartbeat_, worker.heartbeat_due_);
  worker.report_denied();
  worker.inbox_.note_refused(worker.metrics());
  worker.give_memory_back();
  worker.verify();
  if (!worker.leader()) return;
  if (worker.phase() <= Phase::draining) worker.unseen_.look(worker.io_.tcp_counts(), worker.now_);
  if (worker.phase() > Phase::serving) worker.report_progress();
}

// Once a second at most: it may be every answer.
void Worker::report_denied() {
  const std::uint64_t lost = metrics().get("accept_denied") + metrics().get("input_denied");
  if (lost != std::exchange(lost_reported_, lost))
    log::warning("memory is out: {} connections were closed for want of it so far", lost);
  const std::uint64_t files = metrics().get("files_denied");
  if (files != std::exchange(files_reported_, files)) {
    log::warning(
        "{} files became 503 so far: each takes the place of a client, and none was left; raise "
        "--max-connections, or RLIMIT_NOFILE (ulimit -n)",
        files);
  }
  const std::uint64_t denied = metrics().get("answers_denied");
  if (denied == denied_reported_) return;
  log::warning(
      "{} answers became 500 after their handlers had run: --memory or --body-memory is used up by "
      "bodies that are being received, or that clients do not read",
      denied - denied_reported_);
  denied_reported_ = denied;
}

// In a drain all of them, each second: a client that is gone would be waited for.
void Worker::verify() {
  const std::size_t share =
      std::max(limits::verified_min, connections_.size() / limits::verified_share);
  const std::size_t all = connections_.size();
  const std::size_t count = phase() > Phase::serving ? all : std::min(all, share);
  for (std::size_t i = 0; i < count; ++i) {
    verified_ = verified_ + 1 < all ? verified_ + 1 : 0;
    if (used(connections_[verified_])) connections_[verified_]->verify();
  }
  main_.listener.verify();
  admin_.listener.verify();
  if (reads_released_) cancel_reads();
}

void Worker::note_batches() {
  if (turn_batches_ == 0) return;
  // Mostly each has asked for one thing: no division then.
  const std::size_t twice_the_mean =
      turn_answers_ == turn_batches_ ? 2 : 2 * turn_answers_ / turn_batches_;
  batch_max_ = std::min(twice_the_mean, limits::batch_answers_max);
  turn_answers_ = turn_batches_ = 0;
}

void Worker::on_wake(const Completion&) {
  CHECK(wake_read_);
  wake_read_ = false;
  woken_ = true;
  if (reads_released_) return;
  wake_read_ = true;
  io_.submit_read(wake_fd_, wake_buffer_, {Kind::wake, 0, 0});
}

void Worker::wake_all() {
  for (const WorkerSlot& slot : process_.slots) {
    if (slot.wake_fd >= 0) io_.wake(slot.wake_fd);
  }
}

// ---- connections

void Worker::on_accept(const Completion& completion) {
  Door& door = completion.ticket.index == admin_index ? admin_ : main_;
  const int fd = door.listener.on_accept(completion, now_);
  if (fd >= 0) adopt(fd, door, false);
}

void Worker::adopt(int fd, Door& door, bool swept) {
  CHECK(fd >= 0);
  if (!door.admin && cut_) {  // a completion that came after the deadline
    metrics().add("queue_lost");
    io_.close(fd);
    return;
  }
  Connection* const connection = free_slot();
  if (connection == nullptr) {
    deny(fd, door);
    return;
  }
  ++door.open;
  if (!door.admin) count_accepted(swept);
  connection->open(fd, door);
}

// Null: there is no memory for one more. Room for what may have to be remembered of it is made
// here, where it can still be turned away.
Connection* Worker::free_slot() {
  const bool one_more = free_slots_.empty();
  const std::size_t slot = one_more ? connections_.size() : free_slots_.back();
  CHECK(slot < Ticket::indices);
  if (one_more || connections_[slot] == nullptr) {
    try {
      reserve_for(connections_, slot + 1);
      reserve_for(free_slots_, slot + 1);
      reserve_for(parked_, slot + 1);
      reserve_for(moved_, slot + 1);
      share_.reserve(slot + 2);  // who is resumed may wait again before its place is free
      reserve_for(silent_, slot + 1);
      auto connection = std::make_unique<Connection>(*this, static_cast<std::uint32_t>(slot));
      if (slot >= slots_reserved_) {  // last, since it is not taken back
        io_.reserve(4);               // a receive, a send, and their cancels
        slots_reserved_ = slot + 1;
      }
      if (one_more) connections_.emplace_back();
      connections_[slot] = std::move(connection);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  if (!one_more) free_slots_.pop_back();
  DCHECK(!connections_[slot]->in_use());
  return connections_[slot].get();
}

// Its client sees a reset.
void Worker::deny(int fd, const Door& door) {
  metrics().add("accept_denied");
  if (!door.admin) metrics().add("queue_lost");
  io_.close(fd);
}

void Worker::count_accepted(bool swept) {
  metrics().add("connections_accepted");
  metrics().add("connections_open");
  if (swept) {
    metrics().add("accepted_in_sweep");
  } else if (process_.close_began_at != never) {
    metrics().add("accepted_after_unlisten");
  } else if (process_.signaled()) {
    metrics().add("accepted_in_window");
  }
}

void Worker::release(Connection& connection) {
  DCHECK(!connection.in_use() && connection.operations() == 0 && connection.door().open > 0);
  --connection.door().open;
  if (!connection.door().admin) metrics().subtract("connections_open");
  free_slots_.push_back(connection.index());
}

Connection* Worker::find(const Completion& completion) {
  const Ticket& ticket = completion.ticket;
  CHECK(ticket.index < connections_.size());
  Connection* const connection = connections_[ticket.index].get();
  if (connection != nullptr && connection->in_use() &&
      connection->generation() == ticket.generation)
    return connection;
  // A slot is released only with nothing outstanding, so this should never be; a lent buffer must
  // go back all the same.
  if (completion.has_buffer) io_.give_back(completion.buffer);
  DCHECK(false && "a completion for a released slot");
  metrics().add("stale_completions");
  return nullptr;
}

std::size_t Worker::room(const Door& door) const {
  // Coroutines whose clients have gone hold no place; but there may be no more of them than places.
  if (!door.admin && abandoned_ >= door.max) return 0;
  // Whoever waits in the queue of a door that closes must be served: not behind those that are
  // done.
  const std::size_t files = door.admin ? 0 : context_.files_open;
  const std::size_t taken = files + (door.closing ? door.open - door.lingering : door.open);
  return taken < door.max ? door.max - taken : 0;
}

// With a handful of places in all, a single client would make it crowded.
bool Worker::crowded(const Door& door) const {
  return !door.admin && door.max >= limits::places_to_be_crowded && door.open * 10 >= door.max * 9;
}

// The longest silent first. There is room for all: `free_slot`.
std::vector<Connection*>& Worker::silent_since(Ms since, const Door& door) {
  silent_.clear();
  for (const auto& each : connections_) {
    const bool ours = used(each) && &each->door() == &door;
    if (ours && each->silent() && each->silent_since() <= since) silent_.push_back(each.get());
  }
  std::sort(silent_.begin(), silent_.end(), [](const Connection* a, const Connection* b) {
    return a->silent_since() < b->silent_since();
  });
  return silent_;
}

// Probes are never kept out by those that say nothing. Of clients, one whose request crosses our
// FIN has lost it: they are evicted only where the operator wants that.
void Worker::make_room(Door& door) {
  if (!door.evicts || door.closing || door.open < door.max || now_ < door.evicts_next) return;
  door.evicts_next = now_ + limits::evict_poll_ms;
  if (!door.admin && io_.accept_queue_length(door.listener.fd()) == 0) return;
  // Those that linger have had their turn: their places are free soon.
  const std::size_t share = std::max<std::size_t>(1, door.max / limits::evicted_share);
  if (door.lingering >= share) return;
  auto& silent = silent_since(door.admin ? now_ : now_ - limits::evicted_silent_ms, door);
  silent.resize(std::min(silent.size(), share - door.lingering));
  for (Connection* connection : silent) connection->close_silent();
}

void Worker::tend_listeners() {
  for (Door* door : {&main_, &admin_}) {
    Listener& listener = door->listener;
    if (!listener.is_open()) continue;
    make_room(*door);
    // Who connects before it serves waits in the queue; in a drain, too, while it may still come to
    // that.
    const bool waits = !serves_ && config_.before_ready != BeforeReady::deny;
    if (waits && !door->admin && (start_work_.under_way() || !listener.closing())) continue;
    listener.tend(now_, room(*door));
    if (!listener.closing() || listener.armed()) continue;
    for (int fd; (fd = listener.sweep(now_, room(*door))) >= 0;) adopt(fd, *door, true);
  }
  if (!main_.listener.is_open() && slot_.listener.exchange(-1, std::memory_order_relaxed) >= 0)
    note_unseen_at_the_end();
}

void Worker::park(Connection& connection) {
  DCHECK(connection.in_use());
  parked_.emplace_back(connection.index(), connection.generation());
}

// First come, first served, and no more than there are buffers.
void Worker::resume_parked() {
  if (parked_.empty()) return;
  CHECK(io_.buffers_lent() <= limits::receive_buffers);
  std::size_t free = limits::receive_buffers - io_.buffers_lent();
  std::size_t seen = 0;
  for (; seen < parked_.size() && free > 0; ++seen) {
    const auto [index, generation] = parked_[seen];
    Connection& connection = *connections_[index];
    if (!connection.in_use() || connection.generation() != generation) continue;
    if (connection.resume_receive()) --free;
  }
  parked_.erase(parked_.begin(), parked_.begin() + static_cast<std::ptrdiff_t>(seen));
}

void Worker::resume_shares() {
  share_.resume([this](std::uint32_t slot) { connections_[slot]->on_share(); });
}

void Worker::saw_arrival(Ms accepted_at) {
  if (accepted_at > slot_.last_arrival.load(std::memory_order_relaxed))
    slot_.last_arrival.store(accepted_at, std::memory_order_relaxed);
}

// ---- coroutines

bool Worker::has_room_for_task() {
  try {
    reserve_for(finished_, waiting_ + 1);
    reserve_for(finishing_, waiting_ + 1);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

bool Worker::start_task(Exchange& exchange) {
  DCHECK(finished_.capacity() > waiting_ && exchange.connection != nullptr && exchange.task);
  exchange.worker = this;
  ++waiting_;
  metrics().add("handlers_waiting");
  exchange.task.start(&Worker::on_task_done, &exchange);
  const bool ended = !finished_.empty() && finished_.back() == &exchange;
  if (!ended || exchange.out.is_used() || exchange.tunnel) return false;
  finished_.pop_back();
  --waiting_;
  metrics().subtract("handlers_waiting");
  return true;
}

void Worker::on_task_done(void* argument) noexcept {
  auto* exchange = static_cast<Exchange*>(argument);
  exchange->worker->finished_.push_back(exchange);
}

void Worker::run_coroutines() {
  inbox_.run(metrics());
  ready_.run();
  jobs_.run_new();
  finish_tasks();
  jobs_.finish(now_);
}

// Not from within the coroutine's last step: its frame goes here.
void Worker::finish_tasks() {
  while (!finished_.empty()) {
    finishing_.swap(finished_);
    for (Exchange* exchange : finishing_) {
      DCHECK(waiting_ > 0 && exchange->task.done());
      CHECK(exchange->worker == this && (exchange->connection != nullptr || abandoned_ > 0));
      --waiting_;
      metrics().subtract("handlers_waiting");
      if (exchange->connection != nullptr) {
        exchange->connection->on_handled();
      } else {
        --abandoned_;
        end_abandoned(*exchange);
      }
    }
    finishing_.clear();
  }
}

void Worker::note_moved(Connection& connection) {
  moved_.push_back(connection.index());  // there is room: free_slot
}

// Those there are now: whom they wake writes in the next turn.
void Worker::move_streams() {
  const std::size_t now = moved_.size();
  for (std::size_t i = 0; i < now; ++i) {
    connections_[moved_[i]]->on_moved();
  }
  moved_.erase(moved_.begin(), moved_.begin() + static_cast<std::ptrdiff_t>(now));
}

// Its client has gone, or the deadline has cut it: its hooks may still want to tell somebody.
void Worker::end_abandoned(Exchange& exchange) {
  if (exchange.found.hooks() != nullptr && !exchange.out.begun()) {
    try {
      run_after(*exchange.found.hooks(), exchange.request, exchange.response);
    } catch (...) {
      failures_.note(exchange.request, now_);
      metrics().add("hook_failed");
    }
  }
  exchanges_.give(&exchange);
}

// ---- what must be true

void Worker::check_invariants() const {
  std::size_t operations = operations_.outstanding() + io_.cancels();
  operations += main_.listener.armed() + admin_.listener.armed() + wake_read_;
  for (const SignalReading& reading : signals_) operations += reading.outstanding;
  std::size_t open = 0;
  std::size_t lingering = 0;
  std::size_t shut = 0;
  for (const auto& connection : connections_) {
    if (connection == nullptr) continue;
    connection->check_invariants();
    operations += connection->operations();
    open += connection->in_use();
    lingering += connection->lingering();
    shut += connection->shut();
  }
  CHECK(operations == io_.operations());
  CHECK(lingering == main_.lingering + admin_.lingering && shut == main_.shut + admin_.shut);
  CHECK(open == main_.open + admin_.open && open + free_slots_.size() == connections_.size());
  const Metrics& m = slot_.metrics;
  CHECK(m.get("requests_received") + m.get("answers_unread") ==
        m.get("requests_in_flight") + m.get("requests_answered") + m.get("requests_undelivered") +
            m.get("requests_cut") + m.get("answers_broken_off"));
  CHECK(waiting_ >= abandoned_ && waiting_ == m.get("handlers_waiting"));
  CHECK(exchanges_.lent() <= open + waiting_);
  CHECK(jobs_.running() == m.get("jobs_running"));
  CHECK(m.get("jobs_started") <= m.get("jobs_running") + m.get("jobs_finished") +
                                     m.get("jobs_failed") + m.get("jobs_unfinished"));
  CHECK(m.get("connections_open") == main_.open);
  CHECK(m.get("requests_in_flight") >= waiting_ - abandoned_);
  CHECK(slabs_.lent() <= open && (open + waiting_ > 0 || memory_.charged() == 0));
  CHECK(main_.closing == (phase() >= Phase::closing));
  CHECK(context_.draining == (phase() >= Phase::draining));
  CHECK(operations_.canceled() == sleepers_.canceled());
  CHECK(last_work_begun_ || cut_ == operations_.canceled());
}

void Worker::check_nothing_left() const {
  CHECK(io_.operations() == 0);
  CHECK(io_.buffers_lent() == 0);
  CHECK(main_.open == 0 && admin_.open == 0 && parked_.empty());
  CHECK(!main_.listener.is_open() && !admin_.listener.is_open());
  CHECK(free_slots_.size() == connections_.size());
  CHECK(waiting_ == 0 && abandoned_ == 0 && finished_.empty());
  CHECK(!start_work_.under_way() && !last_work_.under_way() && !last_work_is_due_);
  CHECK(jobs_.running() == 0 && ready_.empty() && operations_.outstanding() == 0);
  CHECK(exchanges_.lent() == 0);
  CHECK(slabs_.lent() == 0);
  CHECK(memory_.charged() == 0);
  CHECK(timers_.armed() == 0);
  CHECK(sleepers_.waiting() == 0);
}

}  // namespace lastcall
