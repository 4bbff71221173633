#include "tests/end_to_end/keyed_load.hpp"

#include <boost/test/unit_test.hpp>
#include <sstream>

namespace coppice::end_to_end {
namespace {

// With as many shards as load_tenants, each on one of its own.
const std::vector<std::string> load_tenants{"acme", "bolt", "cork"};
constexpr std::chrono::milliseconds pause_between_submits{20};
constexpr milliseconds retry_for{2000}; // then it says so, and asks again by the same key

std::string marks_file(const network_cluster& cluster) { return (cluster.files() / "marks").string(); }

} // namespace

void keyed_load::declare(const network_cluster& cluster) {
    std::string text =
        "kind: JobType\nmetadata: {name: mark}\nspec: {executor: exec, attempts_max: 5, argv: [sh, -c, "
        "'echo \"$JOB_ID $JOB_ATTEMPT\" >> " +
        marks_file(cluster) + "']}\n";
    for (const std::string& each : load_tenants)
        text += "---\nkind: Tenant\nmetadata: {name: " + each + "}\nspec: {types: [mark], queued_max: 100000}\n";
    const outcome applied = cluster.run({1, 2, 3}, {"apply", "-f", cluster.files().write("load.yaml", text)});
    BOOST_REQUIRE_MESSAGE(applied.status == 0, applied.err);
}

keyed_load::keyed_load(const network_cluster& cluster, const std::vector<std::vector<unsigned>>& clients)
    : cluster_(cluster), clients_(clients.size()) {
    for (std::size_t i = 0; i < clients.size(); ++i)
        clients_[i].thread = std::thread([this, i, known = clients[i]] { loop(i, known); });
}

void keyed_load::stop() {
    stopping_ = true;
    for (one_client& each : clients_)
        if (each.thread.joinable()) each.thread.join();
}

void keyed_load::loop(std::size_t client, const std::vector<unsigned>& known) {
    cluster_.among_clients();
    client::options options = cluster_.client_of(known);
    options.retry_for = retry_for;
    options.call_timeout = retry_for;
    client::blocking_client as{std::move(options)};
    for (std::size_t number = 0; !stopping_;) {
        const std::string key = "k" + std::to_string(number);
        const auto answer = as.submit(client::job_spec{.tenant = load_tenants[number % load_tenants.size()],
                                                       .type = "mark",
                                                       .payload = "{}",
                                                       .idempotency_key = key});
        {
            const std::lock_guard guard{mutex_};
            if (answer) {
                jobs_of_[key].insert(answer->id);
                ++clients_[client].acknowledged;
                ++number;
            } else {
                clients_[client].last_refusal = to_string(answer.error());
            }
        }
        std::this_thread::sleep_for(pause_between_submits);
    }
}

std::size_t keyed_load::acknowledged(std::size_t client) const {
    const std::lock_guard guard{mutex_};
    return clients_.at(client).acknowledged;
}

std::string keyed_load::last_refusal(std::size_t client) const {
    const std::lock_guard guard{mutex_};
    return clients_.at(client).last_refusal;
}

bool keyed_load::more(std::size_t client, std::size_t count) const {
    const std::size_t before = acknowledged(client);
    return eventually([&] { return acknowledged(client) >= before + count; });
}

std::vector<std::string> keyed_load::unfinished(const std::set<job_id>& jobs, unsigned node) const {
    std::vector<std::string> lines;
    std::thread looking([&] {
        cluster_.among_clients();
        client::blocking_client as{cluster_.client_of({node})};
        for (const job_id& id : jobs) {
            const auto job = as.get(id);
            if (job && job->state == job_state::SUCCEEDED) continue;
            std::string line = to_string(id) + ": ";
            if (!job) line += to_string(job.error());
            if (job)
                line += std::string{to_string(job->state)} + ", attempts " + std::to_string(job->attempts) + ", " +
                        to_string(job->error);
            lines.push_back(std::move(line));
        }
    });
    looking.join();
    return lines;
}

void keyed_load::require_sound() const {
    std::set<job_id> jobs;
    for (const auto& [key, ids] : jobs_of_) {
        BOOST_TEST(ids.size() == 1U, "key " << key << " is " << ids.size() << " jobs");
        jobs.insert(ids.begin(), ids.end());
    }
    for (unsigned node = 1; node <= network_cluster::nodes; ++node) {
        std::vector<std::string> left;
        if (eventually([&] { return (left = unfinished(jobs, node)).empty(); })) continue;
        std::string some;
        for (std::size_t i = 0; i < std::min<std::size_t>(left.size(), 20); ++i) some += "\n" + left[i];
        BOOST_ERROR(left.size() << " of " << jobs.size() << " acknowledged jobs did not succeed, says node " << node
                                << some << cluster_.account());
    }
    std::istringstream marks{read_file(marks_file(cluster_))};
    std::set<std::string> seen;
    for (std::string line; std::getline(marks, line);)
        BOOST_TEST(seen.insert(line).second, "an attempt ran twice: " << line);
    BOOST_TEST(seen.size() >= jobs.size());
    BOOST_TEST_MESSAGE(jobs.size() << " jobs, " << seen.size() << " attempts");
}

} // namespace coppice::end_to_end
