// Results in an object store: that what comes back is what was stored, and that what no job names goes.
#include "runtime/results/result_desk.hpp"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <future>

#include "actors/governance/sha256.hpp"
#include "runtime/results/directory_objects.hpp"
#include "runtime/results/result_name.hpp"
#include "runtime/results/result_sweep.hpp"
#include "tests/actors/jobs/machine_world.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {
namespace {

logger quiet() { return logger{{.level = log_level::off}, make_descriptor_sink(2)}; }

attempt_ref some_attempt(std::uint32_t attempt = 1, std::uint64_t random = 7) {
    return {job_id::make(1'800'000'000'000, test_shard, tenant_id{3}, random), attempt};
}

struct desk_world {
    explicit desk_world(result_desk::settings settings = {.above = 1000, .allowed = {}})
        : desk(std::make_shared<result_desk>(opened(files.path() / "results"), std::move(settings), quiet())) {}
    static std::unique_ptr<object_store> opened(const std::filesystem::path& at) {
        auto store = directory_objects::open(at);
        BOOST_REQUIRE(store);
        return std::move(*store);
    }
    expected<stored_result> put(const attempt_ref& ref, const std::string& bytes) const {
        std::promise<expected<stored_result>> promise;
        desk->put(ref, std::make_shared<const std::string>(bytes),
                  [&](expected<stored_result> r) { promise.set_value(std::move(r)); });
        return promise.get_future().get();
    }
    expected<std::string> get(const attempt_ref& ref, const stored_result& what) const {
        std::promise<expected<std::string>> promise;
        desk->get(ref, what, [&](expected<std::string> r) { promise.set_value(std::move(r)); });
        return promise.get_future().get();
    }
    std::filesystem::path file(const attempt_ref& ref) const { return files.path() / "results" / result_name(ref); }

    scratch_directory files;
    std::shared_ptr<result_desk> desk;
};

} // namespace

BOOST_AUTO_TEST_SUITE(result_store)

BOOST_AUTO_TEST_CASE(a_name_is_an_attempt_s_and_no_other_text_is_one) {
    const attempt_ref ref = some_attempt(12);
    BOOST_TEST((read_result_name(result_name(ref)) == ref));
    BOOST_TEST(is_object_name(result_name(ref)));
    const std::string name = result_name(ref);
    for (const std::string& bad :
         {std::string{}, std::string{"owner"}, name + "x", "4" + name.substr(1), name.substr(2),
          name.substr(0, name.size() - 2) + "012", name.substr(0, name.size() - 2)})
        BOOST_TEST(!read_result_name(bad).has_value(), bad);
}

