// A node's copy: it follows, survives, and says how old it is.
#include "cluster/control/control_mirror.hpp"

#include "persistence/memory_store.hpp"
#include "tests/cluster/control/control_backends.hpp"

namespace coppice::testing {
namespace {

constexpr std::array mirror_tables{table::meta, table::control_mirror};

// What a mirror says is another.
class changes_noted {
  public:
    std::function<void(const std::vector<control_change>&, control_position)> sink() {
        return [this](const std::vector<control_change>& changes, control_position) {
            const std::lock_guard guard{mutex_};
            heard_.insert(heard_.end(), changes.begin(), changes.end());
        };
    }
    std::vector<control_change> heard() const {
        const std::lock_guard guard{mutex_};
        return heard_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<control_change> heard_;
};

std::string value_in(const control_mirror& m, const std::string& key) {
    const auto entry = m.get(key);
    return entry ? entry->value : "(none)";
}

void wait_for_revision(const control_mirror& m, std::uint64_t revision) {
    wait_until([&] { return m.status().at.revision >= revision; }, "the mirror follows");
}

BOOST_AUTO_TEST_SUITE(control_mirror_suite)

BOOST_AUTO_TEST_CASE(a_mirror_follows_and_says_as_of_when) {
    local_backend b;
    must(put(*b, "m/a", "1"));
    must(put(*b, "other", "1"));
    changes_noted noted;
    const auto begin = wall_clock_now();
    const auto mirror = must(control_mirror::start({b.operator->(), "m/", nullptr, noted.sink()}));
    must(put(*b, "m/b", "2"));
    wait_for_revision(*mirror, must(erase(*b, "m/a")));
    BOOST_TEST(value_in(*mirror, "m/a") == "(none)");
    BOOST_TEST(value_in(*mirror, "m/b") == "2");
    BOOST_TEST(value_in(*mirror, "other") == "(none)");
    BOOST_TEST(mirror->list("").entries.size() == 1U);
    BOOST_TEST((mirror->status().as_of >= begin));
    BOOST_TEST(mirror->status().connected);
    wait_until([&] { return noted.heard().size() == 3; }, "three changes");
}

BOOST_AUTO_TEST_CASE(a_node_starts_from_its_copy_while_etcd_is_away) {
    etcd_process etcd;
    scratch_directory directory;
    const auto rows = must(open_lmdb_store({directory.path() / "mirror.mdb", small_map, mirror_tables}));
    const auto shared = std::make_shared<control_rows>(*rows);
    const auto options = quick_options({etcd.endpoint()});
    control_mirror_status before;
    {
        const auto store = must(make_etcd_control_store(options));
        must(put(*store, "m/kept", "1"));
        must(put(*store, "m/erased", "1"));
        const auto mirror = must(control_mirror::start({store.get(), "m/", shared, {}}));
        wait_for_revision(*mirror, must(put(*store, "m/changed", "1")));
        before = mirror->status();
    }
    etcd.kill();
    changes_noted noted;
    const auto store = must(make_etcd_control_store(options));
    const auto mirror = must(control_mirror::start({store.get(), "m/", shared, noted.sink()}));
    BOOST_TEST(value_in(*mirror, "m/kept") == "1");
    BOOST_TEST(mirror->list("m/").entries.size() == 3U);
    wait_until([&] { return !mirror->status().why.empty(); }, "the reason is told");
    BOOST_TEST(!mirror->status().connected);
    BOOST_TEST((mirror->status().at == before.at));
    BOOST_TEST((mirror->status().as_of <= before.as_of));
    BOOST_TEST((mirror->status().as_of > never));

    etcd.start();
    const auto writer = must(make_etcd_control_store(options));
    wait_until([&] { return put(*writer, "m/changed", "2").has_value(); }, "etcd takes a put again");
    wait_for_revision(*mirror, must(erase(*writer, "m/erased")));
    BOOST_TEST(value_in(*mirror, "m/changed") == "2");
    BOOST_TEST(mirror->list("m/").entries.size() == 2U);
    wait_until([&] { return mirror->status().connected && mirror->status().as_of > before.as_of; }, "young again");
    for (const auto& c : noted.heard()) BOOST_TEST(c.key != "m/kept"); // only what changed
}

BOOST_AUTO_TEST_CASE(a_copy_of_another_cluster_is_replaced) {
    etcd_process etcd;
    const auto rows = make_memory_store();
    const auto shared = std::make_shared<control_rows>(*rows);
    {
        const auto store = must(make_etcd_control_store(quick_options({etcd.endpoint()})));
        const auto mirror = must(control_mirror::start({store.get(), "", shared, {}}));
        must(put(*store, "old", "1"));
        wait_for_revision(*mirror, must(put(*store, "both", "1")));
    }
    etcd.wipe();
    changes_noted noted;
    const auto store = must(make_etcd_control_store(quick_options({etcd.endpoint()})));
    for (int i = 0; i < 10; ++i) must(put(*store, "both", "2")); // its revision is beyond the copy's
    const auto mirror = must(control_mirror::start({store.get(), "", shared, noted.sink()}));
    BOOST_TEST(value_in(*mirror, "old") == "1");
    wait_until([&] { return value_in(*mirror, "old") == "(none)"; }, "the old copy goes");
    BOOST_TEST(value_in(*mirror, "both") == "2");
    wait_until([&] { return !noted.heard().empty(); }, "it is told, which comes after it was written");
    const control_mirror_status now = mirror->status();
    BOOST_TEST(now.not_written == "");
    const auto again = must(control_mirror::start({store.get(), "", shared, {}}));
    BOOST_TEST(value_in(*again, "old") == "(none)");
}

BOOST_AUTO_TEST_CASE(a_copy_that_cannot_be_written_goes_on_and_is_written_later) {
    local_backend b;
    const auto rows = make_memory_store({.bytes_max = 0, .failing_commits = {2, 3}});
    const auto shared = std::make_shared<control_rows>(*rows);
    {
        const auto mirror = must(control_mirror::start({b.operator->(), "", shared, {}}));
        wait_until([&] { return mirror->status().filled; }, "the first write");
        wait_for_revision(*mirror, must(put(*b, "a", "1")));
        wait_until([&] { return !mirror->status().not_written.empty(); }, "the failure is told");
        BOOST_TEST(value_in(*mirror, "a") == "1");
        must(put(*b, "b", "1"));
        wait_for_revision(*mirror, must(put(*b, "c", "1")));
        wait_until([&] { return mirror->status().not_written.empty(); }, "it is written");
    }
    const auto again = must(control_mirror::start({b.operator->(), "", shared, {}}));
    BOOST_TEST(again->list("").entries.size() == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace coppice::testing
