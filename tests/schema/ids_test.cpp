#include <boost/test/unit_test.hpp>

#include "schema/ids.hpp"

namespace coppice {

BOOST_AUTO_TEST_SUITE(ids)

BOOST_AUTO_TEST_CASE(an_id_says_its_time_shard_and_tenant) {
    const job_id id = job_id::make(1'700'000'000'123, shard_id{5}, tenant_id{77}, 42);
    BOOST_TEST(id.time_ms() == 1'700'000'000'123U);
    BOOST_TEST(id.shard().value == 5);
    BOOST_TEST(id.tenant().value == 77U);
}

BOOST_AUTO_TEST_CASE(an_id_reads_back_from_its_text_and_nothing_else_does) {
    const job_id id = job_id::make(1'700'000'000'123, shard_id{4095}, tenant_id{(1U << 24) - 1}, 1ULL << 37);
    BOOST_TEST((job_id::parse(to_string(id)) == id));
    BOOST_TEST(!job_id::parse("").has_value());
    BOOST_TEST(!job_id::parse("00000000-0000-0000-0000-000000000000").has_value());
    BOOST_TEST(!job_id::parse(to_string(id) + "0").has_value());
}

BOOST_AUTO_TEST_CASE(a_minter_never_repeats_or_goes_back_even_when_the_clock_does) {
    job_id_minter minter;
    job_id last;
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        const std::uint64_t clock = 1'700'000'000'000 + (i * 7919) % 50;
        const job_id id = minter.next(clock, shard_id{1}, tenant_id{1}, i * 0x9e3779b97f4a7c15ULL);
        BOOST_REQUIRE(id > last);
        last = id;
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