BOOST_AUTO_TEST_CASE(what_comes_back_is_what_was_stored) {
    const desk_world w;
    const std::string bytes(5000, 'r');
    const auto stored = w.put(some_attempt(), bytes);
    BOOST_REQUIRE(stored);
    BOOST_TEST(stored->size == 5000U);
    BOOST_TEST((stored->digest == sha256(bytes)));
    BOOST_TEST((w.get(some_attempt(), *stored) == expected<std::string>{bytes}));
    w.desk->settle(milliseconds{60'000});
    BOOST_TEST(w.desk->totals().stored == 1U);
    BOOST_TEST(w.desk->totals().fetched == 1U);

    std::ofstream{w.file(some_attempt())} << std::string(5000, 'x'); // somebody else's hand
    BOOST_TEST((w.get(some_attempt(), *stored).error().code == errc::store_damaged));
    std::ofstream{w.file(some_attempt())} << std::string(6000, 'r');
    BOOST_TEST((w.get(some_attempt(), *stored).error().code == errc::store_damaged));
    w.desk->drop(std::vector{some_attempt()});
    const auto gone = w.get(some_attempt(), *stored);
    BOOST_TEST((gone.error().code == errc::store_damaged));
    BOOST_TEST(gone.error().detail.find("is not in the result store any more") != std::string::npos);
    BOOST_TEST(w.desk->totals().failures == 3U);
}

BOOST_AUTO_TEST_CASE(it_takes_what_is_large_once_all_nodes_know_of_it) {
    bool all_know = false;
    const desk_world w({.above = 1000, .allowed = [&] { return all_know; }});
    BOOST_TEST(!w.desk->takes(5000));
    all_know = true;
    BOOST_TEST(w.desk->takes(1001));
    BOOST_TEST(!w.desk->takes(1000));
}

// A store that keeps its callers waiting.
class slow_store final : public object_store {
  public:
    void put(std::string, std::string, done then) override { waiting.push_back(std::move(then)); }
    void get(std::string, std::size_t, got) override {}
    void remove(std::string, done) override {}
    void list(std::string, listed) override {}
    std::string place() const override { return "slow"; }
    std::vector<done> waiting;
};

BOOST_AUTO_TEST_CASE(what_is_on_its_way_is_bounded_and_a_stop_ends_it) {
    auto store = std::make_unique<slow_store>();
    slow_store& slow = *store;
    result_desk desk{std::move(store), {.above = 0, .allowed = {}}, quiet()};
    const auto bytes = std::make_shared<const std::string>(result_desk::under_way_max / 2 + 1, 'x');
    std::vector<errc> heard;
    const auto then = [&](const expected<stored_result>& r) { heard.push_back(r ? errc::ok : r.error().code); };
    desk.put(some_attempt(), bytes, then);
    desk.put(some_attempt(2), bytes, then);
    BOOST_TEST((heard == std::vector{errc::overloaded}));
    slow.waiting.front()({});
    desk.put(some_attempt(3), bytes, then);
    slow.waiting.back()(fail(errc::unavailable, "away"));
    BOOST_TEST((heard == std::vector{errc::overloaded, errc::ok, errc::unavailable}));
    desk.put(some_attempt(4), bytes, then);
    desk.stop();
    desk.put(some_attempt(5), bytes, then);
    BOOST_TEST((heard == std::vector{errc::overloaded, errc::ok, errc::unavailable, errc::unavailable}));
}

BOOST_AUTO_TEST_CASE(a_sweep_drops_what_no_row_names_when_it_is_old_enough) {
    const desk_world d;
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 10);
    const auto put = [&](const job_id& id, std::uint32_t attempt = 1) {
        const auto stored = d.put({id, attempt}, std::string(5000, 'r'));
        BOOST_REQUIRE(stored);
        return *stored;
    };
    const job_id named = w.submit(), runs = w.submit(), inside = w.submit();
    w.report(named, outcome::SUCCEEDED, {.stored = put(named)});
    put(named, 2); // of an attempt that was not the last
    put(runs);
    put(inside);
    w.report(inside, outcome::SUCCEEDED, {.result = "in the tables"});
    put(some_attempt().job);
    std::ofstream{d.files.path() / "results" / "note"} << "somebody's";
    // Lines go with their job's row, whatever it has come to.
    const auto lines_of = [&](const job_id& id) { return d.files.path() / "results" / lines_name({id, 1}, 5); };
    const job_id gone_too = job_id::make(1'800'000'000'000, test_shard, tenant_id{3}, 99);
    for (const job_id& id : {inside, gone_too}) {
        std::filesystem::create_directories(lines_of(id).parent_path());
        std::ofstream{lines_of(id)} << "lines";
    }

    result_sweep::settings settings{.owner = "us", .every = milliseconds{0}, .shards = 9};
    result_sweep young{w.data(), d.desk, settings, quiet()};
    BOOST_TEST((young.sweep() == expected<std::size_t>{0}));
    settings.min_age = milliseconds{0};
    settings.leads = [](shard_id) { return false; };
    result_sweep elsewhere{w.data(), d.desk, settings, quiet()};
    BOOST_TEST((elsewhere.sweep() == expected<std::size_t>{0}));
    settings.leads = nullptr;
    result_sweep all{w.data(), d.desk, settings, quiet()};
    BOOST_TEST((all.sweep() == expected<std::size_t>{4}));
    BOOST_TEST((all.sweep() == expected<std::size_t>{0}));
    for (const attempt_ref& kept : {attempt_ref{named, 1}, attempt_ref{runs, 1}})
        BOOST_TEST(std::filesystem::exists(d.file(kept)));
    for (const attempt_ref& gone : {attempt_ref{named, 2}, attempt_ref{inside, 1}, some_attempt()})
        BOOST_TEST(!std::filesystem::exists(d.file(gone)));
    BOOST_TEST(std::filesystem::exists(d.files.path() / "results" / "note"));
    BOOST_TEST(std::filesystem::exists(lines_of(inside)));
    BOOST_TEST(!std::filesystem::exists(lines_of(gone_too)));
}

BOOST_AUTO_TEST_CASE(nothing_is_swept_from_another_system_s_store) {
    const desk_world d;
    world w;
    BOOST_REQUIRE(d.put(some_attempt(), "x"));
    result_sweep::settings settings{
        .owner = "us", .every = milliseconds{0}, .min_age = milliseconds{0}, .shards = 9};
    std::ofstream{d.files.path() / "results" / "owner"} << "them";
    result_sweep ours{w.data(), d.desk, settings, quiet()};
    const auto swept = ours.sweep();
    BOOST_REQUIRE(!swept);
    BOOST_TEST((swept.error().code == errc::conflict));
    BOOST_TEST(std::filesystem::exists(d.file(some_attempt())));
    settings.owner = "them";
    result_sweep theirs{w.data(), d.desk, settings, quiet()};
    BOOST_TEST((theirs.sweep() == expected<std::size_t>{1}));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
