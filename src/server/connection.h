// One client: receive -> parse -> handle -> send, keep-alive, the close chain; streams.
//
// A connection lives in a slot of its worker and is used on the worker's thread only. Bytes are
// parsed while no answer is on its way and no handler runs, but for the content that a handler
// reads as it comes; whatever comes meanwhile waits in the spill, and a full spill stops the
// receive: that is the whole of back-pressure.
//
// Invariants, checked after each event in debug, sanitizer and simulation builds
//  1. `receive_`, `send_in_flight_` and `send_waits_` tell exactly which operations are
//     outstanding; the slot is released only when none is.
//  2. `out_` is not appended to while `send_in_flight_`.
//  3. Every request received in full ends in exactly one of: answered, undelivered (the client had
//     gone), cut (the deadline), broken off (by its handler). (The worker checks the sums.)
//  4. Nothing is parsed after an answer that said close: what has come behind it is counted, and
//     the client may send it again elsewhere (RFC 9112 section 9.6).
//  5. While nothing is being sent or handled, all that has come is parsed: the spill is empty.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/timers.h"
#include "http/buffers.h"
#include "http/exchange.h"
#include "http/file_content.h"
#include "http/parser.h"
#include "io/io.h"
#include "server/sent_answers.h"

namespace lastcall {

class Router;
class Worker;
struct Door;
struct Route;

class Connection {
 public:
  Connection(Worker& worker, std::uint32_t index);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ---- the worker's calls, in the order of a life. Any of them may end with the slot released.
  void open(int fd, Door& door);
  void on_recv(const Completion& completion) noexcept;
  void on_send(const Completion& completion) noexcept;
  void on_handled() noexcept;      // the coroutine of `exchange` has ended
  void on_moved() noexcept;        // it has written something, or read
  bool resume_receive() noexcept;  // a buffer is free again; false: none is wanted
  // Is there still a client, and has what was cancelled ended? Asked now and then, and once a
  // second in a drain: not all is told by completions.
  void verify();
  void recall_receive();  // memory is tight: armed again for one buffer at a time
  void on_share();        // a large content may move on: share.h

  // ---- the drain's
  [[nodiscard]] bool lingering() const { return in_use() && state_ == State::lingering; }
  [[nodiscard]] bool shut() const { return in_use() && state_ == State::closing; }
  [[nodiscard]] bool silent() const;  // nothing received that is not answered, nothing on its way
  [[nodiscard]] bool fresh() const { return said_ == Said::nothing; }
  [[nodiscard]] Ms accepted_at() const { return accepted_at_; }
  [[nodiscard]] Ms silent_since() const { return last_activity_at_; }
  void close_silent();  // our FIN, announced by no answer; late bytes are a lost request
  void cut();           // the deadline: name and count what is lost, and end

  [[nodiscard]] bool in_use() const { return fd_ >= 0; }
  [[nodiscard]] bool is_tunnel() const { return exchange_ != nullptr && exchange_->tunnel; }
  // To its client, too: the 101 has gone out, or there was none.
  [[nodiscard]] bool tunnel_is_known() const;
  [[nodiscard]] Door& door() const { return *door_; }  // by which it came
  // Operations of its own that are outstanding.
  [[nodiscard]] std::size_t operations() const {
    return receiving() + (send_in_flight_ && !send_waits_);
  }
  void check_invariants() const;
  [[nodiscard]] std::uint32_t index() const { return index_; }
  [[nodiscard]] std::uint32_t generation() const { return generation_; }

 private:
  enum class State : std::uint8_t {
    open,       // receiving and answering
    handling,   // a coroutine prepares the answer, or sends it; nothing is parsed but its content
    handled,    // it has ended; its answer waits for the send under way
    finishing,  // the last answer is on its way; then our FIN
    lingering,  // our FIN is sent; reading until theirs, so that no RST destroys the answer
    closing,    // waiting for the last completions, at the deadline for ACKs too, then close(2)
  };
  enum class Receive : std::uint8_t {
    off,        // none is outstanding; `proceed` arms one unless the client's FIN has come
    armed,      // outstanding
    canceling,  // outstanding, and its cancel too: the spill was full
    paused,     // none, until the spill is half empty, or the handler has read
    parked,     // none, until a buffer is free: it waits in the worker's queue
    queued,     // none, until there is a share: likewise
  };
  // How much the client has sent so far. The drain gives one that has sent nothing a little longer.
  enum class Said : std::uint8_t { nothing, something, request };
  // What it means if bytes come after our FIN.
  enum class Late : std::uint8_t {
    excused,        // an answer had said close; or the loss is counted already
    lost,           // nothing had: a request may be lost
    lost_in_drain,  // likewise, and it was the drain that sent the FIN
  };
  // How what is still unread is counted, of a connection that ends before its client.
  enum class Cut : std::uint8_t {
    no,
    counting,     // each complete request is a loss of ours: the deadline, or no memory
    undelivered,  // each is counted; it is the client that has gone
    discarding,   // as late bytes: a close was announced, or it is a probe
  };

