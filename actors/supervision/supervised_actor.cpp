#include "actors/supervision/supervised_actor.hpp"

#include <caf/exit_reason.hpp>
#include <caf/make_message.hpp>
#include <caf/sec.hpp>
#include <caf/send.hpp>
#include <exception>

namespace coppice {
namespace {

const caf::atom_value category = caf::atom("coppice");
constexpr std::string_view restart_mark = "restart";

bool has_code(const caf::error& e, caf::exit_reason reason) {
    const caf::error wanted = caf::make_error(reason);
    return e && e.category() == wanted.category() && e.code() == wanted.code();
}

} // namespace

std::string_view to_string(supervision_event e) {
    switch (e) {
    case supervision_event::child_failed:
        return "child failed";
    case supervision_event::restarted:
        return "restarted";
    case supervision_event::gave_up:
        return "gave up";
    case supervision_event::killed:
        return "killed";
    case supervision_event::abandoned:
        return "abandoned";
    case supervision_event::shut_down:
        return "shut down";
    }
    return "unknown";
}

caf::error shutdown_reason(bool to_be_restarted) {
    if (!to_be_restarted) return caf::make_error(caf::exit_reason::user_shutdown);
    const caf::error plain = caf::make_error(caf::exit_reason::user_shutdown);
    return {plain.code(), plain.category(), caf::make_message(std::string{restart_mark})};
}

bool is_to_be_restarted(const caf::error& reason) {
    return has_code(reason, caf::exit_reason::user_shutdown) && !reason.context().empty();
}

void send_kill(const caf::actor& child) {
    caf::actor_cast<caf::abstract_actor*>(child)->enqueue(
        caf::make_mailbox_element(nullptr, caf::make_message_id(caf::message_priority::high), {},
                                  caf::exit_msg{child.address(), caf::make_error(caf::exit_reason::kill)}),
        nullptr);
}

caf::error to_caf_error(const failure& f) {
    static_assert(static_cast<std::uint16_t>(errc::job_failed) < 256, "a caf::error has eight bits for its code");
    return {static_cast<std::uint8_t>(f.code), category, caf::make_message(f.detail, f.retry_after_ms)};
}

failure to_failure(const caf::error& e) {
    if (!e) return {errc::ok, {}};
    if (e == caf::sec::request_receiver_down) return {errc::unavailable, "the actor asked has ended"};
    if (e.category() != category) return {errc::internal, caf::to_string(e)};
    failure f{errc_from_number(e.code()), {}};
    if (e.context().match_elements<std::string, std::uint32_t>()) {
        f.detail = e.context().get_as<std::string>(0);
        f.retry_after_ms = e.context().get_as<std::uint32_t>(1);
    }
    return f;
}

bool is_failure(const caf::error& exit_reason) {
    return exit_reason && !has_code(exit_reason, caf::exit_reason::user_shutdown);
}

std::string describe_exit(const caf::error& exit_reason) {
    if (!exit_reason) return "normal";
    if (has_code(exit_reason, caf::exit_reason::user_shutdown)) return "shutdown";
    if (has_code(exit_reason, caf::exit_reason::kill)) return "killed";
    if (exit_reason.category() == category) return to_string(to_failure(exit_reason));
    return caf::to_string(exit_reason);
}

caf::error error_of_exception(const std::exception_ptr& e) {
    try {
        std::rethrow_exception(e);
    } catch (const std::exception& x) {
        return to_caf_error({errc::internal, std::string{"exception: "} + x.what()});
    } catch (...) {
        return to_caf_error({errc::internal, "exception of an unknown type"});
    }
}

} // namespace coppice
