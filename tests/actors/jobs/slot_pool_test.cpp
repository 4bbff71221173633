#include <boost/test/unit_test.hpp>
#include <map>
#include <random>

#include "actors/jobs/slot_pool.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

const std::map<std::string, type_id> declared{{"build", type_id{1}}, {"deploy", type_id{2}}, {"scan", type_id{3}}};

void resolve(slot_pool& pool) {
    pool.resolve([](const std::string& name, bool) -> std::optional<slot_pool::demand> {
        const auto found = declared.find(name);
        if (found == declared.end()) return std::nullopt;
        return slot_pool::demand{found->second, {}, {}};
    });
}

struct pool_model_worker {
    bool attached = false, draining = false, silent = false;
    std::set<std::string> types;
    std::uint32_t slots = 0;
    std::uint32_t tenant = 0; // bound to it; 0: to none
};

struct pool_model {
    std::map<std::uint64_t, pool_model_worker> workers;
    std::map<std::uint64_t, std::uint32_t> held;

    std::uint32_t free(std::uint64_t id) {
        const pool_model_worker& w = workers[id];
        return !w.attached || w.draining || w.silent || held[id] >= w.slots ? 0 : w.slots - held[id];
    }
    bool runs(std::uint64_t id, type_id y, tenant_id t) {
        if (workers[id].tenant != 0 && workers[id].tenant != t.value) return false;
        for (const auto& name : workers[id].types)
            if (const auto d = declared.find(name); d != declared.end() && d->second == y) return true;
        return false;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(slots)

BOOST_AUTO_TEST_CASE(the_pool_and_a_model_of_it_agree_over_random_histories) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    std::mt19937_64 random{seed};
    const auto below = [&](std::uint64_t n) { return random() % n; };
    slot_pool pool;
    pool_model model;
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
        for (int step = 0; step < 20'000; ++step) {
            const std::uint64_t id = 1 + below(6);
            pool_model_worker& w = model.workers[id];
            const type_id type{static_cast<std::uint32_t>(1 + below(4))};
            const auto slots = static_cast<std::uint32_t>(1 + below(3));
            const tenant_id tenant{static_cast<std::uint32_t>(1 + below(3))};
            switch (below(12)) {
            case 0: {
                w.attached = true;
                w.silent = false;
                w.slots = static_cast<std::uint32_t>(below(5));
                w.tenant = below(2) == 0 ? 0 : static_cast<std::uint32_t>(1 + below(3));
                w.types.clear();
                for (const char* name : {"build", "deploy", "scan", "unheard-of"})
                    if (below(2) == 0) w.types.insert(name);
                pool.attach(worker_id{id}, w.types, w.slots, tenant_id{w.tenant});
                resolve(pool);
                break;
            }
            case 1:
                w.attached = w.draining = w.silent = false;
                pool.detach(worker_id{id});
                break;
            case 2:
                if (below(3) != 0) break;
                if (below(2) == 0) {
                    w.silent = w.attached;
                    pool.silence(worker_id{id});
                    break;
                }
                w.draining = w.attached;
                pool.drain(worker_id{id});
                break;
            case 3:
                model.held[id] += slots;
                pool.take_from(worker_id{id}, slots);
                break;
            case 4:
            case 5:
            case 6:
            case 7:
                model.held[id] -= std::min(model.held[id], slots);
                pool.release(worker_id{id}, slots);
                break;
            default: {
                bool possible = false;
                for (std::uint64_t each = 1; each <= 6; ++each)
                    possible = possible || (model.free(each) >= slots && model.runs(each, type, tenant));
                BOOST_REQUIRE_EQUAL(pool.could_run({type, tenant, slots}), possible);
                const auto taken = pool.take({type, tenant, slots});
                BOOST_REQUIRE_EQUAL(taken.has_value(), possible);
                if (!taken) break;
                BOOST_REQUIRE(model.free(taken->value) >= slots && model.runs(taken->value, type, tenant));
                model.held[taken->value] += slots;
            }
            }
            std::uint64_t free = 0, held = 0;
            for (std::uint64_t each = 1; each <= 6; ++each) {
                free += model.free(each);
                held += model.held[each];
                BOOST_REQUIRE_EQUAL(pool.held(worker_id{each}), model.held[each]);
            }
            BOOST_REQUIRE_EQUAL(pool.free_slots(), free);
            BOOST_REQUIRE_EQUAL(pool.has_free(), free > 0);
            BOOST_REQUIRE_EQUAL(pool.held(), held);
        }
    }
}

BOOST_AUTO_TEST_CASE(work_goes_to_workers_in_turn) {
    slot_pool pool;
    for (std::uint64_t id = 1; id <= 4; ++id) pool.attach(worker_id{id}, {"build"}, 100);
    resolve(pool);
    std::map<std::uint64_t, int> taken;
    for (int i = 0; i < 40; ++i) ++taken[pool.take({type_id{1}, tenant_id{1}})->value];
    for (const auto& [id, n] : taken) BOOST_TEST(n == 10);
    BOOST_TEST(taken.size() == 4U);
}

