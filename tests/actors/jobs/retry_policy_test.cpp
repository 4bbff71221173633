#include <array>
#include <boost/test/unit_test.hpp>
#include <limits>

#include "actors/jobs/retry_policy.hpp"

namespace coppice::testing {
namespace {

job_id some_job(std::uint64_t n) { return job_id::make(1'800'000'000'000, shard_id{1}, tenant_id{1}, n); }

} // namespace

BOOST_AUTO_TEST_SUITE(retry_policy)

BOOST_AUTO_TEST_CASE(the_ceiling_doubles_with_each_try_up_to_the_most) {
    const milliseconds base{1000}, most{300'000};
    std::int64_t expected = 1000;
    for (std::uint32_t tries = 1; tries <= 200; ++tries) {
        BOOST_TEST(backoff_ceiling(base, most, tries).count() == std::min<std::int64_t>(expected, 300'000));
        expected = std::min<std::int64_t>(expected * 2, 1'000'000);
    }
    BOOST_TEST(backoff_ceiling(base, most, 0).count() == 1000);
}

BOOST_AUTO_TEST_CASE(no_declaration_overflows_the_ceiling) {
    const milliseconds huge{std::numeric_limits<std::int64_t>::max()};
    for (const std::uint32_t tries : {1U, 2U, 31U, 32U, 33U, 63U, 64U, 65U, ~0U}) {
        BOOST_TEST(backoff_ceiling(milliseconds{1}, huge, tries).count() > 0);
        BOOST_TEST(backoff_ceiling(huge, huge, tries).count() == huge.count());
        BOOST_TEST(backoff_ceiling(huge, milliseconds{5}, tries).count() == 5);
        BOOST_TEST(backoff_ceiling(milliseconds{0}, milliseconds{0}, tries).count() == 0);
    }
    BOOST_TEST(full_jitter(huge, ~std::uint64_t{0}).count() >= 0);
}

BOOST_AUTO_TEST_CASE(a_delay_lies_between_nothing_and_the_ceiling_both_included) {
    bool least = false, most = false;
    for (std::uint64_t n = 0; n < 2000; ++n) {
        const auto d = full_jitter(milliseconds{9}, attempt_random(some_job(n), 1)).count();
        BOOST_REQUIRE((d >= 0 && d <= 9));
        least = least || d == 0;
        most = most || d == 9;
    }
    BOOST_TEST((least && most));
    BOOST_TEST(full_jitter(milliseconds{0}, 77).count() == 0);
    BOOST_TEST(full_jitter(milliseconds{-5}, 77).count() == 0);
}

BOOST_AUTO_TEST_CASE(delays_of_neighbouring_jobs_and_attempts_are_spread_evenly) {
    constexpr int jobs = 10'000, attempts = 10, cells = 50;
    std::array<int, cells> hits{};
    for (std::uint64_t n = 0; n < jobs; ++n)
        for (std::uint32_t a = 1; a <= attempts; ++a)
            ++hits[static_cast<std::size_t>(
                full_jitter(milliseconds{cells - 1}, attempt_random(some_job(n), a)).count())];
    double chi_square = 0;
    const double expected = double(jobs) * attempts / cells;
    for (const int h : hits) chi_square += (h - expected) * (h - expected) / expected;
    BOOST_TEST(chi_square < 94.6); // 49 degrees of freedom: passed by chance once in 10,000; the inputs are fixed
}

BOOST_AUTO_TEST_CASE(the_same_attempt_gets_the_same_delay_everywhere) {
    BOOST_TEST(attempt_random(some_job(1), 1) == attempt_random(some_job(1), 1));
    BOOST_TEST(attempt_random(some_job(1), 1) != attempt_random(some_job(1), 2));
    BOOST_TEST(attempt_random(some_job(1), 1) != attempt_random(some_job(2), 1));
    // Replicas of different versions must agree too: this value is part of the format.
    BOOST_TEST(attempt_random(job_id::from_halves(1, 2), 3) == 487617019471545679ULL);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
