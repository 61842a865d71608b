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
// `termination_log`: where the audit goes as JSON if the file exists.
void prepare_last_words(Process& process, const std::string& termination_log);
// Before the first thread: whoever started us may have left them blocked.
void unblock_fatal_signals();
// `run` returns: what ends the process from here on is not ours to tell.
void forget_last_words();

// On stderr, if that can take them at once, and as the termination log. Once: who comes while
// another says them waits until they are said. `ended_by`: a word, for the audit; `exit`: the code
// with which it is about to end, 0 if that is for the audit to say. Returns the audit's.
// Async-signal-safe (signal-safety(7)).
int say_last_words(const char* ended_by, std::string_view line, int exit) noexcept;

// The audit as JSON, where that file exists. Async-signal-safe, too.
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
