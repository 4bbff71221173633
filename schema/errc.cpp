#include "schema/errc.hpp"

#include <algorithm>
#include <array>

namespace coppice {
namespace {

constexpr std::array catalogue{
    errc_row{errc::ok, "ok", "Done.", 200, false},
    errc_row{errc::invalid_argument, "invalid_argument", "An argument is outside what is accepted.", 400, false},
    errc_row{errc::not_found, "not_found", "There is nothing of that name or id.", 404, false},
    errc_row{errc::already_exists, "already_exists", "Something of that name or id is there already.", 409, false},
    errc_row{errc::conflict, "conflict", "It conflicts with what is there already.", 409, false},
    errc_row{errc::unauthenticated, "unauthenticated",
             "The token is missing, malformed or not signed by a known key.", 401, false},
    errc_row{errc::permission_denied, "permission_denied", "The token's role does not allow this.", 403, false},
    errc_row{errc::token_expired, "token_expired", "The token's time is over; ask for a new one.", 401, false},
    errc_row{errc::token_audience, "token_audience", "The token is for another audience.", 401, false},
    errc_row{errc::unknown_tenant, "unknown_tenant", "No tenant of that name is declared.", 404, false},
    errc_row{errc::unknown_type, "unknown_type", "No job type of that name is declared.", 404, false},
    errc_row{errc::type_not_allowed, "type_not_allowed",
             "The tenant's subscription does not include this job type.", 403, false},
    errc_row{errc::payload_invalid, "payload_invalid", "The payload does not meet the job type's schema.", 422,
             false},
    errc_row{errc::payload_too_large, "payload_too_large", "The payload is larger than is accepted.", 413, false},
    errc_row{errc::result_too_large, "result_too_large", "The result is larger than the job type allows.", 413,
             false},
    errc_row{errc::queue_full, "queue_full", "The tenant has as many waiting jobs as it may have.", 429, true},
    errc_row{errc::overloaded, "overloaded", "A bounded queue is full; try again later.", 429, true},
    errc_row{errc::storage_full, "storage_full", "The store has no space left for new work.", 507, true},
    errc_row{errc::unavailable, "unavailable", "The part that answers this is not there at the moment.", 503, true},
    errc_row{errc::unknown_outcome, "unknown_outcome",
             "The connection broke before the answer; it may have happened.", 504, false},
    errc_row{errc::stale_attempt, "stale_attempt", "The attempt was taken away; its report changes nothing.", 409,
             false},
    errc_row{errc::illegal_transition, "illegal_transition", "Its state does not allow this.", 409, false},
    errc_row{errc::dependency_failed, "dependency_failed", "A job that this one waits for did not succeed.", 424,
             false},
    errc_row{errc::dependency_unknown, "dependency_unknown", "A job named in `after` is not known.", 422, false},
    errc_row{errc::timeout_queued, "timeout_queued", "The job waited longer than its queued-to-start timeout.", 504,
             false},
    errc_row{errc::timeout_attempt, "timeout_attempt", "The attempt ran longer than its timeout.", 504, false},
    errc_row{errc::timeout_job, "timeout_job", "The job took longer in all than its timeout.", 504, false},
    errc_row{errc::timeout_heartbeat, "timeout_heartbeat", "The attempt's heartbeat stopped.", 504, false},
    errc_row{errc::worker_lost, "worker_lost", "The process that ran the attempt is gone.", 503, true},
    errc_row{errc::exec_failed, "exec_failed", "The program could not be started.", 500, false},
    errc_row{errc::exit_status, "exit_status", "The program ended with a non-zero exit status.", 500, false},
    errc_row{errc::killed_by_signal, "killed_by_signal", "The program was ended by a signal.", 500, false},
    errc_row{errc::cancelled, "cancelled", "The job was cancelled.", 409, false},
    errc_row{errc::schema_invalid, "schema_invalid", "The JSON Schema is not one that can be used.", 422, false},
    errc_row{errc::document_invalid, "document_invalid", "The declared documents have errors; nothing was applied.",
             422, false},
    errc_row{errc::data_directory_locked, "data_directory_locked", "Another process holds the data directory.", 409,
             false},
    errc_row{errc::store_format_newer, "store_format_newer", "The store was written by a newer version.", 500,
             false},
    errc_row{errc::store_damaged, "store_damaged", "The store cannot be read as what it should be.", 500, false},
    errc_row{errc::cursor_expired, "cursor_expired", "The cursor points at what was already pruned; start over.",
             410, false},
    errc_row{errc::message_invalid, "message_invalid", "The message is malformed or larger than is accepted.", 400,
             false},
    errc_row{errc::internal, "internal", "A fault in Coppice itself; the log has more.", 500, false},
    errc_row{errc::job_failed, "job_failed", "The work itself reported that it failed.", 500, false},
    errc_row{errc::not_primary, "not_primary", "Another node decides in this shard.", 503, true},
    errc_row{errc::node_stopping, "node_stopping", "The node is about to stop and did nothing; ask another.", 503,
             true},
};

} // namespace

std::span<const errc_row> errc_catalogue() { return catalogue; }

const errc_row& describe(errc code) {
    const auto index = static_cast<std::size_t>(code);
    return catalogue[index < catalogue.size() ? index : static_cast<std::size_t>(errc::internal)];
}

errc errc_from_name(std::string_view name) {
    const auto* row = std::ranges::find(catalogue, name, &errc_row::name);
    return row == catalogue.end() ? errc::internal : row->code;
}

errc errc_from_number(std::uint16_t number) {
    return number < catalogue.size() ? static_cast<errc>(number) : errc::internal;
}

std::string to_string(const failure& f) {
    const errc_row& row = describe(f.code);
    std::string text{row.name};
    text += ": ";
    text += row.sentence;
    if (!f.detail.empty()) text += " (" + f.detail + ")";
    return text;
}

} // namespace coppice
