#include "tests/simulation/actor_process.hpp"

#include <spdlog/sinks/null_sink.h>

#include <caf/all.hpp>

namespace coppice::testing {
namespace {

constexpr microseconds looked_at_least_every{1'000'000};

using channel = sim_process::channel;

peer_channel on_wire(channel on) { return on == channel::bulk ? peer_channel::bulk : peer_channel::control; }
channel off_wire(peer_channel on) { return on == peer_channel::bulk ? channel::bulk : channel::control; }

// The next timer of CAF's clock, which tells only whether there is one.
struct timers : caf::detail::test_actor_clock {
    static const schedule_map& of(const caf::detail::test_actor_clock& clock) {
        return clock.*(&timers::schedule_);
    }
};

control_handle::behavior_type no_declarations(control_handle::pointer) {
    return {[](const std::shared_ptr<declare_documents>&) {}};
}

executor_handle::behavior_type scenario_executor(executor_handle::pointer, const actor_process_options& options) {
    return {[options](const assign& m) { options.assigned(m); },
            [options](const cancel_attempt& m) { options.cancelled(m.ref); },
            [options](const revoke_attempt& m) { options.revoked(m.ref); },
            [options](const present_attempts& m) { m.done(options.holds(m.shard)); }};
}

} // namespace

actor_process::actor_process(replicated_journal_options journal, actor_process_options options)
    : options_(std::move(options)), steady_(journal.steady), passed_(steady_()) {
    environment_ = std::make_shared<const supervision>(
        supervision{.tree = std::make_shared<actor_tree>("node"),
                    .report_sink =
                        [this](const supervision_report& r) {
                            if (r.event == supervision_event::restarted || r.event == supervision_event::shut_down)
                                return;
                            journal_ = nullptr;
                            if (!options_.data->closed) options_.on_failure(r.path + ": " + r.text);
                        },
                    .wall_clock = journal.clock,
                    .seed = 1,
                    .detach = false});
    outbox_ = std::make_shared<peer_outbox>(
        [send = journal.send, data = options_.data](node_id to, peer_channel on, bytes_view frame) {
            return !data->closed && send(to, off_wire(on), bytes{frame.begin(), frame.end()});
        });
    board_ = std::make_shared<replica_board>(journal.shards);
    addresses_ = std::make_unique<node_addresses>(system_, journal.shards.size());
    grow(std::move(journal));
    executor_ = caf::actor_cast<caf::actor>(system_.spawn(scenario_executor, options_));
    const auto router = addresses_->journal.as<router_handle>();
    caf::anon_send(router, executor_up{options_.worker, caf::actor_cast<executor_handle>(executor_)});
    caf::anon_send(router, worker_attached{.worker = options_.worker, .types = {"build"}, .slots = options_.slots});
}

// As runtime/node does for a real one.
void actor_process::grow(replicated_journal_options journal) {
    const auto router = addresses_->journal.as<router_handle>();
    node_tree_options options{.data = options_.data,
                              .gate = gate_,
                              .exec = {.slots = 0, // the scenario's executor takes its place
                                       .journal = port_of(*addresses_, gate_),
                                       .log = {{}, std::make_shared<spdlog::sinks::null_sink_mt>()}},
                              .clock = journal.clock};
    router_options routing{
        .outbox = outbox_, .board = board_, .steady = steady_, .first_call = options_.first_call};
    replica_journal_options replicas{.board = board_};
    replicas.on_role = [router](const role_change& change) {
        caf::anon_send(router, role_seen{change.shard, change.role, change.epoch});
    };
    if (journal.shards.size() > 1)
        replicas.on_slots = [router](slots_seen seen) { caf::anon_send(router, std::move(seen)); };
    replicas.configs = [this] {
        return std::vector<std::pair<shard_id, shard_config>>{configs_.begin(), configs_.end()};
    };
    replicas.links = [this] { return std::vector<node_id>{linked_.begin(), linked_.end()}; };
    routing.links = replicas.links;
    replicas.flush_outbox = [outbox = outbox_] {
        outbox->flush();
        return outbox->waits();
    };
    journal.send = [outbox = outbox_](node_id to, channel on, const bytes& frame) {
        return outbox->send(to, on_wire(on), peer_kind::replica, frame);
    };
    replicas.journal = std::move(journal);
    supervisor_spec tree =
        cluster_tree(*addresses_, options, std::move(replicas), std::move(routing), actor_of(no_declarations));
    child_spec& first = tree.children.front();
    first.start = [this, start = first.start](supervised_context& context) {
        start_result result = start(context);
        if (result.get()) journal_ = *result.get();
        return result;
    };
    root_ = spawn_supervisor(system_, environment_, std::move(tree));
}

// kill -9: none of the actors is asked, and what is left of them reaches neither disks nor peers.
actor_process::~actor_process() {
    options_.data->closed = options_.log->closed = true;
    caf::anon_send_exit(executor_, caf::exit_reason::kill);
    caf::anon_send_exit(root_, caf::exit_reason::kill);
    while (scheduler_.try_run_once() || scheduler_.trigger_timeout()) {
    }
}

replicated_journal* actor_process::journal() {
    using journal_actor_type =
        std::remove_pointer_t<replica_journal_handle::stateful_pointer<replica_journal_state>>;
    if (!journal_) return nullptr;
    auto* actor = dynamic_cast<journal_actor_type*>(caf::actor_cast<caf::abstract_actor*>(journal_));
    return actor->state.journal.get();
}

// ---- what happens
// -------------------------------------------------------------------------------------------------

void actor_process::link_up(node_id node) {
    linked_.insert(node);
    outbox_->link_up(node);
    caf::anon_send(addresses_->replicas.as<replica_journal_handle>(), peer_linked{node, true});
    caf::anon_send(addresses_->journal.as<router_handle>(), peer_linked{node, true});
}

void actor_process::link_down(node_id node) {
    linked_.erase(node);
    outbox_->link_down(node);
    inbox_.link_down(node);
    caf::anon_send(addresses_->replicas.as<replica_journal_handle>(), peer_linked{node, false});
    caf::anon_send(addresses_->journal.as<router_handle>(), peer_linked{node, false});
}

void actor_process::configured(shard_id shard, const shard_config& config) {
    configs_[shard] = config;
    caf::anon_send(addresses_->replicas.as<replica_journal_handle>(), config_seen{shard, config});
}

void actor_process::config_answered(shard_id shard, replica_machine::answer how, std::uint64_t asked,
                                    const std::optional<shard_config>& there) {
    caf::anon_send(addresses_->replicas.as<replica_journal_handle>(), config_settled{shard, how, asked, there});
}

void actor_process::receive(node_id from, channel on, const bytes& frame) {
    auto message = inbox_.take(from, on_wire(on), frame);
    if (!message) return options_.on_failure("a part of no message: " + to_string(message.error()));
    if (!*message) return;
    if ((*message)->kind == peer_kind::replica)
        caf::anon_send(addresses_->replicas.as<replica_journal_handle>(),
                       replica_frame{from, std::move((*message)->body), nullptr});
    else
        caf::anon_send(addresses_->journal.as<router_handle>(),
                       route_frame{from, std::move((*message)->body), nullptr});
}

void actor_process::propose(const proposal_ptr& p) { port_of(*addresses_, gate_).propose(p); }

void actor_process::read(shard_id shard, std::function<void(expected<void>)> done) {
    caf::anon_send(addresses_->journal.as<router_handle>(), read_wanted{shard, std::move(done)});
}

// ---- time
// -------------------------------------------------------------------------------------------------

void actor_process::run() {
    const instant now = steady_();
    scheduler_.advance_time(std::chrono::duration_cast<caf::timespan>(now - std::exchange(passed_, now)));
    while (scheduler_.has_job()) {
        auto& jobs = scheduler_.jobs;
        std::swap(jobs.front(), jobs[(*options_.random)() % jobs.size()]);
        scheduler_.run_once();
        if (options_.data->killed || options_.log->killed) throw process_killed{};
    }
}

instant actor_process::next_wake() {
    const auto& waiting = timers::of(scheduler_.clock());
    if (waiting.empty()) return passed_ + looked_at_least_every;
    const auto wait = std::chrono::ceil<microseconds>(waiting.begin()->first - scheduler_.clock().current_time);
    return passed_ + std::min(wait, looked_at_least_every);
}

std::vector<std::string> actor_process::job_actors() const {
    std::vector<std::string> found;
    for (const tree_row& row : environment_->tree->snapshot("node/shards", 100'000)) {
        static constexpr std::string_view tenants = "/tenants/";
        const auto tenant = row.path.find(tenants);
        if (tenant != std::string::npos && row.path.find('/', tenant + tenants.size()) != std::string::npos)
            found.push_back(row.path);
    }
    return found;
}

} // namespace coppice::testing
