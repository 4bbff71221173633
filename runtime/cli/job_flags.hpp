// What the commands on jobs that exist have in common: ids.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/cli/invocation.hpp"
#include "runtime/client/values.hpp"
#include "schema/ids.hpp"

namespace coppice::cli {

struct ids_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::vector<std::string> ids;
    bool stale_ok = false; // of the commands that read
};

inline void add_stale_flag(CLI::App& app, bool& stale_ok) {
    app.add_flag("--stale-ok", stale_ok,
                 "In a cluster: what the asked node has will do, though another may know more by now");
}

inline client::read_mode mode_of(bool stale_ok) {
    return stale_ok ? client::read_mode::stale_ok : client::read_mode::linearizable;
}

inline void add_ids_flags(CLI::App& app, ids_flags& flags) {
    app.add_option("ID", flags.ids, "Jobs, as `job submit` prints them")->required();
    add_output_flag(app, flags.format);
    add_connection_flags(app, flags.connection);
}

// Nothing, and it was said, when a text is not an id.
inline std::optional<std::vector<job_id>> parse_ids(const invocation& call, const std::vector<std::string>& texts) {
    std::vector<job_id> ids;
    for (const std::string& text : texts) {
        const auto id = job_id::parse(text);
        if (!id) {
            call.misused("\"" + text + "\" is not a job's id");
            return std::nullopt;
        }
        ids.push_back(*id);
    }
    return ids;
}

// Asks for each of the jobs in turn, and shows what was answered. What was refused is said, and the rest is asked
// for all the same, unless the node is away.
template <class Ask, class Show>
exit_status for_each_job(invocation& call, const ids_flags& flags, Ask ask, Show show) {
    const auto ids = parse_ids(call, flags.ids);
    if (!ids) return exit_status::usage;
    client::blocking_client node(connect_options(flags.connection, patience::none));
    exit_status status = exit_status::ok;
    for (const job_id& id : *ids) {
        const auto answer = ask(node, id);
        if (answer) {
            show(id, *answer);
            continue;
        }
        status = worse(status, call.refuse(answer.error(), to_string(id)));
        if (answer.error().code == errc::unavailable) break;
    }
    return status;
}

} // namespace coppice::cli
