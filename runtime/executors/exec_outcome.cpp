#include "runtime/executors/exec_outcome.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

namespace coppice::executors {

namespace {

attempt_outcome unsuccessful(outcome_kind kind, errc code, std::string detail) {
    attempt_outcome outcome;
    outcome.kind = kind;
    outcome.error = failure{code, std::move(detail)};
    return outcome;
}

std::string with_last_line(std::string detail, const std::string& last_line) {
    return last_line.empty() ? detail : detail + ": " + last_line;
}

std::string signal_text(int signal) {
    const char* name = ::sigabbrev_np(signal);
    return "killed by signal " + std::to_string(signal) +
           (name == nullptr ? "" : std::string(" (SIG") + name + ")");
}

std::string exit_text(const std::optional<exit_state>& exit) {
    if (!exit) return "its process did not end";
    return exit->signal != 0 ? signal_text(exit->signal) : "exit status " + std::to_string(exit->status);
}

attempt_outcome succeeded(std::string result) {
    attempt_outcome outcome;
    outcome.result = std::move(result);
    return outcome;
}

attempt_outcome natural_outcome(ended end) {
    if (!end.exit) return unsuccessful(outcome_kind::lost, errc::worker_lost, exit_text(end.exit));
    if (end.exit->signal == 0 && end.exit->status == 0) return succeeded(std::move(end.result));
    auto outcome =
        unsuccessful(outcome_kind::failed, end.exit->signal != 0 ? errc::killed_by_signal : errc::exit_status,
                     with_last_line(exit_text(end.exit), end.last_line));
    outcome.permanent = end.exit->signal == 0 && end.exit->status == exit_permanent;
    return outcome;
}

bool is_shortage(int error) {
    return error == EAGAIN || error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
           error == ENOSPC || error == EDQUOT || error == ETXTBSY || error == EIO;
}

} // namespace

attempt_outcome outcome_of(ended end, const assignment& work) {
    const bool completed = end.exit && end.exit->signal == 0 && end.exit->status == 0;
    switch (end.why) {
    case ending::natural:
        return natural_outcome(std::move(end));
    case ending::cancelled:
        if (completed) return succeeded(std::move(end.result));
        return unsuccessful(outcome_kind::cancelled, errc::cancelled, exit_text(end.exit));
    case ending::timed_out:
        return unsuccessful(
            outcome_kind::failed, errc::timeout_attempt,
            with_last_line("ran longer than " + format_duration(work.attempt_timeout), end.last_line));
    case ending::result_too_large:
        return unsuccessful(outcome_kind::failed, errc::result_too_large,
                            "more than " + std::to_string(work.result_bytes_max) + " bytes on stdout");
    case ending::stopped:
        if (completed) return succeeded(std::move(end.result));
        return unsuccessful(outcome_kind::lost, errc::worker_lost, "the node stops; " + exit_text(end.exit));
    case ending::warden_lost:
        return unsuccessful(outcome_kind::lost, errc::worker_lost, "the process that watched over it is gone");
    }
    return unsuccessful(outcome_kind::lost, errc::internal, "an ending without a name");
}

attempt_outcome outcome_of_failed_start(const std::string& what, int error) {
    auto outcome = unsuccessful(outcome_kind::failed, errc::exec_failed,
                                "cannot run " + what + ": " + std::generic_category().message(error));
    outcome.permanent = !is_shortage(error);
    return outcome;
}

} // namespace coppice::executors
