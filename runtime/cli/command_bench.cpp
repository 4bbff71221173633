// coppice bench jobs | submit | latency: load on a running node; nothing is created.
#include "runtime/cli/commands.hpp"
#include "runtime/client/bench_driver.hpp"

namespace coppice::cli {
namespace {

struct bench_flags {
    connection_flags connection;
    output_format format = output_format::table;
    client::bench_options load;
    bool no_worker = false;
};

template <class Bench>
exit_status run_bench(invocation& call, const bench_flags& flags, Bench bench) {
    client::bench_options load = flags.load;
    load.where = connect_options(flags.connection, patience::kept);
    load.with_worker = !flags.no_worker;
    if (const auto there = try_login(flags.connection); !there) return call.refuse(there.error());
    const auto figures = bench(load);
    if (!figures) return call.refuse(figures.error());
    std::string text = flags.format == output_format::json ? to_json(*figures) : to_table(*figures);
    if (!text.ends_with('\n')) text += '\n';
    call.con.print(text);
    return exit_status::ok;
}

CLI::App* add_one(CLI::App& bench, const std::string& name, const std::string& what, bench_flags& flags) {
    auto* app = bench.add_subcommand(name, what);
    app->add_option("--tenant", flags.load.tenant, "A tenant that is declared")->capture_default_str();
    app->add_option("--type", flags.load.type, "A job type that is declared, with executor: worker")
        ->capture_default_str();
    app->add_option("--payload", flags.load.payload, "JSON, the same for each")->capture_default_str();
    add_output_flag(*app, flags.format);
    add_connection_flags(*app, flags.connection);
    return app;
}

void add_worker_flags(CLI::App& app, bench_flags& flags) {
    app.add_option("--slots", flags.load.slots, "Of the worker in this process")->capture_default_str();
    app.add_flag("--no-worker", flags.no_worker, "Workers are there already");
}

} // namespace

void add_bench_commands(const command_registry& commands) {
    auto* bench = commands.root.add_subcommand("bench", "Measure a running node through its own interface");
    bench->require_subcommand(1);
    teach(*bench, {"coppice bench jobs --tenant acme --type noop --jobs 100000"});

    auto jobs = std::make_shared<bench_flags>();
    auto* jobs_app = add_one(*bench, "jobs", "Jobs a second, from submit to end", *jobs);
    jobs_app->add_option("--jobs", jobs->load.jobs, "How many")->capture_default_str();
    jobs_app->add_option("--batch", jobs->load.batch, "In one submit")->capture_default_str();
    jobs_app->add_option("--in-flight", jobs->load.in_flight, "Submits under way")->capture_default_str();
    add_worker_flags(*jobs_app, *jobs);
    teach(*jobs_app, {"coppice bench jobs --jobs 100000 --batch 500"});
    commands.on_chosen(*jobs_app, "bench jobs", [jobs](invocation& call) {
        return run_bench(call, *jobs, [](const client::bench_options& o) { return client::bench_jobs(o); });
    });

    auto submit = std::make_shared<bench_flags>();
    submit->load.jobs = 20'000;
    submit->load.in_flight = 64;
    auto* submit_app =
        add_one(*bench, "submit", "How long one durable submit takes, alone and among many", *submit);
    submit_app->add_option("--jobs", submit->load.jobs, "How many")->capture_default_str();
    submit_app->add_option("--in-flight", submit->load.in_flight, "Submits under way")->capture_default_str();
    teach(*submit_app, {"coppice bench submit --in-flight 64"});
    commands.on_chosen(*submit_app, "bench submit", [submit](invocation& call) {
        return run_bench(call, *submit, [](const client::bench_options& o) { return client::bench_submit(o); });
    });

    auto latency = std::make_shared<bench_flags>();
    auto* latency_app = add_one(*bench, "latency", "From submit to start, at a steady rate", *latency);
    latency_app->add_option("--rate", latency->load.rate, "Jobs a second")->capture_default_str();
    latency_app->add_option("--seconds", latency->load.seconds, "For so long")->capture_default_str();
    add_worker_flags(*latency_app, *latency);
    teach(*latency_app, {"coppice bench latency --rate 100 --seconds 10"});
    commands.on_chosen(*latency_app, "bench latency", [latency](invocation& call) {
        return run_bench(call, *latency, [](const client::bench_options& o) { return client::bench_latency(o); });
    });
}

} // namespace coppice::cli
