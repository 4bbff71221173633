// A document's text in the control store, and what a shard has yet to be told: both pure.
#include "cluster/declared/declared_record.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "cluster/declared/shard_teller.hpp"
#include "schema/limits.hpp"

namespace coppice::testing {
namespace {

declared_row sample() {
    return {.kind = "Tenant",
            .name = "acme",
            .number = 3,
            .version = 2,
            .spec = R"({"weight":1})",
            .changed_at = from_us(1'700'000'000'123'456),
            .changed_by = "ann"};
}

bool same(const declared_row& a, const declared_row& b) {
    return a.kind == b.kind && a.name == b.name && a.number == b.number && a.version == b.version &&
           a.spec == b.spec && a.changed_at == b.changed_at && a.changed_by == b.changed_by;
}

BOOST_AUTO_TEST_SUITE(declared_records)

BOOST_AUTO_TEST_CASE(a_document_is_one_text_under_its_kind_and_name) {
    BOOST_TEST(declared_key("Tenant", "acme") == "/declared/Tenant/acme");
    BOOST_TEST(encode(sample()) == R"({"changed_at":"2023-11-14T22:13:20.123456Z","changed_by":"ann","format":1,)"
                                   R"("number":3,"spec":"{\"weight\":1}","version":2})");
    const auto read = decode_declared("/declared/Tenant/acme", encode(sample()));
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(same(*read, sample()));
}

BOOST_AUTO_TEST_CASE(a_field_that_is_wrong_and_a_key_that_is_none_are_refused) {
    const auto with = [](const char* field, const nlohmann::json& value) {
        auto object = nlohmann::json::parse(encode(sample()));
        object[field] = value;
        return decode_declared("/declared/Tenant/acme", object.dump()).has_value();
    };
    BOOST_TEST(with("number", 1));
    BOOST_TEST(!with("number", 0));
    BOOST_TEST(!with("number", limits::tenants_max + 1));
    BOOST_TEST(!with("version", 0));
    BOOST_TEST(!with("version", -1));
    BOOST_TEST(!with("spec", ""));
    BOOST_TEST(!with("spec", nlohmann::json::object()));
    BOOST_TEST(!with("changed_at", "yesterday"));
    BOOST_TEST(!with("changed_by", std::string(limits::token_subject_size_max + 1, 'x')));
    BOOST_TEST(!with("more", 1));
    for (const char* key :
         {"", "/declared/", "/declared/Tenant", "/declared/Tenant/", "/declared//acme", "/declared/Tenant/a/b",
          "/declared/Ten-ant/acme", "/declared/Tenant/Acme", "/members/1"})
        BOOST_TEST(!decode_declared(key, encode(sample())), key);
    BOOST_TEST(!parse_counter("-1"));
    BOOST_TEST(!parse_counter("01"));
    BOOST_TEST(!parse_counter("4294967296"));
    BOOST_TEST(parse_counter("").value() == 0U);
    BOOST_TEST(parse_counter("7").value() == 7U);
}

BOOST_AUTO_TEST_CASE(no_changed_byte_gets_a_broken_document_in) {
    const std::uint64_t seed = std::random_device{}();
    std::mt19937_64 random{seed};
    const std::string good = encode(sample());
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed)
    for (int i = 0; i < 20'000; ++i) {
        std::string text = good;
        for (auto n = 1 + random() % 2; n > 0; --n) text[random() % text.size()] = static_cast<char>(random());
        const auto row = decode_declared("/declared/Tenant/acme", text);
        if (!row) continue;
        const auto again = decode_declared("/declared/Tenant/acme", encode(*row));
        BOOST_TEST((again && same(*again, *row)));
    }
}

// ---- shard_teller

tenant_ptr tenant(const std::string& name, std::uint32_t number, std::uint64_t version) {
    declared_tenant t{tenant_id{number}, version, {}};
    t.spec.name = name;
    return std::make_shared<const declared_tenant>(std::move(t));
}

std::vector<command_result> results_of(std::size_t count, errc code) {
    return std::vector<command_result>(count, command_result{.code = code});
}

const shard_teller::document_id acme{shard_teller::sort::tenant, "acme"};

BOOST_AUTO_TEST_CASE(a_version_is_told_once_and_a_newer_one_again) {
    shard_teller teller;
    shard_teller::time now{};
    catalog all;
    all.put(tenant("acme", 1, 1));
    teller.want(all, {}, 1);
    BOOST_REQUIRE(teller.next(now)->tenants.size() == 1U);
    BOOST_TEST(!teller.next(now)); // one batch at a time
    BOOST_TEST(!teller.told(acme, 1));
    teller.answered(results_of(1, errc::ok), now);
    BOOST_TEST(teller.told(acme, 1).value().has_value());
    BOOST_TEST(!teller.told(acme, 2));
    BOOST_TEST(teller.idle());
    teller.want(all, {}, 1);
    BOOST_TEST(!teller.next(now));
    all.put(tenant("acme", 1, 2));
    teller.want(all, {}, 1);
    BOOST_TEST(teller.next(now)->tenants.at(0)->version == 2U);
}

BOOST_AUTO_TEST_CASE(what_changes_while_a_batch_is_under_way_is_told_after_it) {
    shard_teller teller;
    shard_teller::time now{};
    catalog all;
    all.put(tenant("acme", 1, 1));
    teller.want(all, {}, 1);
    teller.next(now);
    all.put(tenant("acme", 1, 2));
    teller.want(all, {}, 1);
    teller.answered(results_of(1, errc::ok), now);
    BOOST_TEST(!teller.told(acme, 2));
    BOOST_TEST(teller.next(now)->tenants.at(0)->version == 2U);
}

BOOST_AUTO_TEST_CASE(a_shard_is_told_again_after_a_pause_unless_it_refuses_for_good) {
    for (const errc code : {errc::not_primary, errc::unavailable, errc::overloaded, errc::unknown_outcome}) {
        shard_teller teller;
        shard_teller::time now{};
        catalog all;
        all.put(tenant("acme", 1, 1));
        teller.want(all, {}, 1);
        teller.next(now);
        teller.answered(results_of(1, code), now);
        BOOST_TEST(!teller.idle());
        BOOST_TEST(!teller.next(now));
        now += limits::declare_retry_pause;
        BOOST_TEST(teller.next(now).has_value());
        teller.answered(results_of(1, errc::invalid_argument), now);
        BOOST_TEST(teller.idle());
        BOOST_TEST(!teller.told(acme, 1).value().has_value());
    }
}

BOOST_AUTO_TEST_CASE(a_batch_is_bounded) {
    shard_teller teller;
    catalog all;
    const auto count = static_cast<std::uint32_t>(limits::declarations_per_proposal_max);
    for (std::uint32_t i = 1; i <= count + 1; ++i) all.put(tenant("t" + std::to_string(i), i, 1));
    teller.want(all, {}, 1);
    BOOST_TEST(teller.next({})->tenants.size() == count);
    teller.answered(results_of(count, errc::ok), {});
    BOOST_TEST(teller.next({})->tenants.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace coppice::testing
