// The bounds that an operator or a client can meet, in one place. A constant here is a decision;
// what an operator may change is a member of `Options` (lastcall/options.h), with its range in
// server/options.cc. Sizes are bytes, times milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lastcall {

using Ms = std::int64_t;  // milliseconds; as an instant: of CLOCK_MONOTONIC
inline constexpr Ms never = INT64_MAX;

namespace limits {

// The ring. The completion queue holds a burst of every kind at once; the kernel keeps what
// overflows, so this bounds work per turn, not correctness.
inline constexpr unsigned submission_entries = 2048;
inline constexpr unsigned completion_entries = 4 * submission_entries;

inline constexpr Ms proof_ms = 250;       // for a new ring to show that it works
inline constexpr Ms broken_poll_ms = 10;  // between looks at a ring that fails at once

// Receive buffers lent to the kernel, per worker. The ring is FIFO: its whole size is what the
// cache sees, so it is small, and a buffer goes back right after it was parsed.
inline constexpr unsigned receive_buffers = 256;
inline constexpr std::size_t receive_buffer_bytes = 2048;

// Answers. A batch of pipelined answers grows from a small slab to a heap block; past
// `output_bytes_max` the connection stops parsing until the client has read.
inline constexpr std::size_t slab_bytes = 4096;
inline constexpr std::size_t slabs_kept = 1024;
inline constexpr std::size_t output_bytes_max = 256 * 1024;
inline constexpr std::size_t batch_answers_max = 32;          // and so many answers
inline constexpr std::size_t small_answer_bytes = 16 * 1024;  // may be sent whatever --memory
// A file's content up to this is read into its answer; more of it is sent from where it is.
inline constexpr std::size_t file_in_answer_bytes = 16 * 1024;
inline constexpr std::int64_t file_settled_seconds = 2;  // what changes later has a later time

// Memory. A place is a connection with what it needs at least: its slot, a slab, a receive buffer
// that waits, a request with its head and its frame.
inline constexpr std::size_t memory_min = 1 << 20;         // of --memory,
inline constexpr std::size_t memory_each_min = 128 << 10;  // and of each worker's share
inline constexpr std::size_t memory_unknown = 1 << 30;     // of a machine that does not say
inline constexpr std::size_t place_bytes = 10 * 1024;
// The kernel's part of it: the buffers of a socket as they grow by themselves; bounded, which a
// quarter of that part is not for; and of one that has received a large body since.
inline constexpr std::size_t roomy_socket_bytes = 256 * 1024;
inline constexpr std::size_t narrow_socket_bytes = 24 * 1024;
inline constexpr std::size_t wide_socket_bytes = 256 * 1024;
inline constexpr std::size_t widened_body_bytes = 16 * 1024;  // have come by then
inline constexpr std::size_t unsent_bytes_max = 64 * 1024;
inline constexpr std::size_t held_bytes_min = 128;
inline constexpr std::size_t exchanges_kept = 256;
// A content is received into the memory that it stands in, where so much of it is to come at least:
// at first so much, then three times what has come.
inline constexpr std::size_t direct_bytes_min = 8 * 1024;
inline constexpr std::size_t direct_bytes_first = 64 * 1024;
// Of large contents, what moves in one turn of a worker: others have theirs behind it. And by one
// operation. (1 MB sent in four pieces, to a client that waits for it, costs 1.6 of one: it is
// woken four times.)
inline constexpr std::size_t share_bytes = 256 * 1024;
inline constexpr std::size_t receive_bytes_max = 256 * 1024;
inline constexpr std::size_t send_bytes_max = 1024 * 1024;
// Whose last request had a content of that size is expected to send another such.
inline constexpr std::size_t bulky_bytes = 16 * 1024;
inline constexpr std::size_t stream_bytes = 64 * 1024;  // written or read ahead, of a streamed body
inline constexpr std::size_t stream_bytes_tight = 4096;  // the same where memory is short
// Of a content that nobody reads: then the connection closes.
inline constexpr std::size_t discarded_body_bytes_max = 256 * 1024;
// Of an answer's content: copied behind its head, into memory that is kept; more of it is sent from
// where it is.
inline constexpr std::size_t exchange_kept_bytes = 16 * 1024;
inline constexpr int heap_block_bytes_max = 32 << 20;       // the most that glibc takes
inline constexpr std::size_t freed_bytes_kept = 256 << 20;  // by malloc(3), of each heap
inline constexpr std::size_t trimmed_bytes_min = 8 << 20;   // left by a burst: goes to the system
inline constexpr Ms trim_interval_ms = 10'000;              // of what no account knows
inline constexpr std::size_t slots_kept = 64;

// Bytes received while a handler runs or an answer is on its way, per connection. Beyond it the
// receive is cancelled and TCP's own window holds the client back.
inline constexpr std::size_t spill_bytes = 16 * 1024;
inline constexpr std::size_t spill_bytes_tight =
    2 * 1024;  // the same where half of the memory is used

// A request.
inline constexpr std::size_t header_bytes_min = 4 * 1024;  // of --max-header-bytes
inline constexpr std::size_t header_bytes_max = 1024 * 1024;
inline constexpr std::size_t fields_max = 100;
inline constexpr std::size_t trailer_fields_max = 32;
inline constexpr std::size_t method_bytes_max = 64;
inline constexpr std::size_t leading_blank_bytes_max = 16;  // CRLFs before a request line
inline constexpr std::size_t chunk_digits_max = 16;
inline constexpr std::size_t chunk_extension_bytes_max = 4096;  // the sum over one body
inline constexpr std::uint64_t body_rate_min = 512;   // bytes a second, after --body-timeout
inline constexpr std::uint64_t write_rate_min = 128;  // bytes a second read by a slow client

// An answer of another service.
inline constexpr std::size_t response_head_bytes_max = 64 * 1024;  // and its trailers
inline constexpr std::size_t kept_max = 1024;  // connections, of one worker to one service
inline constexpr Ms kept_idle_ms = 4000;       // a peer may close by then: Node does after 5 s
// For a request that must not be sent twice: far below the time after which any server closes, so
// that one whose loop is busy meanwhile closes none that is used again; for 20 connects a second at
// most. (Measured within 5 ms of the moment at which a peer closes: 26 of 400 POSTs met its FIN,
// and all of 100 where its loop was busy for 20 ms; none of 150 where that moment was beyond the
// bound.)
inline constexpr Ms kept_once_ms = 50;
inline constexpr std::size_t call_told_bytes = 100;  // of a target, in the text of an error

// Listening.
inline constexpr int listen_backlog = 4096;
inline constexpr std::size_t descriptors_reserved = 64;   // of RLIMIT_NOFILE, for all but clients,
inline constexpr std::size_t descriptors_per_worker = 8;  // and more for each worker
inline constexpr std::size_t connections_max = 1 << 20;
inline constexpr std::size_t admin_connections_max = 128;
inline constexpr Ms admin_idle_ms = 65'000;  // nobody's interval between two probes
inline constexpr std::size_t places_to_be_crowded = 10;
inline constexpr Ms evicted_silent_ms = 5000;     // a client, at least; a probe at once
inline constexpr std::size_t evicted_share = 16;  // of a full door's places, at once
inline constexpr Ms evict_poll_ms = 20;
inline constexpr int keepalive_probes = 4;  // each a third of --tcp-keepalive behind the one before
inline constexpr Ms accept_retry_ms = 100;  // after EMFILE and its kin
inline constexpr Ms port_wait_ms = 3000;    // for a port that a killed process may still hold
inline constexpr Ms port_poll_ms = 20;

// epoll. What one descriptor may bring in a turn before the others have theirs. Of a listener it is
// the whole queue, as by io_uring: at the deadline, who has connected must be seen.
inline constexpr int accepts_per_turn = listen_backlog;
inline constexpr int receives_per_turn = 8;
inline constexpr Ms refused_poll_ms = 10;  // between looks at what epoll refuses to watch

// A worker's turn on a busy CPU: the least that Linux grants. It sleeps long before it is over.
inline constexpr std::uint64_t slice_ns = 100'000;

// Time.
inline constexpr Ms tick_ms = 4;                   // of the timer wheel
inline constexpr std::size_t verified_share = 16;  // of the connections, each second
inline constexpr std::size_t verified_min = 64;    // at least so many
inline constexpr Ms heartbeat_ms = 1000;           // each worker turns at least this often
inline constexpr Ms blocked_ms = 1000;      // a turn that takes longer is told, with its handler
inline constexpr Ms blocked_poll_ms = 100;  // until it goes on
inline constexpr Ms heartbeat_stale_ms = 10'000;  // liveness fails beyond it
inline constexpr Ms frozen_ms = 5000;     // a worker that did not turn may have been stopped,
inline constexpr Ms thaw_ms = 2000;       // and with it all others, which have this long to turn
inline constexpr Ms heard_poll_ms = 250;  // behind an unannounced FIN: is it acknowledged?
inline constexpr Ms linger_ms = 2000;     // reading on after our FIN
inline constexpr Ms linger_uploading_ms_max = 30'000;       // the same for who uploads on,
inline constexpr std::size_t linger_bytes_max = 256 << 20;  // and how much of it
inline constexpr Ms admin_linger_ms = 250;                  // the same for probes
inline constexpr Ms last_look_ms = 50;  // at the deadline, for what has come and takes no waiting
inline constexpr std::uint32_t cut_named = 8;  // of the requests that one client had sent by then
inline constexpr unsigned cut_lines = 100;     // in the log; the rest is summed, by route
inline constexpr std::size_t cut_routes = 16;
inline constexpr std::size_t routes_told = 32;  // one by one, of a process that ends abruptly
inline constexpr std::size_t route_bytes_told = 64;
inline constexpr Ms last_ack_ms = 200;  // for answers in the kernel's hands at the deadline
inline constexpr Ms unread_poll_ms =
    50;  // until a socket is looked at again: input not read, answers not acknowledged
inline constexpr Ms duration_ms_max = 24 * 3600 * 1000;
inline constexpr Ms wait_ms_max = 365 * duration_ms_max;  // of what a coroutine awaits

// The drain.
inline constexpr Ms first_byte_ms = 3000;  // a fresh connection counts as in flight this long
inline constexpr Ms settle_ms_min = 50;
inline constexpr Ms settle_ms_max = 3200;
inline constexpr Ms settle_blind_ms = 1200;  // where half-way handshakes cannot be counted
inline constexpr Ms settle_poll_ms = 10;
inline constexpr Ms settle_kept_poll_ms = 250;  // beyond settle_ms_max
inline constexpr Ms unseen_poll_ms = 50;
// Without a SYN cookie: who was to come by one has come, as with other handshakes.
inline constexpr Ms cookies_quiet_ms = settle_ms_max;
inline constexpr Ms overflows_quiet_ms = 7000;  // longer than TCP waits for its fifth try (6.4 s)
inline constexpr Ms closing_poll_ms = 20;
inline constexpr Ms after_reading_ms = 500;          // for a request, once the last answer is read
inline constexpr Ms close_ramp_first_ms = 1500;      // no `Connection: close` before this
inline constexpr std::size_t idle_close_batch = 64;  // idle connections closed a poll, at least
inline constexpr Ms impatient_stop_ms = 10'000;      // between SIGTERM and SIGKILL, of docker stop
inline constexpr Ms budget_margin_ms = 3000;  // pre-stop + window + timeout + this <= grace period
inline constexpr Ms watchdog_ms = 1000;       // past the deadline, the timer ends the process
inline constexpr Ms last_words_ms = 750;      // that it gives last words, at most
inline constexpr std::size_t exiting_threads = 32;  // not workers, that call exit() at once
inline constexpr Ms last_lines_ms = 300;            // that they give a stderr which is full, twice
inline constexpr Ms signal_unread_ms = 500;  // then the watch thread reads it for a stuck loop

// Background work and outbound connections.
inline constexpr Ms cancel_again_ms = 200;      // of an awaited operation: well before the watchdog
inline constexpr std::size_t errors_kept = 64;  // of coroutines of a worker that ended by them
inline constexpr std::size_t jobs_max = 1 << 24;  // of --max-jobs, all workers together
inline constexpr std::size_t blocking_threads_max = 1024;
inline constexpr std::size_t posts_max = 65'536;  // of other threads, that wait for one worker
inline constexpr std::size_t job_names_max = 32;  // listed one by one; more are "other"
inline constexpr std::size_t jobs_named_per_line = 32;  // of what is unfinished, in the log,
inline constexpr std::size_t job_lines = 32;            // of each worker; the rest is summed
inline constexpr Ms job_overdue_ms = 500;               // a cancelled job that goes on is named
inline constexpr std::size_t stream_receive_bytes = 16 * 1024;
inline constexpr std::size_t stream_send_bytes =
    1 << 30;                                      // at once: send(2) takes no more than 2 GiB
inline constexpr Ms unix_retry_ms = 10;           // where the queue of a unix socket is full
inline constexpr std::size_t addresses_max = 16;  // tried of one name
inline constexpr Ms resolver_grace_ms = 250;      // for the second of two answers
inline constexpr int resolver_try_ms = 1500;      // one question to one name server
inline constexpr int resolver_tries = 3;

// Logs.
inline constexpr std::size_t log_queue_bytes = 256 * 1024;
inline constexpr Ms log_flush_ms = 1000;        // of what is said before serving
inline constexpr Ms log_flush_margin_ms = 500;  // of the grace period, which the last flush leaves
inline constexpr Ms failure_log_ms = 1000;  // between two lines about handlers that throw the same
inline constexpr std::size_t failure_kinds = 8;

static_assert(completion_entries >= 4 * submission_entries);
static_assert((receive_buffers & (receive_buffers - 1)) == 0, "a buffer ring is a power of two");
static_assert(receive_buffer_bytes < header_bytes_min, "a head may fill more than one buffer");
static_assert(spill_bytes >= 2 * receive_buffer_bytes);
static_assert(settle_ms_min < settle_blind_ms && settle_blind_ms < settle_ms_max);
static_assert(watchdog_ms < budget_margin_ms, "the watchdog fires inside the grace period");
static_assert(job_overdue_ms < watchdog_ms, "named before the watchdog ends the process");
static_assert(heartbeat_ms * 4 < heartbeat_stale_ms);
static_assert(heartbeat_ms < thaw_ms && 2 * thaw_ms < frozen_ms && frozen_ms < heartbeat_stale_ms);

}  // namespace limits
}  // namespace lastcall