BOOST_AUTO_TEST_CASE(work_goes_where_its_labels_are_and_first_where_it_likes_to_be) {
    slot_pool pool;
    pool.attach(worker_id{1}, {"build"}, 2);
    pool.attach(worker_id{2}, {"build"}, 2, {}, {"gpu"});
    pool.attach(worker_id{3}, {"build"}, 2, {}, {"gpu", "ssd", "near"});
    pool.attach(worker_id{4}, {"build"}, 1, {}, {"gpu", "ssd"});
    const std::vector<std::string> require{"gpu"}, prefer{"ssd", "near"};
    pool.resolve([&](const std::string&, bool) {
        return std::optional{slot_pool::demand{type_id{1}, require, prefer}};
    });
    std::vector<std::uint64_t> order;
    while (const auto taken = pool.take({type_id{1}, tenant_id{1}})) order.push_back(taken->value);
    const std::vector<std::uint64_t> expected{3, 3, 4, 2, 2};
    BOOST_TEST(order == expected, boost::test_tools::per_element());
    BOOST_TEST(!pool.could_run({type_id{1}, tenant_id{1}}));
    BOOST_TEST(pool.free_slots() == 2U); // of the one without
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_wanted_first_is_taken_while_it_can) {
    slot_pool pool;
    pool.attach(worker_id{1}, {"build"}, 2);
    pool.attach(worker_id{2}, {"build"}, 2, tenant_id{7});
    pool.attach(worker_id{3}, {"other"}, 2);
    resolve(pool);
    const auto take = [&](std::uint64_t first) {
        const auto taken = pool.take({type_id{1}, tenant_id{7}}, worker_id{first});
        return taken ? taken->value : 0;
    };
    BOOST_TEST(take(2) == 2U);
    BOOST_TEST(take(2) == 2U);
    BOOST_TEST(take(2) == 1U); // it is busy
    BOOST_TEST(take(3) == 1U); // it does something else
    pool.release(worker_id{1});
    BOOST_TEST(take(99) == 1U); // it is gone
    pool.release(worker_id{2});
    BOOST_TEST(!pool.take({type_id{1}, tenant_id{8}}, worker_id{2})); // it is another tenant's
}

BOOST_AUTO_TEST_CASE(a_worker_that_comes_back_still_holds_what_it_runs) {
    slot_pool pool;
    pool.attach(worker_id{1}, {"build"}, 2);
    resolve(pool);
    pool.take({type_id{1}, tenant_id{1}});
    pool.take({type_id{1}, tenant_id{1}});
    pool.detach(worker_id{1});
    BOOST_TEST(pool.held() == 2U);
    pool.release(worker_id{1});
    pool.attach(worker_id{1}, {"build"}, 2);
    resolve(pool);
    BOOST_TEST(pool.free_slots() == 1U);
}

BOOST_AUTO_TEST_CASE(a_worker_with_fewer_slots_than_it_runs_gets_nothing_new) {
    slot_pool pool;
    pool.attach(worker_id{1}, {"build"}, 3);
    resolve(pool);
    for (int i = 0; i < 3; ++i) pool.take({type_id{1}, tenant_id{1}});
    pool.attach(worker_id{1}, {"build"}, 1);
    resolve(pool);
    BOOST_TEST(!pool.has_free());
    pool.release(worker_id{1});
    pool.release(worker_id{1});
    BOOST_TEST(!pool.has_free());
    pool.release(worker_id{1});
    BOOST_TEST(pool.free_slots() == 1U);
}

BOOST_AUTO_TEST_CASE(slots_at_once_are_those_of_one_worker) {
    slot_pool pool;
    pool.attach(worker_id{1}, {"build"}, 2);
    pool.attach(worker_id{2}, {"build"}, 3);
    resolve(pool);
    const slot_pool::wish three{type_id{1}, tenant_id{1}, 3};
    const slot_pool::wish one{type_id{1}, tenant_id{1}, 1};
    BOOST_TEST(!pool.could_run({type_id{1}, tenant_id{1}, 4}));
    BOOST_TEST((pool.take(three) == worker_id{2}));
    BOOST_TEST(!pool.could_run(three));
    BOOST_TEST((pool.take(one) == worker_id{1}));
    pool.release(worker_id{2}, 3);
    BOOST_TEST(pool.could_run(three));
    BOOST_TEST(pool.held() == 1U);
}

BOOST_AUTO_TEST_CASE(the_worker_that_lacks_fewest_is_kept_for_a_wish_and_from_the_others) {
    slot_pool pool;
    pool.attach(worker_id{1}, {"build"}, 4);
    pool.attach(worker_id{2}, {"build"}, 4);
    pool.attach(worker_id{3}, {"build"}, 2); // never enough
    pool.attach(worker_id{4}, {"build"}, 9);
    pool.drain(worker_id{4});
    resolve(pool);
    pool.take_from(worker_id{1}, 3);
    pool.take_from(worker_id{2}, 1);
    const slot_pool::wish four{type_id{1}, tenant_id{1}, 4};
    const slot_pool::wish one{type_id{1}, tenant_id{1}, 1};
    BOOST_TEST(!pool.keep_one_for({type_id{1}, tenant_id{1}, 5}));
    BOOST_TEST(pool.keep_one_for(four));
    BOOST_TEST((pool.kept() == worker_id{2}));
    BOOST_TEST(!pool.keep_one_for(four)); // one at a time
    for (int i = 0; i < 3; ++i) BOOST_TEST((pool.take(one, worker_id{2}) != worker_id{2}));
    BOOST_TEST(!pool.could_run(one));
    pool.keep_none();
    BOOST_TEST((pool.take(one) == worker_id{2}));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
