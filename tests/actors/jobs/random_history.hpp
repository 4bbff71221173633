// Histories at random: commands, workers that come and go, and time that mostly goes forward. Made from what the
// model knows by then, so that most commands meet something.
#pragma once

#include <array>
#include <random>

#include "actors/governance/payload_key.hpp"
#include "tests/actors/jobs/job_model.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {

inline const std::array<std::string, 4> type_names{"build", "deploy", "scan", "report"};

struct random_history {
    std::mt19937_64 random;
    job_model model;
    job_id_minter ids;
    instant clock = test_start;
    std::uint64_t declared = 0;
    std::uint64_t workers_made = 0;
    std::vector<graph_op> sent;

    std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); }
    bool one_in(std::size_t n) { return below(n) == 0; }

    tenant_id any_tenant() { return tenant_id{static_cast<std::uint32_t>(1 + below(one_in(50) ? 4 : 3))}; }
    type_id any_type() { return type_id{static_cast<std::uint32_t>(1 + below(one_in(50) ? 5 : 4))}; }
    worker_id any_worker() {
        const auto& all = model.workers();
        if (all.empty() || one_in(20)) return worker_id{1'000'000 + below(3)};
        return all[below(all.size())].id;
    }
    // Mostly one of the newest, so that histories meet.
    job_id any_job() {
        const auto& all = model.jobs();
        if (all.empty() || one_in(100)) return ids.next(to_ms(clock), test_shard, any_tenant(), random());
        const std::size_t back = below(std::min<std::size_t>(all.size(), one_in(5) ? all.size() : 30));
        return all[all.size() - 1 - back].id;
    }
    const model_job* any_running() {
        std::vector<const model_job*> running;
        for (const model_job& j : model.jobs())
            if (j.state == job_state::RUNNING) running.push_back(&j);
        return running.empty() ? nullptr : running[below(running.size())];
    }

    op a_tenant(std::uint32_t n) {
        tenant_op o{.tenant = tenant_id{n}, .version = one_in(5) && declared > 0 ? declared : ++declared};
        o.spec.name = "tenant-" + std::to_string(n);
        o.spec.weight = static_cast<std::uint32_t>(1 + below(3));
        o.spec.running_max = static_cast<std::uint32_t>(below(6));
        o.spec.queued_max = static_cast<std::uint32_t>(5 + below(25));
        if (one_in(3)) o.spec.rate = a_rate();
        o.spec.paused = one_in(12);
        if (one_in(3)) o.spec.keep = {a_while(), a_while(), a_while(), a_while()};
        o.spec.types = one_in(3) ? std::vector<std::string>{"*"}
                                 : std::vector{type_names[0], type_names[1], type_names[below(4)]};
        return o;
    }
    op a_type(std::uint32_t n) {
        type_op o{.type = type_id{n}, .version = one_in(5) && declared > 0 ? declared : ++declared};
        o.spec.name = type_names[n - 1];
        o.spec.attempts_max = static_cast<std::uint32_t>(1 + below(3));
        o.spec.retry = {milliseconds{one_in(3) ? 0 : 500}, milliseconds{4000}};
        o.spec.timeouts.queued = milliseconds{one_in(3) ? 20'000 : 0};
        o.spec.timeouts.job = milliseconds{one_in(3) ? 60'000 : 0};
        o.spec.result_bytes_max = 2000;
        o.spec.running_max = static_cast<std::uint32_t>(one_in(2) ? 0 : 1 + below(4));
        o.spec.slots = static_cast<std::uint32_t>(one_in(3) ? 1 + below(3) : 1);
        o.spec.paused = one_in(12);
        if (one_in(2)) {
            o.spec.concurrency.by = one_in(3) ? "other" : "k";
            o.spec.concurrency.running_max = static_cast<std::uint32_t>(below(3));
            if (one_in(3)) o.spec.concurrency.rate = a_rate();
        }
        if (one_in(2)) {
            o.spec.unique = unique_spec{};
            if (one_in(3)) o.spec.unique->states.push_back(job_state::SUCCEEDED);
            if (one_in(3)) o.spec.unique->states.erase(o.spec.unique->states.begin());
            if (one_in(2)) o.spec.unique->period = milliseconds{below(30'000)};
        }
        return o;
    }
    start_rate a_rate() {
        return {static_cast<std::uint32_t>(1 + below(3)), milliseconds{500 + below(5000)},
                static_cast<std::uint32_t>(1 + below(3))};
    }
    milliseconds a_while() { return milliseconds{one_in(3) ? 0 : 1000 + below(60'000)}; }
    op a_submit() {
        submit_op o;
        o.job = one_in(60) ? any_job() : ids.next(to_ms(clock), test_shard, any_tenant(), random());
        o.type = any_type();
        o.version = one_in(30) ? 0 : model.type_version(o.type);
        o.priority = static_cast<int>(one_in(60) ? 6 : below(6));
        if (one_in(4)) o.not_before_us = to_us(clock + milliseconds{below(20'000)});
        o.payload = R"({"k":)" + std::to_string(below(3)) + R"(,"other":)" + std::to_string(below(2)) +
                    R"(,"pad":")" + std::string(one_in(4) ? 600 : below(200), 'p') + R"("})";
        o.run_anyway = one_in(4);
        if (one_in(4)) o.key = "key-" + std::to_string(below(8));
        o.body = below(2);
        if (one_in(40)) be_sent_again(o);
        if (one_in(3))
            for (std::size_t n = 1 + below(3); n > 0; --n) {
                const job_id parent = any_job();
                if (parent.tenant() == o.job.tenant() || one_in(30)) o.after.push_back(parent);
            }
        if (one_in(10)) o.redrives = any_job();
        finish(o);
        return o;
    }
    op an_edit() {
        edit_op o{.job = any_job()};
        if (one_in(2)) o.priority = static_cast<int>(1 + below(one_in(20) ? 9 : 5));
        const submit_op like = std::get<submit_op>(a_submit());
        if (const model_job* j = model.find(o.job); j != nullptr && one_in(2)) {
            o.payload = like.payload;
            o.version = one_in(20) ? 0 : model.type_version(j->type);
            finish(o, j->type, *o.payload);
        }
        return o;
    }
    void finish(submit_op& o) { finish(o, o.type, o.payload); }
    // What the edge makes of the payload.
    template <class Op>
    void finish(Op& o, type_id type, const std::string& payload) {
        const job_type_spec* spec = model.type_spec(type);
        if (spec == nullptr) return;
        if (!spec->concurrency.by.empty()) o.limit_key = stored_payload_key(payload, spec->concurrency.by);
        if (spec->unique && one_in(2)) o.likeness = 1 + payload[5];
    }
    op a_graph() {
        graph_op g;
        const tenant_id tenant = any_tenant();
        for (std::size_t n = 1 + below(6); n > 0; --n) {
            submit_op o = std::get<submit_op>(a_submit());
            if (!one_in(40)) o.job = ids.next(to_ms(clock), test_shard, tenant, random());
            if (!g.jobs.empty() && !one_in(30)) o.key.clear();
            if (!one_in(40)) o.redrives = {};
            o.after.clear();
            for (const submit_op& before : g.jobs)
                if (one_in(2)) o.after.push_back(before.job);
            if (one_in(10)) o.after.push_back(any_job());
            g.jobs.push_back(o);
        }
        g.has_callback = one_in(2);
        if (g.has_callback && !one_in(10)) g.jobs.back().after.clear();
        if (one_in(10) && !sent.empty()) return sent[below(sent.size())]; // its answer was lost on the way
        sent.push_back(g);
        return g;
    }
    // As one whose answer was lost on the way: the same job once more, or nearly so.
    void be_sent_again(submit_op& o) {
        o.job = any_job();
        for (const model_job& j : model.jobs()) {
            if (j.id != o.job) continue;
            o.type = j.type;
            o.version = model.type_version(o.type);
            o.payload = j.payload;
        }
        if (one_in(4)) o.submitter = "another";
        if (one_in(4)) o.payload += " ";
    }
    op a_report() {
        static constexpr std::array outcomes{outcome::SUCCEEDED, outcome::SUCCEEDED, outcome::SUCCEEDED,
                                             outcome::FAILED,    outcome::FAILED,    outcome::CANCELLED,
                                             outcome::LOST,      outcome::TIMED_OUT, outcome::NONE};
        report_op o;
        const model_job* j = any_running();
        o.job = j == nullptr || one_in(15) ? any_job() : j->id;
        if (const model_job* known = model.find(o.job)) o.attempt = known->attempt;
        if (one_in(15)) o.attempt += static_cast<std::uint32_t>(below(3)) - 1;
        o.what = outcomes[below(outcomes.size())];
        o.result = std::string(one_in(5) ? 400 + below(2000) : below(50), 'r');
        o.code = o.what == outcome::SUCCEEDED ? errc::ok : errc::exit_status;
        o.message = "went wrong";
        o.permanent = one_in(10);
        if (one_in(8)) o.retry_after_ms = static_cast<std::int64_t>(below(4) * 1000);
        if (one_in(6)) o.checkpoint = std::string(1 + below(900), 'c');
        if (one_in(3)) o.progress = static_cast<float>(below(120)) / 100;
        for (std::size_t n = one_in(4) ? below(20) : 0; n > 0; --n) o.lines.push_back(below(one_in(5) ? 5000 : 50));
        return o;
    }
    op any_op() {
        switch (below(100)) {
        case 0:
            return a_tenant(static_cast<std::uint32_t>(1 + below(3)));
        case 1:
            return a_type(static_cast<std::uint32_t>(1 + below(4)));
        case 2:
            return prune_op{random() % 200, static_cast<std::uint32_t>(below(50))};
        case 3:
            return refuse_op{.job = ids.next(to_ms(clock), test_shard, any_tenant(), random()), .type = any_type()};
        case 4:
        case 5:
            return start_op{any_job(), any_worker()};
        case 6:
        case 7: {
            const model_job* j = any_running();
            if (j == nullptr) return adopt_op{any_job(), 1, any_worker()};
            return adopt_op{j->id, one_in(5) ? 7 : j->attempt, any_worker()};
        }
        case 8:
        case 9:
        case 10:
        case 11:
        case 12:
            return cancel_op{any_job(), "no longer wanted"};
        case 13:
        case 14:
        case 15:
        case 16:
        case 17:
        case 18:
            return tick_op{static_cast<std::uint32_t>(one_in(3) ? below(4) : 1024)};
        case 19:
        case 20:
            return a_graph();
        case 21:
            return delete_op{any_job(), "no longer wanted"};
        case 24:
        case 25:
        case 26:
            return an_edit();
        case 22:
            return repair_op{any_job(), {{table::queue, bytes(below(40))}, {table::timers, bytes(20)}}};
        case 23:
            return sweep_op{any_tenant(), one_in(3) ? any_job() : job_id{}};
        default:
            return one_in(2) ? a_submit() : a_report();
        }
    }
    void pass_time() {
        switch (below(40)) {
        case 0:
            clock += std::chrono::hours{25};
            return;
        case 1:
            clock -= std::chrono::seconds{below(60)};
            return;
        case 2:
            clock -= std::chrono::minutes{below(10)};
            return;
        case 3:
            clock += std::chrono::minutes{below(10)};
            return;
        case 4:
            return;
        default:
            clock += milliseconds{below(3000)};
        }
    }
};

} // namespace coppice::testing
