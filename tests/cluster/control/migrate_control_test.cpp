// From a single node into a cluster.
#include "cluster/control/migrate_control.hpp"

#include "schema/limits.hpp"
#include "tests/cluster/control/control_backends.hpp"

namespace coppice::testing {
namespace {

std::vector<std::pair<std::string, std::string>> content(control_store& s) {
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto& e : must(list(s, "")).entries) found.emplace_back(e.key, e.value);
    return found;
}

void fill(control_store& s, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) must(put(s, "tenants/" + std::to_string(i), std::to_string(i * i)));
}

std::string code_of(const expected<control_migration>& r) {
    return std::string{to_string(r ? errc::ok : r.error().code)};
}

BOOST_AUTO_TEST_SUITE(migrate_control_suite)

BOOST_AUTO_TEST_CASE(everything_declared_is_copied_and_nothing_leased) {
    local_backend from;
    etcd_backend into;
    fill(*from, 2 * limits::control_txn_operations_max + 3);
    must(put(*from, "large/1", std::string(limits::control_value_size_max, 'x')));
    must(put(*from, "large/2", std::string(limits::control_value_size_max, 'y')));
    must(put(*from, "large/3", std::string(limits::control_value_size_max, 'z')));
    const auto declared = content(*from);
    must(put(*from, "members/1", "here", must(grant(*from, std::chrono::seconds{60}))));
    const auto done = must(migrate_control(*from, *into));
    BOOST_TEST(done.copied == declared.size());
    BOOST_TEST((content(*into) == declared));
    BOOST_TEST(code_of(migrate_control(*from, *into)) == "already_exists");
}

BOOST_AUTO_TEST_CASE(a_target_that_holds_something_is_refused) {
    local_backend from;
    etcd_backend into;
    fill(*from, 3);
    must(put(*into, "theirs", "1"));
    BOOST_TEST(code_of(migrate_control(*from, *into)) == "already_exists");
    BOOST_TEST(content(*into).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_migration_that_was_cut_off_goes_on) {
    local_backend from;
    etcd_backend into;
    fill(*from, 300);
    // As the first transactions of one leave it.
    const auto source = must(list(*from, ""));
    const std::string history = std::to_string(source.at.history);
    control_txn first;
    for (std::size_t i = 0; i < 100; ++i) first.puts.push_back({source.entries[i].key, source.entries[i].value});
    first.puts.push_back({std::string{control_migration_key}, history + " " + source.entries[99].key});
    must(commit(*into, first));
    local_backend stranger;
    BOOST_TEST(code_of(migrate_control(*stranger, *into)) == "already_exists");
    const auto done = must(migrate_control(*from, *into));
    BOOST_TEST(done.present == 100U);
    BOOST_TEST(done.copied == 200U);
    BOOST_TEST((content(*into) == content(*from)));
}

BOOST_AUTO_TEST_CASE(a_migration_through_kills_of_etcd_ends_whole) {
    local_backend from;
    etcd_process etcd;
    const auto into = must(make_etcd_control_store(quick_options({etcd.endpoint()})));
    fill(*from, 2000);
    std::atomic<bool> ended = false;
    std::mutex mutex;
    std::string said; // by the calls that failed
    std::thread migrating{[&] {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (!ended && std::chrono::steady_clock::now() < end) {
            const auto done = migrate_control(*from, *into);
            ended = done || done.error().code == errc::already_exists;
            const std::lock_guard guard{mutex};
            if (!done) said += to_string(done.error()) + "\n";
        }
    }};
    for (int i = 0; i < 4; ++i) {
        etcd.kill();
        etcd.start();
    }
    migrating.join();
    BOOST_REQUIRE_MESSAGE(ended, said);
    wait_until([&] { return list(*into, "").has_value(); }, "etcd answers");
    BOOST_TEST((content(*into) == content(*from)));
}

BOOST_AUTO_TEST_CASE(somebody_else_in_the_target_is_noticed) {
    local_backend from;
    etcd_backend into;
    fill(*from, 10);
    const auto source = must(list(*from, ""));
    must(commit(
        *into,
        {{}, {{std::string{control_migration_key}, std::to_string(source.at.history) + " "}, {"x", "1"}}, {}}));
    BOOST_TEST(code_of(migrate_control(*from, *into)) == "conflict");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace coppice::testing