  // receive
  [[nodiscard]] bool receiving() const {
    return receive_ == Receive::armed || receive_ == Receive::canceling;
  }
  void arm_recv();
  void end_recv();
  void pause_recv();
  void on_content(int received);
  void on_bytes(std::string_view bytes);
  void on_eof();
  void on_broken();
  void on_gone();
  void cancel_recv();
  // parse and handle
  [[nodiscard]] std::string_view consume(std::string_view bytes);
  void resume_parsing();
  void keep(std::string_view bytes);
  void spill(std::string_view bytes);
  [[nodiscard]] std::size_t spill_bytes_max() const;
  [[nodiscard]] bool batch_full() const;
  bool begin_request(std::string_view& bytes);
  [[nodiscard]] bool take_exchange();
  void handle(std::size_t buffered);  // bytes behind the request that are here already; so below
  [[nodiscard]] const Router& routes() const;
  // Whose handler gets the request; null: none does.
  [[nodiscard]] const Route* route() const { return exchange_->found.route(); }
  void answer_without_route();
  [[nodiscard]] int status_without_route() const;
  void call(const Route* route);
  void run_after_hooks();
  void answer_failure();                           // of what has thrown, within the catch: 500
  void note_failure();                             // the same without an answer
  void deny_answer();                              // no room for it: 500
  [[nodiscard]] std::size_t answer_bytes() const;  // its fields and content
  void refuse(Metric why, std::size_t buffered);   // no room for its handler: 503
  void answer_instead(int status);
  void fill_error(Response& response, int status) const;
  void dress_error(const Request& request, Response& response);
  // an answer that goes on
  static const ConnectionCalls exchange_calls;
  void note_moved() noexcept;
  [[nodiscard]] bool begin_stream(std::optional<std::uint64_t> length);
  void hand_over(OutgoingBody& body);
  void pump();
  void end_stream();
  void break_off();
  void start_losing(bool last);
  void lose_behind(bool last);
  // a tunnel
  void begin_raw(const Route& route);
  [[nodiscard]] bool begin_tunnel();
  void enter_tunnel();
  void lose_tunnel();
  [[nodiscard]] std::string_view feed_tunnel(std::string_view bytes);
  void on_tunnel_eof();
  void end_tunnel_sending();
  void name_cut_tunnel();
  // a request's content, while its handler runs
  // Is the handler's request not complete? What comes belongs to it then.
  [[nodiscard]] bool body_pending() const {
    const Parser::Stage stage = parser_.stage();
    return exchange_ != nullptr && (stage == Parser::Stage::body || stage == Parser::Stage::failed);
  }
  [[nodiscard]] bool keeps_content() const;
  [[nodiscard]] bool waits_for_reader() const;
  [[nodiscard]] std::size_t direct_bytes() const;
  [[nodiscard]] bool receive_content(std::size_t bytes);
  [[nodiscard]] bool takes_body() const;
  [[nodiscard]] bool awaits_body() const;
  void take_body(std::string_view bytes);
  [[nodiscard]] std::string_view feed_body(std::string_view bytes);
  void resume_body();
  void on_body_timeout();
  void on_rest_timeout();
  [[nodiscard]] bool closes_before_rest() const;
  void leave_rest(bool close);
  void on_rest_of_body();
  void end_rest();
  [[nodiscard]] Ms body_deadline() const;
  [[nodiscard]] Task<> begin_handler(const Route& route);
  void start_waiting(const Route& route, std::size_t buffered);
  void start_handler(const Route& route, std::size_t buffered);
  void take_result();
  void answer_handled();
  void abandon_exchange();
  void on_incomplete(Parser::Stage before);
  void widen_for_body();
  void answer_continue();
  void reject(int status);
  void respond(std::size_t buffered);
  [[nodiscard]] bool write_answer(bool close);
  [[nodiscard]] bool write_file(const Framing& framing);
  [[nodiscard]] bool write_large(const Framing& framing);
  [[nodiscard]] bool write_head_alone(const Framing& framing, std::uint64_t length);
  void lose_answer();
  [[nodiscard]] bool says_close(std::size_t buffered);
  [[nodiscard]] bool is_the_last_here(std::size_t buffered) const;
  [[nodiscard]] bool is_answered_to_the_end(std::size_t buffered);
  [[nodiscard]] bool more_has_arrived() const;  // which on_bytes has not seen yet
  void release_exchange();
  // send
  void flush();
  [[nodiscard]] std::uint64_t output_bytes() const {
    return out_.size() + (file_ != nullptr ? file_->bytes() : 0);
  }
  void send_next();
  void wait_for_share();
  void submit_send();
  void note_broken_off();
  void count_answers(std::uint64_t bytes_sent);
  // close
  void linger(Late late);
  void close_idle();
  void linger_unannounced();
  [[nodiscard]] std::string_view skip_rest(std::string_view bytes);
  void on_late_bytes(std::string_view bytes);
  void await_end_of_upload(std::size_t bytes);
  void close_after_them();
  void end_linger();
  void on_linger_timeout(Ms now);
  void poll_unread(Ms now);
  [[nodiscard]] bool answer_unread();
  [[nodiscard]] bool unheard() const;
  std::size_t recount_unread(Metric instead);
  void close();
  void reset();
  void close_join();
  void start_cut(Cut how);
  void begin_cut();
  void count_half(bool has_come);
  void cut_bytes(std::string_view bytes);
  void cut_unread();
  void count_unseen();  // one request at least, for which there was no memory
  void cut_received();
  void end_cut();
  [[nodiscard]] bool is_told_to_be_last() const;
  void drop_handled();
  // Ends each event: arms the receive and the timer, or takes the next step of the close. (Sends:
  // `flush`; cancels: `pause_recv`.)
  void proceed();

