// Commands as plain values: what a test's history is made of, for the machine (as an entry) and for the model.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "actors/jobs/attempt.hpp"
#include "actors/jobs/job_type_spec.hpp"
#include "actors/jobs/store_check.hpp"
#include "actors/schedules/schedule_spec.hpp"
#include "actors/tenants/tenant_spec.hpp"
#include "schema/commands.capnp.h"
#include "schema/errc.hpp"
#include "schema/ids.hpp"

namespace coppice::testing {

using outcome = cmd::Report::Outcome;

struct submit_op {
    job_id job;
    type_id type{1};
    std::uint32_t version = 1;
    int priority = 0;
    std::int64_t not_before_us = 0;
    std::string payload;
    std::string key;
    std::uint64_t body = 0;
    std::vector<job_id> after;
    std::string submitter = "someone";
    std::uint64_t limit_key = 0;
    std::uint64_t likeness = 0;
    bool run_anyway = false;
    job_id redrives; // nil: none
    std::string traceparent;
    std::vector<std::string> labels;
};
struct graph_op {
    std::vector<submit_op> jobs;
    bool has_callback = false; // the last of them
};
struct edit_op {
    job_id job;
    int priority = 0;
    std::optional<std::string> payload;
    std::uint32_t version = 1;
    std::uint64_t limit_key = 0;
    std::uint64_t likeness = 0;
    std::string reason;
};
struct repair_op {
    job_id job; // nil: counters
    std::vector<check_report::suspect_row> rows;
    tenant_id counters{};
    std::string reason = "found by the check";
};
struct refuse_op {
    job_id job;
    type_id type{1};
    errc code = errc::payload_invalid;
    std::string submitter = "someone";
};
struct cancel_op {
    job_id job;
    std::string reason;
};
struct delete_op {
    job_id job;
    std::string reason;
};
struct sweep_op {
    tenant_id tenant{1};
    job_id from; // nil: the oldest
};
struct start_op {
    job_id job;
    worker_id worker;
};
struct report_op {
    job_id job;
    std::uint32_t attempt = 1;
    outcome what = outcome::SUCCEEDED;
    std::string result;
    errc code = errc::ok;
    std::string message;
    bool permanent = false;
    std::int64_t retry_after_ms = -1;
    float progress = -1;
    std::string progress_text;
    std::vector<std::uint64_t> lines; // sequence numbers of log lines
    worker_id worker{};               // who reports; 0: the node itself
    std::string checkpoint;
    std::optional<stored_result> stored; // where the result is, instead of `result`
    std::uint64_t result_size = 0;       // of one that is nowhere
};
struct adopt_op {
    job_id job;
    std::uint32_t attempt = 1;
    worker_id worker;
};
struct tick_op {
    std::uint32_t most = 1024;
};
struct tenant_op {
    tenant_id tenant{1};
    std::uint64_t version = 1;
    tenant_spec spec;
};
struct type_op {
    type_id type{1};
    std::uint64_t version = 1;
    job_type_spec spec;
};
struct prune_op {
    std::uint64_t before = 0;
    std::uint32_t most = 1000;
};
struct schedule_op {
    schedule_id schedule{1};
    std::uint64_t version = 1;
    tenant_id tenant{1};
    schedule_spec spec;
};
struct run_schedule_op {
    schedule_id schedule{1};
    job_id job;
    std::string by = "someone";
};
struct lines_stored_op {
    job_id job;
    std::uint32_t attempt = 1;
    std::uint64_t below = 0;
    std::uint64_t bytes = 0;
};
using op = std::variant<submit_op, refuse_op, cancel_op, start_op, report_op, adopt_op, tick_op, tenant_op, type_op,
                        prune_op, graph_op, schedule_op, run_schedule_op, delete_op, sweep_op, edit_op, repair_op,
                        lines_stored_op>;

void build(const op& what, cmd::Command::Builder to);
kj::Array<capnp::word> entry_of(std::span<const op> ops);

} // namespace coppice::testing
