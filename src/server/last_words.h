// What a process says that does not end by its loop: by a fatal signal (a failed CHECK, a crash,
// std::terminate), by exit() or quick_exit() in a handler, by its watchdog. The same audit as at an
// ordinary end, from what the workers have counted, what was under way counted as cut; then it ends
// as it would have. SIGKILL, the kernel's out-of-memory killer's too, and _exit() leave no time for
// a word.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace lastcall {

class Process;

// Once in the process, before serving. Signals that somebody else handles already stay theirs.
// `termination_log`: where the audit goes as JSON if the file exists. False: it was done before.
[[nodiscard]] bool prepare_last_words(Process& process, const std::string& termination_log);
// Before the first thread: whoever started us may have left them blocked.
void unblock_fatal_signals();

// Another thread ends the process, and is about to.
[[noreturn]] void wait_for_the_end();

// The ordinary end, in three steps: nobody else says them from here on (if somebody does already
// this never returns, since that ends the process); its exit code is known; `run` returns, and what
// ends the process then is not ours to tell.
void claim_last_words();
void decide_last_words(int code);
void end_last_words();

// On stderr, as far as that takes them in time (limits::last_words_ms), and as the termination log.
// Once: who comes while another says them waits until they are said. The workers stand still from
// then on. `ended_by`: a word, for the audit; `exit`: the code with which it is about to end, 0 if
// that is for the audit to say. Returns the code that the audit has. Async-signal-safe
// (signal-safety(7)), as what follows.
int say_last_words(const char* ended_by, std::string_view line, int exit) noexcept;

[[nodiscard]] bool last_words_claimed();  // the process ends
[[nodiscard]] bool last_words_are_over();

// The audit as JSON, where that file exists.
void write_termination_log(const char* path, std::string_view json) noexcept;

// Memory for a handler of this thread, whose own stack may be what is used up (sigaltstack(2)).
class LastStack {
 public:
  LastStack();
  LastStack(const LastStack&) = delete;
  LastStack& operator=(const LastStack&) = delete;
  ~LastStack();

 private:
  std::unique_ptr<char[]> memory_;  // null: it has another already
};

}  // namespace lastcall
