// Scenarios by hand, on nodes that are trees of actors: what random histories find once in thousands.
#include "tests/actors/jobs/machine_ops.hpp"
#include "tests/actors/jobs/machine_world.hpp"
#include "tests/simulation/actor_process.hpp"
#include "tests/simulation/faulty_world.hpp"

namespace coppice::testing {
namespace {

// Three nodes and one shard, which the first leads; nobody runs anything.
struct three_trees {
    sim_cluster c{1, 3, 1};
    std::function<std::uint64_t()> first_call = [this] { return c.random()(); };
    job_id_minter ids;

    three_trees() {
        c.links = sim_links::reliable;
        c.make_process = [this](replicated_journal_options journal) {
            sim_cluster::node& n = c.at(journal.self);
            return std::make_unique<actor_process>(
                std::move(journal),
                actor_process_options{.data = n.data.get(),
                                      .log = n.log.get(),
                                      .random = &c.random(),
                                      .first_call = first_call,
                                      .on_failure = [](const std::string& what) { BOOST_ERROR(what); },
                                      .worker = worker_id{std::uint64_t{n.id.value} << 32 | n.life}});
        };
    }
    ~three_trees() {
        for (auto& each : c.nodes()) c.crash(each.first);
    }
    three_trees(const three_trees&) = delete;
    three_trees& operator=(const three_trees&) = delete;

    void come_up() {
        c.start_all();
        BOOST_REQUIRE(c.run_until([&] { return everybody_in_sync(c); }, 30 * second_us));
        job_type_spec build;
        build.name = "build";
        std::optional<command_result> declared;
        ask(node_id{1}, {tenant_op{.spec = {.name = "acme", .types = {"*"}}}, type_op{.spec = build}}, declared);
        BOOST_REQUIRE(c.run_until([&] { return declared.has_value(); }, second_us));
        c.run(second_us);
    }
    // The first of the results comes to `answer`.
    void ask(node_id node, const std::vector<op>& ops, std::optional<command_result>& answer) {
        c.propose(node,
                  std::make_shared<proposal>(
                      entry_of(ops), ops.size(), true,
                      [&answer](std::span<command_result> results) { answer = results.front(); }, shard_id{0}));
    }
    job_id fresh_id() { return ids.next(to_ms(c.now()), shard_id{0}, tenant_id{1}, 7); }
};

// A node asks the primary, is killed, comes back, and asks something else, before the primary could answer the
// first. True: it took the answer to the one for the answer to the other.
bool takes_a_late_answer_for_its_own(std::function<std::uint64_t()> first_call) {
    three_trees w;
    if (first_call) w.first_call = std::move(first_call);
    w.come_up();
    const node_id primary{1}, asks{2}, holds_up{3};
    w.c.freeze(holds_up); // nothing is committed without it
    std::optional<command_result> first, second;
    const job_id lost = w.fresh_id(), mine = w.fresh_id();
    w.ask(asks, {submit_op{.job = lost}}, first);
    w.c.run(20'000); // it is at the primary
    w.c.crash(asks);
    first.reset(); // refused as it went: whoever asked is told by nobody
    w.c.start(asks);
    w.c.run(100'000); // and knows the primary again
    w.ask(asks, {submit_op{.job = mine}}, second);
    w.c.run(20'000);
    BOOST_TEST(!second.has_value());
    w.c.thaw(holds_up);
    BOOST_REQUIRE(w.c.run_until([&] { return second.has_value(); }, 10 * second_us));
    BOOST_TEST((second->code == errc::ok));
    BOOST_TEST((w.c.primary_of(shard_id{0})->id == primary));
    return second->job != mine;
}

} // namespace

BOOST_AUTO_TEST_SUITE(actor_scenarios)

BOOST_AUTO_TEST_CASE(an_answer_to_a_call_of_an_earlier_life_is_nobody_s) {
    BOOST_TEST(!takes_a_late_answer_for_its_own({}));
    // So the numbers matter: a router that counts from one in every life is told that another's job is its own.
    BOOST_TEST(takes_a_late_answer_for_its_own([] { return 1; }));
}

// What random histories demand at their end can be seen while it does not hold.
BOOST_AUTO_TEST_CASE(a_job_has_its_actor_while_it_runs_and_none_afterwards) {
    three_trees w;
    w.come_up();
    const auto actors = [&] {
        return static_cast<actor_process&>(*w.c.primary_of(shard_id{0})->process).job_actors().size();
    };
    std::optional<command_result> submitted, cancelled;
    const job_id job = w.fresh_id();
    w.ask(node_id{2}, {submit_op{.job = job}}, submitted);
    BOOST_REQUIRE(w.c.run_until([&] { return actors() == 1U; }, 10 * second_us));
    w.ask(node_id{3}, {cancel_op{job, "tried"}}, cancelled); // its executor does not obey: it is taken away
    BOOST_REQUIRE(w.c.run_until([&] { return actors() == 0U; }, 120 * second_us));
    BOOST_TEST((submitted && submitted->code == errc::ok && cancelled && cancelled->code == errc::ok));
    BOOST_TEST(is_terminal(read_job(*w.c.at(node_id{1}).data->begin_read(), job)->state));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
