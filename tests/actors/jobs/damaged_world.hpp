// A world with jobs in every state, whose rows a test may change behind the machine's back.
#pragma once

#include <functional>

#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {

// One job in each state, with everything that jobs have.
struct populated : world {
    populated() {
        declare_usual();
        job_type_spec spec;
        spec.name = "build";
        spec.timeouts = {.queued = milliseconds{1'000'000}, .job = milliseconds{2'000'000}};
        run({type_op{.version = 2, .spec = spec}});
        attach(worker_id{1}, {"build"}, 1);
        succeeded = submit({.version = 2, .payload = std::string(1000, 'p'), .key = "k"});
        report(succeeded, outcome::SUCCEEDED, {.result = std::string(1000, 'r'), .lines = {1, 2, 3}});
        failed = submit({.version = 2});
        report(failed, outcome::FAILED, {.permanent = true});
        running = submit({.version = 2});
        queued = submit({.version = 2, .payload = std::string(1000, 'p')});
        scheduled = submit({.version = 2, .not_before_us = to_us(now() + std::chrono::minutes{10})});
        blocked = submit({.version = 2, .after = {running}});
        cancelled = submit({.version = 2});
        one(cancel_op{cancelled, ""});
        rejected = new_id();
        one(refuse_op{.job = rejected});
    }
    job_id succeeded, failed, running, queued, scheduled, blocked, cancelled, rejected;

    void damage(const std::function<void(tables&)>& how) {
        const auto t = data().begin_write();
        how(*t);
        BOOST_REQUIRE(t->commit().has_value());
    }
    void change(const job_id& id, const std::function<void(rec::JobRow::Builder)>& how) {
        damage([&](tables& t) {
            record_editor<rec::JobRow> editor;
            how(editor.edit(*t.get(table::jobs, keys::job(id))));
            editor.put(t, table::jobs, keys::job(id));
        });
    }
    // Erases the first row of the table, or of those that start so.
    void erase_first(table of) {
        damage([&](tables& t) {
            const auto r = t.seek(of, keys::shard(test_shard));
            BOOST_REQUIRE(r.has_value());
            const bytes key{r->key.begin(), r->key.end()};
            t.erase(of, key);
        });
    }
    // All that a check finds, put right, as an operator would.
    void repair() {
        const check_report found = check();
        std::vector<op> ops;
        for (const auto& [id, rows] : found.jobs) ops.push_back(repair_op{.job = id, .rows = rows});
        for (const tenant_id tenant : found.counters) ops.push_back(repair_op{.counters = tenant});
        must_be_sound = false; // one repair may show what another is to put right
        run(ops, false);
        must_be_sound = true;
    }
    check_report check() { return check_store(*data().begin_read(), test_shard); }
};

} // namespace coppice::testing
