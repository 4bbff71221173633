// Which jobs a command is about: by id, or all that a filter finds.
#pragma once

#include <functional>

#include "runtime/cli/job_flags.hpp"

namespace coppice::cli {

struct filter_flags {
    std::string tenant;
    std::string state;
    std::string type;
    std::string since; // a time, or how long ago
    std::string until;
    std::string error;
    std::string key;
    std::string where;               // FIELD=VALUE
    std::vector<std::string> labels; // NAME=VALUE, or NAME

    bool any() const {
        return !(tenant.empty() && state.empty() && type.empty() && since.empty() && until.empty() &&
                 error.empty() && key.empty() && where.empty() && labels.empty());
    }
};

void add_filter_flags(CLI::App& app, filter_flags& flags);
// The filter that the flags name, seen from `now`. Nothing, and it was said, when one of them makes no sense.
std::optional<client::job_filter> make_filter(const invocation& call, const filter_flags& flags, instant now);

// Ids or a filter, and whether only to count.
struct selection_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::vector<std::string> ids;
    filter_flags filter;
    bool dry_run = false;
};

void add_selection_flags(CLI::App& app, selection_flags& flags);

// What is done to the jobs that were selected.
struct job_change {
    std::string_view did;  // "cancelled", for JSON
    std::string_view said; // of one job: "told to stop"
    // Of the jobs that a filter finds, those to which it can be done at all.
    std::function<bool(const client::job_view&)> applies_to;
    // One answer a job, in order: what to say of it beside its id, or why it was refused.
    std::function<std::vector<expected<std::string>>(client::blocking_client&, const std::vector<job_id>&)> make;
};

// Does it to each, a call for every thousand; one line a job for those named by id, a sum for those that a filter
// found.
exit_status change_selected(invocation& call, const selection_flags& flags, const job_change& change);

} // namespace coppice::cli
