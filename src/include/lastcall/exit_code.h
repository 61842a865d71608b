// What `Server::run` returns, and the process should exit with: one row a code. Not returned: that
// of --hard, and of a process that ends otherwise (128 and a signal, what exit() was told).
#pragma once

#include <string_view>

namespace lastcall {

struct ExitCode {
  int code;
  std::string_view meaning;
};

inline constexpr ExitCode exit_finished{
    0, "everything finished; also a signal that came before serving had begun"};
inline constexpr ExitCode exit_failed{
    1,
    "could not start (port taken, --io io_uring where it is denied, on_start failed, a start that "
    "hung behind a signal): one line says why and what to do"};
inline constexpr ExitCode exit_bad_option{
    2,
    "bad option, or fewer descriptors than it needs: one line says what was wrong and what is "
    "right"};
inline constexpr ExitCode exit_cut{
    3,
    "the deadline cut a request or a job, a connection was never accepted, a job failed by an "
    "exception, a request met our FIN of the drain, or io_uring broke while it served: the log and "
    "the audit "
    "say which"};
inline constexpr ExitCode exit_forced{4, "as 3, after a second SIGINT or SIGQUIT"};
inline constexpr ExitCode exit_hard{
    143, "--hard: ended at once by SIGTERM, 128 and its number (SIGINT: 130, SIGHUP: 129)"};

inline constexpr ExitCode exit_codes[] = {exit_finished, exit_failed, exit_bad_option,
                                          exit_cut,      exit_forced, exit_hard};

}  // namespace lastcall