  // time
  [[nodiscard]] Ms deadline() const;
  void arm_timer();
  void on_timer();
  void on_timeout(Ms now);
  void on_write_timeout(Ms now);

  void name_cut();  // the request being handled, in the log
  [[nodiscard]] Ticket ticket(Kind kind) const { return {kind, index_, generation_}; }

  // Of each request, close together.
  Worker& worker_;
  const std::uint32_t index_;
  std::uint32_t generation_ = 0;
  int fd_ = -1;
  State state_ = State::open;
  Receive receive_ = Receive::off;
  Said said_ = Said::nothing;
  Late late_ = Late::excused;
  Cut cut_ = Cut::no;
  bool send_in_flight_ = false;
  bool send_waits_ = false;       // for a share, before it is submitted
  bool waits_for_share_ = false;  // in the worker's queue
  bool goes_on_ = false;          // the receive: into one lent buffer after the other
  bool bulky_ = false;            // its last request has a large content
  bool cancel_old_ = false;       // the receive's was sent before the last look
  bool wide_ = false;             // it has room in the kernel for a large body
  bool by_close_ = false;  // nothing but a FIN tells the end of the answer that is being sent
  bool moved_ = false;     // the worker will call `on_moved`
  bool eof_ = false;       // their FIN has come, or the connection is broken
  Door* door_ = nullptr;
  Exchange* exchange_ = nullptr;  // of the request being received or handled
  Ms last_activity_at_ = 0;
  Ms request_started_at_ = 0;  // of one that has said nothing yet: when that was last looked at
  Ms write_deadline_ = 0;
  Ms timer_at_ = 0;
  std::uint64_t received_ = 0;  // bytes
  OutBuffer out_;
  std::unique_ptr<FileContent> file_;  // the content of the last answer in it, sent behind it
  std::uint64_t out_sent_ = 0;         // bytes of both, by sends that have completed
  std::size_t send_asked_ = 0;         // of the send that is under way
  std::size_t answers_ = 0;            // in `out_`
  HeldBytes spill_;
  HeldBytes content_;  // of `exchange_`, while a receive writes to it; else without memory
  Timer timer_;
  Parser parser_;
  SentAnswers sent_;
  std::array<std::uint64_t, limits::batch_answers_max> answer_ends_{};  // of each answer

  // Of few.
  Ms accepted_at_ = 0;
  Ms body_started_at_ = 0;  // when its head was known
  Ms reading_at_ = 0;       // when it was last seen to read an answer, while silent in a drain
  Ms linger_deadline_ = 0;  // of the linger; after a cut, of the last ACKs
  Ms linger_end_ = 0;       // for one that uploads on
  std::size_t linger_bytes_ = 0;  // that came meanwhile
  bool unheard_ = false;          // our FIN was, at the last look
  Ms silent_ms_ = 0;              // before our FIN
  std::string peer_;              // who is at the other end, once that was asked for
  std::uint64_t close_at_ = 0;  // of `received_`, when its door was first seen to close; 0: not yet
  std::uint64_t acked_ = 0;     // at the last look at a slow reader
  std::uint32_t cut_requests_ = 0;  // of those behind the one that was handled
  bool cut_unnamed_ = false;        // some of what was cut has no line in the log
  bool half_ = false;               // what its handler had was cut while it was gathered
  std::size_t rest_from_ = 0;       // of its content: what had come when it was answered
  Ms held_back_at_ = 0;             // since when its handler has not read; 0: it has
  float close_draw_ = 0;            // where in the ramp this connection is told to close
};

}  // namespace lastcall
